"""Tests; a package only so that `tests.support` and `tests.facts` can be imported.

Some tests break the engines on purpose, or derive from them, for which they have to be Python.
`DMABUF_PURE= pytest tests/explore tests/rt` has them compiled, where they were built.
"""

import os

os.environ.setdefault("DMABUF_PURE", "explorer")
