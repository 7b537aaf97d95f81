"""Kernel primitives for mutual exclusion and waiting, one file per kernel notion."""
