"""How a lock is asked for, and what that makes of the edge between two locks.

Mirrors: kernel/locking/lockdep.c (facts; the terms of its strong dependency paths)

A reader blocks no recursive reader; everything else blocks. So an edge from a held lock to one
that is asked for is of one of four kinds: its start is exclusive or shared, its end is a
recursive reader or not. A closed path is a deadlock unless somewhere a recursive reader waits for
a lock that is held by readers only: an end of the one kind and a start of the other, at one lock.

    >>> kind_of(READ, RECURSIVE) == SHARED_START | RECURSIVE_END
    True
    >>> may_follow(RECURSIVE_END, SHARED_START), may_follow(RECURSIVE_END, 0)
    (False, True)
"""

from __future__ import annotations

__all__ = [
    "EXCLUSIVE",
    "MODES",
    "READ",
    "RECURSIVE",
    "RECURSIVE_END",
    "SHARED_START",
    "kind_of",
    "may_follow",
]

EXCLUSIVE = 0
READ = 1
"""A reader that waits behind a writer who came earlier."""
RECURSIVE = 2
"""A reader that only a writer who holds the lock keeps out."""

MODES = ("exclusive", "read", "recursive read")
"""The words for the three, by value."""

SHARED_START = 2
RECURSIVE_END = 1


def kind_of(held: int, asked: int) -> int:
    """The kind of the edge from a lock held in one mode to one asked for in another."""
    return (SHARED_START if held != EXCLUSIVE else 0) | (RECURSIVE_END if asked == RECURSIVE else 0)


def may_follow(before: int, after: int) -> bool:
    """Does the wait go on through the lock between two edges of these kinds?"""
    return not (before & RECURSIVE_END and after & SHARED_START)
