"""What meets what in small programs, kept once, and which weakened footprints that gives away."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dmabuf.explore.dependence import independent
from dmabuf.rt.api import OPS, WRITE, Op
from dmabuf.rt.strategy import Footprint
from tests.explore.alphabet.family import Family
from tests.explore.squares import Meeting, Seen, Touched, look

__all__ = ["WAYS", "Meetings", "Mutant", "pairs", "triples", "ways_of"]

Weakening = Callable[[Footprint], Footprint]

WAYS: dict[str, Weakening] = {
    "reads": lambda footprint: tuple(number & ~WRITE for number in footprint),
    "sees nothing": lambda _footprint: (),
    "sees the first": lambda footprint: footprint[:1],
    "not the first": lambda footprint: footprint[1:],
}
"""Each way in which an operation could hide something of what it touches."""


def ways_of(op: Op) -> tuple[str, ...]:
    """Those that can make a difference for an operation."""
    if op.touches is not None:
        return tuple(WAYS)
    return ("reads", "sees nothing") if op.access == WRITE else ("sees nothing",)


def honest(_op: str, own: Footprint) -> Footprint:
    """No mutant."""
    return own


@dataclass(frozen=True)
class Mutant:
    """An operation that hides something of what it touches."""

    op: str
    how: str

    def __str__(self) -> str:
        return f"{self.op} {self.how}"

    def weaken(self, op: str, own: Footprint) -> Footprint:
        """What an operation says."""
        return WAYS[self.how](own) if op == self.op else own

    def hides(self, touched: Touched) -> bool:
        """Is anything missing?"""
        return touched.op == self.op and self.weaken(self.op, touched.own) != touched.own

    def matters_to(self, meeting: Meeting) -> bool:
        """Would the two be taken for independent, and are not so taken?"""
        first, other = meeting.first, meeting.other
        before = independent(first.own + first.more, other.own + other.more)
        return not before and independent(first.weakened(self.weaken), other.weakened(self.weaken))


@dataclass
class Meetings:
    """All that has met so far, by operation, with the program that it was first seen in.

    Attributes:
        opaque: programs whose states cannot be told apart.
        programs: how many were looked at.
        wrong: what does not commute though it is said to, with its program.
    """

    by_op: dict[str, dict[Meeting, str]] = field(default_factory=dict)
    ops: set[str] = field(default_factory=set)
    opaque: list[str] = field(default_factory=list)
    wrong: dict[Meeting, str] = field(default_factory=dict)
    programs: int = 0

    def add(self, programs: Iterable[tuple[str, Any]], *, states: int = 150) -> None:
        """Look at programs, each with its name."""
        for name, program in programs:
            self._add(name, look(program, states=states))
            self.programs += 1
            if self.programs % 50 == 0:
                gc.collect()

    def _add(self, name: str, seen: Seen) -> None:
        if seen.opaque:
            self.opaque.append(f"{name}: {seen.opaque}")
        self.ops |= seen.ops
        for meeting in seen.meetings():
            kept = meeting.renumbered()
            if kept.is_missed(honest):
                self.wrong.setdefault(kept, name)
            for op in {kept.first.op, kept.other.op}:
                self.by_op.setdefault(op, {}).setdefault(kept, name)

    def join(self, other: Meetings) -> None:
        """Take over what others have seen."""
        for op, meetings in other.by_op.items():
            mine = self.by_op.setdefault(op, {})
            for meeting, name in meetings.items():
                mine.setdefault(meeting, name)
        self.ops |= other.ops
        self.opaque += other.opaque
        self.wrong = {**other.wrong, **self.wrong}
        self.programs += other.programs

    def of(self, op: str) -> dict[Meeting, str]:
        """Those that an operation takes part in."""
        return self.by_op.get(op, {})

    def mutants(self, ops: Iterable[str]) -> Iterator[Mutant]:
        """The mutants of some operations that hide something in what has been seen of them."""
        for op in ops:
            steps = [step for meeting in self.of(op) for step in (meeting.first, meeting.other)]
            for how in ways_of(OPS[op]):
                mutant = Mutant(op, how)
                if not steps or any(mutant.hides(step) for step in steps):
                    yield mutant

    def killer(self, mutant: Mutant) -> str:
        """The program that gives it away; empty if none does."""
        for meeting, name in self.of(mutant.op).items():
            if meeting not in self.wrong and meeting.is_missed(mutant.weaken):
                return name
        return ""

    def decisive(self, mutant: Mutant) -> int:
        """How many different meetings it would have taken for independent."""
        return sum(mutant.matters_to(meeting) for meeting in self.of(mutant.op))


def pairs(family: Family) -> Iterator[tuple[str, Any]]:
    """The small programs of a family."""
    return ((repr(program), program) for program in family.pairs())


def triples(family: Family, most: int) -> Iterator[tuple[str, Any]]:
    """The next larger ones, so many, drawn at random but always the same."""
    found = list(family.triples())
    random.Random(family.name).shuffle(found)
    return ((repr(program), program) for program in itertools.islice(found, most))
