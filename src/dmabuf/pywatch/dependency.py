"""One thing that a thread needed while it had another, and what makes a chain of them a deadlock.

A dependency says: with these locks held, this thread asked for that one. A chain of dependencies,
each asking for what the next one has, closed, is a deadlock if (Joshi, Park, Sen and Naik, "A
randomized dynamic program analysis technique for detecting real deadlocks", 2009)

* all its threads are different,
* no two of them hold the same lock: with such a *gate* they never come so far together,
* none of them comes before another by starts and joins of threads.

An event is no lock, but whoever sets it has it in this sense: to set it, it needs the locks
that it takes on the way. So a wait is a dependency on the event, and a set is one of the event on
locks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dmabuf.contract.classes import LockClass
from dmabuf.contract.stacks import Frames
from dmabuf.pywatch.here import Clock
from dmabuf.pywatch.sites import At

__all__ = ["HELD", "PASSED", "TAKES", "WAITS", "Dependency", "is_possible"]

TAKES = "takes"
"""A lock is asked for while another is held."""
WAITS = "waits"
"""An event is waited for while a lock is held."""
HELD = "held"
"""An event is set while a lock is held."""
PASSED = "passed"
"""An event is set by a thread that took and freed a lock since it last stood idle."""


@dataclass(slots=True, eq=False)
class Dependency:
    """One such thing that was seen.

    Attributes:
        kind: TAKES, WAITS, HELD or PASSED.
        before: the class of what it had: a lock held, or an event that it was to set.
        after: the class of what it needed.
        had: the number of that lock or event.
        needed: the number of the other.
        has: all locks that keep others out, by number; of a setter the event alone.
        thread: its number.
        name: its name.
        epoch: when, see `Here`.
        clock: what it came after.
        had_at: which instruction had taken it, if known.
        needed_at: and which one asked for the other.
        frames: the stack then.
        timed: it would have given up after some time.
        share: if set, the set's own count: how often the lock was needed, and how often not.
    """

    kind: str
    before: LockClass
    after: LockClass
    had: int
    needed: int
    has: frozenset[int]
    thread: int
    name: str
    epoch: int
    clock: Clock
    had_at: At | None
    needed_at: At | None
    frames: Frames
    timed: bool = False
    share: Any = field(default=None)

    @property
    def is_certain(self) -> bool:
        """Does the thread need it each time?"""
        if self.kind == PASSED:
            return False
        return self.share is None or self.share.always

    @property
    def is_about_event(self) -> bool:
        """Is one of the two no lock?"""
        return self.kind != TAKES


def is_possible(one: Dependency, other: Dependency) -> bool:
    """Can both be so at the same time?"""
    if one.thread == other.thread:
        return not (one.is_about_event or other.is_about_event) and one.has.isdisjoint(other.has)
    if not one.has.isdisjoint(other.has):
        return False
    return (
        one.clock.get(other.thread, -1) < other.epoch
        and other.clock.get(one.thread, -1) < one.epoch
    )
