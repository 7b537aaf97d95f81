"""Sets of names as bytes: an audit keeps ten thousand of them, of ten thousand names each."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["NameSet", "Numbers", "meets", "renumbered"]

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


def renumbered(packed: NameSet, base: int, other: Sequence[int]) -> NameSet:
    """The same set where names that had the numbers from `base` on have others.

    Args:
        packed: the set.
        base: the first number that is another one.
        other: what the numbers from `base` on are now.
    """
    if packed[:1] == b"n":
        numbers = array("I", packed[1:])
        if all(number < base for number in numbers):
            return packed
        moved = (one if one < base else other[one - base] for one in numbers)
        return b"n" + array("I", moved).tobytes()
    bits = bytearray(zlib.decompress(packed[1:]))
    found = [
        number
        for at in range(base >> 3, len(bits))
        if bits[at]
        for number in range(at << 3, (at + 1) << 3)
        if number >= base and bits[at] >> (number & 7) & 1
    ]
    if not found:
        return packed
    for number in found:
        bits[number >> 3] &= ~(1 << (number & 7))
    bits.extend(bytes(max(max(other) // 8 + 1 - len(bits), 0)))
    for number in found:
        new = other[number - base]
        bits[new >> 3] |= 1 << (new & 7)
    return b"b" + zlib.compress(bits, 1)
