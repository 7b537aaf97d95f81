"""What holds at one point of a body: values of variables, scopes, locks held, signalling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from dmabuf.audit.front.code import Expr
from dmabuf.audit.ways.effect import LockClass
from dmabuf.audit.ways.learnt import Learnt, joined
from dmabuf.audit.ways.values import Value, join

__all__ = ["AGAIN", "Held", "Side", "State", "either"]

AGAIN = "mm again"
"""The scope of a second reference of an address space."""


class Side(NamedTuple):
    """One side of a condition: what it is made of as well, as `learnt.made_of` says."""

    condition: Expr
    holds: bool
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held: which, of what kind ("lock", "resv", "mmap_lock"), since which line.

    It is held where all of `only` are so: it was taken on one side of an `if`.
    """

    lock: LockClass
    kind: str
    line: int
    attempt: bool = False
    name: str = ""
    only: tuple[Side, ...] = ()


@dataclass(slots=True)
class State:
    """What holds; copied where ways part.

    Attributes:
        values: of variables of which something is known.
        scopes: open scopes of allocation.
        held: locks, in the order they were taken; spinlocks are left out.
        signalling: inside a signalling section, by its own `begin`.
        ended: such a section was ended before, and not begun again.
        spins: spinlocks held, preemption off, read sides of RCU: nobody may sleep.
        known: what conditions said of other expressions.
    """

    values: dict[str, Value]
    scopes: frozenset[str] = frozenset()
    held: tuple[Held, ...] = ()
    signalling: bool = False
    ended: bool = False
    spins: int = 0
    known: dict[Expr, Learnt] = field(default_factory=dict)

    def copy(self) -> State:
        """One that may go its own way."""
        return State(
            dict(self.values),
            self.scopes,
            self.held,
            self.signalling,
            self.ended,
            self.spins,
            dict(self.known),
        )


def either(a: State | None, b: State | None) -> State | None:
    """Where two ways meet: locks held on either, scopes that are open on both.

    A second reference that is held on either is the one that a put afterwards is about: `if (mm)
    mmput(mm)` has no other way to it.
    """
    if a is None or b is None:
        return b if a is None else a
    values: dict[str, Value] = {}
    for name, value in a.values.items():
        other = b.values.get(name)
        both = value if other == value else join(value, other)
        if both is not None:
            values[name] = both
    return State(
        values,
        a.scopes if a.scopes == b.scopes else (a.scopes & b.scopes) | _second(a, b),
        a.held if a.held == b.held else _on_either(a.held, b.held),
        a.signalling or b.signalling,
        a.ended or b.ended,
        min(a.spins, b.spins),
        joined(a.known, b.known),
    )


def _on_either(a: tuple[Held, ...], b: tuple[Held, ...]) -> tuple[Held, ...]:
    """Locks of two ways that meet; of one that both hold the sides that they agree on."""
    others = {(one.lock, one.kind): one for one in b}
    found: list[Held] = []
    for one in a:
        other = others.pop((one.lock, one.kind), one)
        common = tuple(side for side in one.only if side in other.only)
        found.append(one if common == one.only else replace(one, only=common))
    return (*found, *(one for one in b if (one.lock, one.kind) in others))


def _second(a: State, b: State) -> frozenset[str]:
    return (a.scopes | b.scopes) & {AGAIN}
