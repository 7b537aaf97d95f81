"""What an expression may be worth: a few constants, "not NULL", or unknown.

A value is a set of atoms, None for unknown. An atom is a number (NULL and false are 0), `OBJECT`
for a pointer that is not NULL, a function, or a struct with known fields.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from dmabuf.audit.program.routine import Routine

__all__ = [
    "OBJECT",
    "Fields",
    "Table",
    "Value",
    "combine",
    "join",
    "number",
    "opposite",
    "plain",
    "truth",
]

OBJECT: Final = "object"
_MOST = 6
_WIDE = 0xFFFFFFFF
"""Numbers are kept with as many bits."""
_ZERO: Final = frozenset([0])
_ONE: Final = frozenset([1])
_EITHER: Final = frozenset([0, 1])


@dataclass(frozen=True, slots=True)
class Fields:
    """A struct of the caller's, such as `ctx = { .no_wait = true }`.

    Attributes:
        known: fields with their values, in the order of their names.
        rest: the value of all others: 0 after an initialiser, else unknown.
    """

    known: tuple[tuple[str, frozenset[Any] | None], ...]
    rest: frozenset[Any] | None = None

    def get(self, name: str) -> frozenset[Any] | None:
        """The value of a field."""
        return dict(self.known).get(name, self.rest)

    def put(self, name: str, value: frozenset[Any] | None) -> Fields:
        """One with another value of a field."""
        fields = {**dict(self.known), name: value}
        return Fields(tuple(sorted(fields.items(), key=lambda one: one[0])), self.rest)

    def within(self, path: Sequence[str], value: frozenset[Any] | None) -> Fields:
        """One with another value of a field of a struct in it: `walk.ctx` of an `evict`."""
        name, *inner = path
        if inner:
            structs = [one for one in self.get(name) or () if isinstance(one, Fields)]
            value = frozenset(one.within(inner, value) for one in structs) or None
        return self.put(name, value)


@dataclass(frozen=True, slots=True)
class Table:
    """A pointer to a variable outside functions, such as a table of operations."""

    name: str
    path: str


Atom: TypeAlias = int | str | Routine | Fields | Table
Value: TypeAlias = frozenset[Atom] | None


def plain(value: Value) -> Value:
    """A value as another program may know it: functions and tables are "not NULL"."""
    if value is None:
        return None
    return frozenset(one if isinstance(one, int) else OBJECT for one in value)


def number(value: int) -> Value:
    """A constant."""
    return frozenset([value])


def join(a: Value, b: Value) -> Value:
    """Either of two values; unknown where that would be too many."""
    if a is None or b is None:
        return None
    both = a | b
    return both if len(both) <= _MOST else None


def truth(value: Value) -> bool | None:
    """Is it true? None where it may be either.

    >>> truth(frozenset([0])), truth(frozenset([OBJECT])), truth(frozenset([0, 4])), truth(None)
    (False, True, None, None)
    """
    if not value:
        return None
    if value == _ZERO:
        return False
    return None if 0 in value else True


def opposite(value: Value) -> Value:
    """`!value`."""
    known = truth(value)
    if known is None:
        return _EITHER if value is not None else None
    return _ZERO if known else _ONE


_NUMERIC: Final[dict[str, Callable[[int, int], int]]] = {
    "|": int.__or__,
    "&": int.__and__,
    "^": int.__xor__,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "<<": lambda a, b: a << min(b, 64),
    ">>": lambda a, b: a >> min(b, 64),
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def combine(sign: str, a: Value, b: Value) -> Value:
    """A binary operator on two values.

    >>> sorted(combine("|", frozenset([1, 2]), frozenset([4])))
    [5, 6]
    >>> combine("==", frozenset([OBJECT]), frozenset([0]))
    frozenset({0})
    """
    if sign in ("&&", "||"):
        return _logical(sign, truth(a), truth(b))
    if a is None or b is None:
        return _absorbed(sign, a, b)
    if sign in ("==", "!=") and not all(isinstance(x, int) for x in a | b):
        if a == _ZERO or b == _ZERO:
            other = b if a == _ZERO else a
            known = truth(other)
            if known is not None:
                return _ONE if known is (sign == "!=") else _ZERO
        return None
    function = _NUMERIC.get(sign)
    if function is None or len(a) * len(b) > 16:
        return None
    numbers = [(x, y) for x in a for y in b if isinstance(x, int) and isinstance(y, int)]
    if len(numbers) != len(a) * len(b):
        return None
    if sign in ("<<", ">>") and any(x < 0 or y < 0 or x << min(y, 64) > _WIDE for x, y in numbers):
        return None
    found = frozenset(int(function(x, y)) & _WIDE for x, y in numbers)
    return found if len(found) <= _MOST else None


def _logical(sign: str, a: bool | None, b: bool | None) -> Value:
    if sign == "&&":
        if a is False or b is False:
            return _ZERO
        return _ONE if a and b else None
    if a or b:
        return _ONE
    return _ZERO if a is False and b is False else None


def _absorbed(sign: str, a: Value, b: Value) -> Value:
    known = a if b is None else b
    if sign == "&" and known == _ZERO:
        return _ZERO
    return None
