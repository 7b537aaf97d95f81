"""What a number or a character of C is worth."""

from __future__ import annotations

import re

__all__ = ["character", "number"]

_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)[uUlL]*\Z").match
_SIMPLE = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11}
# An integer of C has 128 bits at most; Python refuses decimal ones of more than 4300 digits.
_DIGITS = 40


def number(text: str) -> int | float | None:
    """The value of a number; None if it is none."""
    found = _INTEGER(text)
    if found is not None:
        digits = found.group(1)
        if len(digits) > _DIGITS and digits[1:2] not in "xXbB":
            return None
        if digits[0] == "0" and digits.isdigit():
            return int(digits, 8) if set(digits) <= set("01234567") else None
        return int(digits, 0)
    try:
        return float(text.rstrip("fFlL")) if text[:1].isdigit() or text[:1] == "." else None
    except ValueError:
        return None


def character(text: str) -> int:
    """The value of a character constant, of the simple ones at least; 0 for others."""
    inner = text[1:-1]
    if len(inner) == 1:
        return ord(inner)
    if inner[:1] == "\\":
        if inner[1:] in _SIMPLE:
            return _SIMPLE[inner[1:]]
        if len(inner) == 2:
            return ord(inner[1])
    return 0
