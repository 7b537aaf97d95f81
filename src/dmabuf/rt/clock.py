"""Clocks: the monotonic one of live runtimes and the virtual one of explored runs.

Time is an integer of nanoseconds everywhere; only public `timeout` arguments are seconds.

    >>> clock = VirtualClock()
    >>> clock.advance_to(to_ns(1.5)); clock.now()
    1500000000
"""

from __future__ import annotations

import math
import time

__all__ = ["NS_PER_S", "VirtualClock", "monotonic_ns", "to_ns"]

NS_PER_S = 1_000_000_000
monotonic_ns = time.monotonic_ns

_LONGEST_S = 1e9
"""About 30 years; longer timeouts are taken as this one, as no clock of ours outlives it."""


def to_ns(seconds: float) -> int:
    """Seconds as an integer of nanoseconds, rounded up so that no wait ends early."""
    if math.isnan(seconds):
        raise ValueError("a timeout is a number of seconds, not NaN")
    return math.ceil(max(-_LONGEST_S, min(seconds, _LONGEST_S)) * NS_PER_S)


class VirtualClock:
    """Time that passes only when a timeout is taken."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        """Nanoseconds since the start of the execution."""
        return self._now

    def advance_to(self, deadline: int) -> None:
        """Let time pass until `deadline`; never backwards."""
        self._now = max(self._now, deadline)
