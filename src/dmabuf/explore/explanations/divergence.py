"""Which operation of a schedule changed first since its token was printed.

A token holds a check of all operations and, as far as there is room, a letter for each group of
steps: a checksum of everything up to the group's end. The first letter that does not fit tells the
group. What a step *was* is in no token. But mostly one thing has changed: an operation became
another one, came in, or went. So each such change of each step of the group is tried, with each
operation there is, and the one that fits all letters is named. If none or several fit, the group
is.

>>> old = ["0 mutex.lock 0", "0 mutex.unlock 0"]
>>> new = ["0 mutex.trylock 0", "0 mutex.unlock 0"]
>>> first_change(new, seal(old, 60), 2, ["mutex.lock", "mutex.trylock", "mutex.unlock"])
Change(first=0, last=0, was='mutex.lock')
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["Change", "first_change", "matches", "seal"]

GROUP = 6
"""Steps in a group at least; shorter schedules have the check of all steps only."""

_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_WHOLE = 4


class Change(NamedTuple):
    """Where the first change is: the first and last step it may be at, counted from 0.

    `was` is the operation that stood there; empty if that is not known.
    """

    first: int
    last: int
    was: str = ""


def check_of(steps: Iterable[str]) -> str:
    """Four letters that change when the operations of a schedule do."""
    return _letters(zlib.crc32("\n".join(steps).encode()), _WHOLE)


def seal(steps: Sequence[str], room: int) -> str:
    """The check of all steps, and letters of groups in so much room."""
    groups = max(min(room - _WHOLE, len(steps) // GROUP), 0)
    ends = _ends(len(steps), groups)
    return check_of(steps) + "".join(_letter(steps[:end]) for end in ends)


def matches(steps: Sequence[str], sealed: str) -> bool:
    """Are these the operations that were sealed?"""
    return seal(steps, len(sealed)) == sealed


def first_change(
    steps: Sequence[str], sealed: str, count: int, ops: Iterable[str]
) -> Change | None:
    """Where operations first differ from those that were sealed.

    Args:
        steps: "ordinal operation variant" of each step, as they are now; fewer than `count` if
            the schedule is not possible any more.
        sealed: what was printed.
        count: how many steps the schedule has.
        ops: names of all operations.

    Returns None if the steps that are there show no change.
    """
    ends = _ends(count, len(sealed) - _WHOLE)
    letters = sealed[_WHOLE:]
    before, first, last = 0, 0, len(steps) - 1
    for end, letter in zip(ends, letters, strict=True):
        if end > len(steps):
            break
        if _letter(steps[:end]) != letter:
            last = end - 1
            break
        before, first = first, end
    else:
        if len(steps) == count and check_of(steps) == sealed[:_WHOLE]:
            return None
    if first > last:
        return None
    if len(steps) == count:
        for start in (first, before):  # one letter in 32 fits by accident
            found = set(_explained(steps, sealed, range(start, last + 1), sorted(ops)))
            if len(found) == 1:
                index, was = found.pop()
                return Change(index, index, was)
    return Change(first, last)


def _explained(
    steps: Sequence[str], sealed: str, where: range, ops: Sequence[str]
) -> Iterator[tuple[int, str]]:
    """The single changes that would make the seal fit: which step, and what it was."""
    end, letter = where.stop, _letter_at(where.stop, len(steps), sealed)
    for index in where:
        for op in ops:
            for before in _before(steps, index, op):
                if letter and _letter(before[:end]) != letter:
                    continue
                if matches(before, sealed):
                    yield index, before[index].split(" ")[1]


def _before(steps: Sequence[str], index: int, op: str) -> Iterator[list[str]]:
    """The schedules that one change at a step could have made into this one."""
    who, now, variant = steps[index].split(" ")
    if op != now:
        yield [*steps[:index], f"{who} {op} {variant}", *steps[index + 1 :]]
    mine = [i for i in range(index, len(steps)) if steps[i].split(" ")[0] == who]
    names = [steps[i].split(" ")[1] for i in mine]
    for moved in ([*names[1:], op], [op, *names[:-1]]):  # one came in here; one went from here
        if moved[0] != now:
            yield _with(steps, mine, moved)


def _with(steps: Sequence[str], places: Sequence[int], names: Sequence[str]) -> list[str]:
    found = list(steps)
    for place, name in zip(places, names, strict=True):
        who, _op, variant = found[place].split(" ")
        found[place] = f"{who} {name} {variant}"
    return found


def _ends(count: int, groups: int) -> list[int]:
    """After which steps the groups end."""
    return [count * (number + 1) // groups for number in range(groups)] if groups > 0 else []


def _letter_at(end: int, count: int, sealed: str) -> str:
    """The letter of the group that ends there; empty if none does."""
    ends = _ends(count, len(sealed) - _WHOLE)
    return sealed[_WHOLE + ends.index(end)] if end in ends else ""


def _letter(steps: Sequence[str]) -> str:
    return _letters(zlib.crc32("\n".join(steps).encode()) >> 20, 1)


def _letters(value: int, count: int) -> str:
    return "".join(_DIGITS[(value >> 5 * place) & 31] for place in range(count))
