"""Sets of names as bytes: an audit keeps ten thousand of them, of ten thousand names each."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable
from typing import Final

__all__ = ["NameSet", "Numbers", "meets"]

NameSet = bytes
"""First a letter: `n` for numbers, `b` for bits."""
_SHARE: Final = 64
"""Fewer than one in so many names are told by their numbers, more of them by bits."""


class Numbers:
    """A number for each name; names are only ever added."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.of = {name: number for number, name in enumerate(names)}

    def pack(self, names: Iterable[str]) -> NameSet:
        """The bytes of a set; names that have no number yet get one."""
        of = self.of
        numbers = [of.setdefault(name, len(of)) for name in names]
        if len(numbers) * _SHARE < len(of):
            return b"n" + array("I", numbers).tobytes()
        bits = bytearray(len(of) // 8 + 1)
        for number in numbers:
            bits[number >> 3] |= 1 << (number & 7)
        return b"b" + zlib.compress(bits, 1)

    def known(self, names: Iterable[str]) -> frozenset[int]:
        """The numbers of those names that have one."""
        return frozenset(self.of[name] for name in names if name in self.of)


def meets(packed: NameSet, numbers: frozenset[int]) -> bool:
    """Whether one of the numbers is in a set."""
    if packed[:1] == b"n":
        return not numbers.isdisjoint(array("I", packed[1:]))
    bits = zlib.decompress(packed[1:])
    end = len(bits)
    return any(number >> 3 < end and bits[number >> 3] >> (number & 7) & 1 for number in numbers)
