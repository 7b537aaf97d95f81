"""What each function outside does: the walk of audited code, over the kernel's own.

A summary is asked for with what is known at the call - constants, flags, open scopes - so that its
conditions are decided as those of audited code are. Once for each question: answers are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from dmabuf.audit.checks.doubts import doubt
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.taint import Taint
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import Deed, Doing
from dmabuf.audit.ways.effect import Effect, Kind, LockClass, Way
from dmabuf.audit.ways.event import Context
from dmabuf.audit.ways.scopes import Bracket
from dmabuf.audit.ways.values import Value
from dmabuf.audit.ways.ways import Ways
from dmabuf.sync.gfp import Gfp

__all__ = ["KINDS", "Outdoors", "Question", "Summaries", "Table"]

KINDS: Final = frozenset(Kind) - {Kind.SIGNAL, Kind.QUEUE}
"""What a summary tells; a work that is queued out there signals no fence of a driver."""
_DULL: Final = frozenset({Kind.SLEEP})
"""What no rule forbids: alone it is no reason to look at a function's callers."""
_NODES: Final = 300
"""From how many functions below one, the nearest and surest first."""
_LEAST: Final = 0.3
_MOST: Final = 12
"""Things that a function does; who does more is known well enough."""
_UNSURE: Final = frozenset({"field", "guess", "instance"})
"""Hops by which the wrong one of many drivers would be met: out there nobody knows the object."""
_CONTEXTS: Final = 1 << 30

Question = tuple[str, tuple[Value, ...], frozenset[str]]


@dataclass(slots=True)
class Table:
    """Answers, as they are kept.

    Attributes:
        functions: what every question about a function needs.
        deeds: by question.
        held: by lock and whether it is asked from inside of reclaim: a way that holds it.
        read: files that were read for it, their bytes, bytes of them that were not understood.
    """

    functions: dict[str, Doing] = field(default_factory=dict[str, Doing])
    deeds: dict[Question, tuple[Deed, ...]] = field(
        default_factory=dict[Question, tuple[Deed, ...]]
    )
    held: dict[tuple[LockClass, bool], Way | None] = field(
        default_factory=dict[tuple[LockClass, bool], Way | None]
    )
    read: tuple[int, int, int] = (0, 0, 0)


class Outdoors:
    """The linked files outside, and their walks."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ways = Ways(program, contexts=_CONTEXTS)

    def routine(self, name: str) -> Routine | None:
        """The function that other files call by this name."""
        seen = [one for one in self.program.names.routines.get(name, ()) if _is_seen(one)]
        return self.program.names.routine(name, seen[0].path) if seen else None

    def prime(self, names: Iterable[str]) -> None:
        """Ask which parameters matter, in one order: functions that call each other depend on it.

        So an answer is the same whether others were kept from the last run or not.
        """
        for name in names:
            routine = self.routine(name)
            if routine is not None:
                self.ways.asks(routine)

    def doing(self, name: str) -> Doing | None:
        """What every question about a function needs; None if it is not there."""
        routine = self.routine(name)
        if routine is None:
            return None
        deeds = self.deeds(name, (), frozenset())
        return Doing(
            self.ways.asks(routine),
            any(one.effect.kind not in _DULL for one in deeds),
            self.ways.brackets.of(routine) or Bracket(),
        )

    def deeds(
        self, name: str, values: tuple[Value, ...], scopes: frozenset[str]
    ) -> tuple[Deed, ...]:
        """What a function does, walked through."""
        routine = self.routine(name)
        return () if routine is None else self.of(routine, values, scopes)

    def of(
        self, routine: Routine, values: tuple[Value, ...], scopes: frozenset[str]
    ) -> tuple[Deed, ...]:
        """The same of a function that is at hand."""
        found: dict[object, Deed] = {}
        context = Context(values, scopes)
        for way in self.ways.each(routine, None, KINDS, context, nodes=_NODES):
            if way.sure < _LEAST or any(hop.how in _UNSURE for hop in way.hops):
                continue
            found.setdefault(_sort_of(way.effect), _deed(way))
            if len(found) >= _MOST:
                break
        return tuple(sorted(found.values(), key=lambda one: -one.sure))

    @cached_property
    def _taint(self) -> Taint:
        return Taint(self.program, self.ways, Calls(self.program))

    def holding(self, lock: LockClass, *, in_reclaim: bool) -> Way | None:
        """A way from a function out there that holds the lock to what taints it."""
        way = self._taint.of(lock, frozenset(), in_reclaim=in_reclaim)
        if way is None or any(hop.how in _UNSURE for hop in way.hops):
            return None
        return replace(way, sure=way.sure * doubt(way, evidence=True))


def _is_seen(routine: Routine) -> bool:
    return not routine.function.static and routine.path.endswith(".c")


def _sort_of(effect: Effect) -> object:
    """Of two things of one sort a summary tells one."""
    if effect.kind is Kind.RECLAIM:
        return effect.kind, None if effect.gfp is None else bool(effect.gfp & Gfp.FS)
    return effect.kind, effect.subject, effect.bounded, effect.attempt


def _deed(way: Way) -> Deed:
    return Deed(way.effect, way.hops, way.conditions, way.sure)


class Summaries:
    """Answers for the functions that are wanted.

    Args:
        wanted: their names.
        load: links the files outside; only called for what the table does not answer.
        table: what is known already.
    """

    def __init__(
        self, wanted: Iterable[str], load: Callable[[], Outdoors], table: Table | None = None
    ) -> None:
        self.table = table if table is not None else Table()
        self.fresh = 0
        self._load = load
        self._loaded: Outdoors | None = None
        self._wanted = sorted(wanted)
        known = self.table.functions
        for name in self._wanted:
            if name not in known:
                doing = self._outdoors().doing(name)
                self.fresh += 1
                if doing is not None:
                    known[name] = doing
        self._functions = {name: known[name] for name in self._wanted if name in known}

    def _outdoors(self) -> Outdoors:
        if self._loaded is None:
            self._loaded = self._load()
            self._loaded.prime(self._wanted)
        return self._loaded

    def functions(self) -> Mapping[str, Doing]:
        """The functions that are known."""
        return self._functions

    def deeds(
        self, name: str, values: tuple[Value, ...], scopes: frozenset[str]
    ) -> tuple[Deed, ...]:
        """What one of them does where this is known."""
        question = (name, values, scopes)
        found = self.table.deeds.get(question)
        if found is None:
            found = self.table.deeds[question] = self._outdoors().deeds(*question)
            self.fresh += 1
        return found

    def holding(self, lock: LockClass, *, in_reclaim: bool) -> Way | None:
        """The other side of a lock where it is out there."""
        question = (lock, in_reclaim)
        if question not in self.table.held:
            self.table.held[question] = self._outdoors().holding(lock, in_reclaim=in_reclaim)
            self.fresh += 1
        return self.table.held[question]
