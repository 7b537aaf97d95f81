"""Tests; a package only so that `tests.support` and `tests.facts` can be imported."""
