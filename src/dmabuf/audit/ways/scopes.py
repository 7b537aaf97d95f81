"""Functions that leave a scope open or a lock held, and those that close and drop them.

Drivers wrap `mutex_lock` and `memalloc_noreclaim_save` in one function and the other halves in
another. Such a function takes and never drops, or drops and never takes; who calls it, and does
the same, is one as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dmabuf.audit.front.code import CALL, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import LockClass
from dmabuf.audit.ways.known import KNOWN, does
from dmabuf.audit.ways.known.acts import Closes, Drops, Opens, Takes

__all__ = ["Bracket", "Brackets"]

_ROUNDS = 3
_LARGE = 30_000
"""A function with a longer body, in bytes, is no wrapper."""
_KINDS = {
    "resv": ("struct dma_resv", "lock"),
    "mmap_lock": ("struct mm_struct", "mmap_lock"),
    "modeset": ("struct drm_device", "mode_config.mutex"),
}


Pair = tuple[LockClass, str]
Counts = tuple[set[str], set[Pair]]
"""Scopes, and locks with their kinds."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """What a function leaves behind: scopes opened, closed; locks taken, with kind, dropped."""

    opens: frozenset[str] = frozenset()
    closes: frozenset[str] = frozenset()
    takes: frozenset[tuple[LockClass, str]] = frozenset()
    drops: frozenset[Pair] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.opens or self.closes or self.takes or self.drops)


class Brackets:
    """The brackets of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._found: dict[Routine, Bracket] = {}
        self._names: set[str] = set()
        first: dict[Routine, None] = {}
        for name, acts in KNOWN.items():
            if any(isinstance(act, Opens | Closes | Takes | Drops) for act in acts):
                first.update(dict.fromkeys(program.tables.calling.of(name)))
        fresh = self._round(first)
        for _ in range(_ROUNDS):
            if not fresh:
                break
            names = {one.name for one in fresh}
            fresh = self._round(
                one for name in sorted(names) for one in program.tables.calling.of(name)
            )

    def of(self, routine: Routine) -> Bracket | None:
        """What a function leaves behind; None for almost all."""
        return self._found.get(routine)

    def _round(self, routines: Iterable[Routine]) -> list[Routine]:
        found: list[Routine] = []
        for routine in routines:
            if routine in self._found or len(routine.function.body) > _LARGE:
                continue
            bracket = self._balance(routine)
            if bracket:
                self._found[routine] = bracket
                self._names.add(routine.name)
                found.append(routine)
        return found

    def _balance(self, routine: Routine) -> Bracket | None:
        opened: Counts = (set(), set())
        closed: Counts = (set(), set())
        for instruction in routine.function.code:
            if instruction[0] != CALL or instruction[2][0] != "name":
                continue
            name = instruction[2][1]
            acts = does(name)
            if acts is not None:
                for act in acts:
                    self._count(routine, act, instruction[3], opened, closed)
            elif name in self._names:
                inner = self._program.names.routine(name, routine.path)
                bracket = self._found.get(inner) if inner is not None else None
                if bracket is not None:
                    _add(bracket, opened, closed)
        if not any(opened) and not any(closed):
            return None
        return _left(opened, closed)

    def _count(
        self,
        routine: Routine,
        act: object,
        arguments: tuple[Expr, ...],
        opened: Counts,
        closed: Counts,
    ) -> None:
        if isinstance(act, Opens):
            opened[0].add(act.scope)
        elif isinstance(act, Closes):
            closed[0].add(act.scope)
        elif isinstance(act, Takes) and not (act.scoped or act.momentary):
            lock = self._lock(routine, act.kind, act.argument, arguments)
            if lock is not None:
                opened[1].add((lock, "spin" if act.spins else act.kind))
        elif isinstance(act, Drops):
            lock = self._lock(routine, act.kind, act.argument, arguments)
            if lock is not None:
                closed[1].add((lock, "spin" if act.spins else act.kind))

    def _lock(
        self, routine: Routine, kind: str, at: int | None, arguments: tuple[Expr, ...]
    ) -> LockClass | None:
        if kind in _KINDS:
            return _KINDS[kind]
        if at is None or at >= len(arguments):
            return None
        tables = self._program.tables
        return tables.subject(arguments[at], tables.local(routine), routine.path)


def _add(bracket: Bracket, opened: Counts, closed: Counts) -> None:
    opened[0].update(bracket.opens)
    closed[0].update(bracket.closes)
    opened[1].update(bracket.takes)
    closed[1].update(bracket.drops)


def _left(opened: Counts, closed: Counts) -> Bracket:
    taken = {lock for lock, _ in opened[1]}
    dropped = {lock for lock, _ in closed[1]}
    return Bracket(
        frozenset(opened[0] - closed[0]),
        frozenset(closed[0] - opened[0]),
        frozenset(pair for pair in opened[1] if pair[0] not in dropped),
        frozenset(pair for pair in closed[1] if pair[0] not in taken),
    )
