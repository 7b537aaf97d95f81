"""Numbers of tasks and objects that are the same in every process.

A search numbers keys in the order in which it meets them, so two processes that explore different
schedules of one design would number them differently. Here a number is a function of its key:
sorted by numbers, tasks that the design itself started come first, in the order of their start.

    >>> one, other = StableNames(), StableNames()
    >>> numbers = [one.number(("task", 1)), one.number(("task", 2)), one.number(("task", 1, 1))]
    >>> numbers == sorted(numbers), other.number(("task", 2)) == numbers[1]
    (True, True)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from dmabuf.errors import InternalError
from dmabuf.rt.explored_task import Names

__all__ = ["StableNames"]

_DIGEST_BYTES = 4
_LONGEST = 15
_LARGEST = 255


class StableNames(Names):
    """Numbers that follow from their keys alone."""

    __slots__ = ("_keys",)

    def __init__(self, early: Iterable[str] = ()) -> None:
        super().__init__(early)
        self._keys: dict[int, tuple[Any, ...]] = {}

    def number(self, key: tuple[Any, ...]) -> int:
        """The number of a key; two keys never have the same one."""
        known = self._numbers.get(key)
        if known is not None:
            return known
        found = _number(key)
        if self._keys.setdefault(found, key) != key:
            raise InternalError(f"two names have the number {found}")
        self._numbers[key] = found
        return found


def _number(key: tuple[Any, ...]) -> int:
    """Length, first two counters, and a digest of all, in this order of weight."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=_DIGEST_BYTES).digest()
    counters = [part for part in key[1:3] if isinstance(part, int) and part >= 0]
    value = min(len(key), _LONGEST)
    for index in range(2):
        counter = counters[index] if index < len(counters) else 0
        value = value << 8 | min(counter, _LARGEST)
    return value << 8 * _DIGEST_BYTES | int.from_bytes(digest, "big")
