"""Small numbers for objects: the lowest one that is free.

Mirrors: include/linux/idr.h

    >>> numbers = Idr(1)
    >>> numbers.alloc(), numbers.alloc()
    (1, 2)
    >>> numbers.remove(1); numbers.alloc()
    1

What a number stands for is kept by whoever has the lock under which these are called.
"""

from __future__ import annotations

import heapq

from dmabuf._names import kernel

__all__ = ["Idr"]


@kernel("struct idr", "idr_init_base")
class Idr:
    """Numbers from `base` on, for whoever holds a lock.

    Args:
        base: the least number.
    """

    __slots__ = ("_freed", "_next")

    def __init__(self, base: int = 0) -> None:
        self._next = base
        self._freed: list[int] = []

    @kernel("idr_alloc")
    def alloc(self) -> int:
        """The lowest free number, which is taken from here. Context: any."""
        if self._freed:
            return heapq.heappop(self._freed)
        self._next += 1
        return self._next - 1

    @kernel("idr_remove")
    def remove(self, number: int) -> None:
        """Free a number that was taken. Context: any."""
        heapq.heappush(self._freed, number)
