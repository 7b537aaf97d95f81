"""Runs that never end: cycles of states, and what is wrong in them."""
