"""Which steps of an execution happened before which, and who touched what.

A set of steps is an integer with a bit for each, so that "happened before" is one shift and the
union of two pasts is one `|`.

    >>> accesses = Accesses()
    >>> accesses.add(0, (6, 9))
    >>> accesses.before((9,), 0), accesses.before((8,), 1), accesses.before((6,), 0)
    ([0], [], [])
"""

from __future__ import annotations

__all__ = ["Accesses", "firsts", "steps_of", "unordered"]

Footprint = tuple[int, ...]


class Accesses:
    """The steps that touched each object, in order: the dependence of steps as an index.

    Attributes:
        is_used: something was noted at some time.
    """

    __slots__ = ("_of", "is_used")

    def __init__(self) -> None:
        self._of: dict[int, list[int]] = {}
        self.is_used = False

    def add(self, step: int, footprint: Footprint) -> None:
        """The latest step has that footprint."""
        of = self._of
        self.is_used = True
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
        found: list[int] = []
        of = self._of
        for number in footprint:
            changes = number & 1
            entries = of.get(number >> 1)
            if entries is None:
                continue
            for entry in reversed(entries):
                if entry & 1 or changes:
                    if not known >> (entry >> 1) & 1:
                        found.append(entry >> 1)
                    elif entry & 1:
                        break
        if len(footprint) > 1 and len(found) > 1:
            found = sorted(set(found), reverse=True)
        return found

    def all_before(self, footprint: Footprint, known: int) -> list[int]:
        """The same where what was noted does not order steps, so `known` is not closed."""
        found: list[int] = []
        of = self._of
        for number in footprint:
            entries = of.get(number >> 1)
            if not entries:  # mostly
                continue
            found += [
                entry >> 1
                for entry in entries
                if (entry | number) & 1 and not known >> (entry >> 1) & 1
            ]
        return sorted(set(found), reverse=True) if len(found) > 1 else found


def unordered(pasts: list[int], step: int, end: int) -> int:
    """The steps after `step` and before `end` that `step` did not come before."""
    kept, mine = 0, 1 << step
    later = mine
    for past in pasts[step + 1 : end]:
        later <<= 1
        if not past & mine:
            kept |= later
    return kept


def steps_of(kept: int) -> list[int]:
    """The steps of a set, in order."""
    found: list[int] = []
    while kept:
        found.append((kept & -kept).bit_length() - 1)
        kept &= kept - 1
    return found


def firsts(pasts: list[int], step: int, kept: int) -> list[int]:
    """Those of some steps after `step` that could come first if `step` did not: its initials.

    Args:
        pasts: of each step, the steps that came before it and itself.
        step: the earlier step.
        kept: steps after it that do not depend on it; with each step also what came before it.
    """
    found: list[int] = []
    rest = kept >> (step + 1)
    later = step + 1
    while rest:
        skipped = (rest & -rest).bit_length() - 1
        later += skipped
        rest >>= skipped + 1
        if pasts[later] & kept == 1 << later:
            found.append(later)
        later += 1
    return found
