"""What one thread of the watched program holds, and which threads came before which.

A thread that is started after something happened comes after it, and whoever has joined a thread
comes after all that the thread did. Two threads that are so ordered never wait for each other.
That order is kept by a clock for each thread: how far it knows every other thread to be (Lamport,
"Time, clocks, and the ordering of events in a distributed system", 1978; the vector form is
Mattern's and Fidge's). Only starts and joins count. What one run shows of events set and waited
for need not be so in the next.

    >>> parent, child = Here("parent"), Here("child")
    >>> child.starts_after(parent.fork())
    >>> child.knows(parent.number, 0), child.knows(parent.number, parent.epoch)
    (True, False)
"""

from __future__ import annotations

import itertools
from collections import deque
from types import CodeType
from typing import Any

__all__ = ["Clock", "Here", "Taken"]

_KNOWN = 256
"""How many other threads a clock knows; of those that do not fit nothing is known."""

_numbers = itertools.count()
_segments = itertools.count()

Clock = dict[int, int]
"""Thread -> up to which of its epochs everything has happened. Never changed, only replaced."""

Taken = tuple[Any, tuple[CodeType, int], int, Clock]
"""A lock, the instruction that took it, and when."""


class Here:
    """One thread.

    Attributes:
        name: for people.
        locks: what it holds, in order of taking.
        number: tells threads apart; the system uses its own numbers again.
        epoch: how many times it has started or joined others.
        segment: the same, different in all threads.
        clock: what it knows of other threads.
        busy: the watcher's own code runs; whatever takes a lock in between (a finaliser, a
            signal handler) is not looked at.
        gone: locks that other threads have freed for it.
        since: locks taken since it last stood idle, by class.
    """

    __slots__ = (
        "busy",
        "clock",
        "epoch",
        "gone",
        "locks",
        "name",
        "number",
        "segment",
        "since",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.locks: list[Any] = []
        self.number = next(_numbers)
        self.epoch = 0
        self.segment = next(_segments)
        self.clock: Clock = {}
        self.busy = False
        self.gone: deque[Any] = deque()
        self.since: dict[Any, Taken] = {}

    def fork(self) -> Clock:
        """What a thread that starts now comes after."""
        clock = {**self.clock, self.number: self.epoch}
        self._turn()
        return clock

    def starts_after(self, clock: Clock) -> None:
        """This thread was started when `fork` answered that."""
        self.clock = _fitting(clock)

    def joined(self, other: Clock) -> None:
        """A thread has ended for good; `other` is what `fork` answered at its end."""
        known = dict(self.clock)
        for number, epoch in other.items():
            known[number] = max(known.get(number, -1), epoch)
        self.clock = _fitting(known)
        self._turn()

    def knows(self, number: int, epoch: int) -> bool:
        """Has that epoch of that thread ended before anything that happens here now?"""
        return self.clock.get(number, -1) >= epoch

    def _turn(self) -> None:
        self.epoch += 1
        self.segment = next(_segments)


def _fitting(clock: Clock) -> Clock:
    """The youngest entries of a clock."""
    if len(clock) <= _KNOWN:
        return clock
    return {number: clock[number] for number in sorted(clock)[-_KNOWN:]}
