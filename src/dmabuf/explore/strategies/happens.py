"""Which steps of an execution happened before which, and who touched what.

A set of steps is an integer with a bit for each, so that "happened before" is one shift and the
union of two pasts is one `|`.

    >>> accesses = Accesses()
    >>> accesses.add(0, (6, 9))
    >>> accesses.before((9,), 0), accesses.before((8,), 1), accesses.before((6,), 0)
    ([0], [], [])
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Accesses", "initials", "reversible"]

Footprint = tuple[int, ...]


class Accesses:
    """The steps that touched each object, in order: the dependence of steps as an index."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[int, list[int]] = {}

    @property
    def is_used(self) -> bool:
        """Was anything ever noted?"""
        return bool(self._of)

    def add(self, step: int, footprint: Footprint) -> None:
        """The latest step has that footprint."""
        of = self._of
        for number in footprint:
            entries = of.get(number >> 1)
            if entries is None:
                of[number >> 1] = [step << 1 | number & 1]
            else:
                entries.append(step << 1 | number & 1)

    def drop(self, footprint: Footprint) -> None:
        """Forget the latest step, which has that footprint."""
        for number in footprint:
            self._of[number >> 1].pop()

    def before(self, footprint: Footprint, known: int) -> list[int]:
        """Steps that conflict with the footprint, the latest first.

        Args:
            footprint: of a step that comes next.
            known: the past of that step's task, whose steps are left out. It is closed: what
                came before a change in it and touched the same object is in it as well.
        """
        found: set[int] = set()
        for number in footprint:
            changes = number & 1
            for entry in reversed(self._of.get(number >> 1, ())):
                if entry & 1 or changes:
                    if not known >> (entry >> 1) & 1:
                        found.add(entry >> 1)
                    elif entry & 1:
                        break
        return sorted(found, reverse=True)

    def all_before(self, footprint: Footprint, known: int) -> set[int]:
        """The same where `known` is not closed: what was noted does not order steps."""
        return {
            entry >> 1
            for number in footprint
            for entry in self._of.get(number >> 1, ())
            if (entry & 1 or number & 1) and not known >> (entry >> 1) & 1
        }


def reversible(pasts: list[int], step: int) -> Iterator[tuple[int, int]]:
    """The steps after `step` that do not depend on it, each with those of them that precede it."""
    kept = 0
    for later in range(step + 1, len(pasts)):
        past = pasts[later]
        if not past >> step & 1:
            yield later, past & kept
            kept |= 1 << later


def initials(pasts: list[int], step: int, past: int, wide: int) -> tuple[list[int], bool, bool]:
    """What could come first if a later step were made before `step`.

    Args:
        pasts: of the steps made, up to the later one.
        step: the earlier step.
        past: that of the later step's task, and what the later step conflicts with.
        wide: the same with all that may have made the later step possible.

    Returns the steps in between that depend neither on `step` nor on one another's predecessors;
    whether nothing in between may have made the later step possible; and whether it could itself
    come first.
    """
    first: list[int] = []
    kept = 0
    for later, preceding in reversible(pasts, step):
        if not preceding:
            first.append(later)
        kept |= 1 << later
    return first, not wide & kept, not past & kept
