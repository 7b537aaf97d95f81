"""Functions that leave a scope open or a lock held, and those that close and drop them.

Drivers wrap `mutex_lock` and `memalloc_noreclaim_save` in one function and the other halves in
another. Such a function takes and never drops, or drops and never takes; who calls it, and does
the same, is one as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmabuf.audit.front.code import CALL, Expr
from dmabuf.audit.program.asked import Memo
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import LockClass
from dmabuf.audit.ways.known import does
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


@dataclass(frozen=True, slots=True)
class _Own:
    """Whom one function calls.

    Attributes:
        brackets: a known function that is a bracket itself.
        names: of all that are not known functions.
        callees: those with a body.
    """

    brackets: bool
    names: tuple[str, ...]
    callees: tuple[tuple[str, Routine], ...]


class Brackets:
    """The brackets of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: Memo[tuple[Routine, int], Bracket] = Memo(program.asked)
        self._own: dict[Routine, _Own] = {}

    def of(self, routine: Routine) -> Bracket | None:
        """What a function leaves behind; None for almost all."""
        return self._at(routine, _ROUNDS) or None

    def _at(self, routine: Routine, rounds: int) -> Bracket:
        """With the brackets of functions that are so many calls away."""
        if routine.outline.size > _LARGE:
            return _NOTHING
        return self._known.get((routine, rounds), lambda: self._balance(routine, rounds), _NOTHING)

    def _balance(self, routine: Routine, rounds: int) -> Bracket:
        if rounds:
            found = self._at(routine, rounds - 1)
            if found:
                return found
        own = self._calls_of(routine)
        inner: dict[str, Bracket] = {}
        for name, callee in own.callees if rounds else ():
            bracket = self._at(callee, rounds - 1)
            if bracket:
                inner[name] = bracket
        if not own.brackets and not inner:
            return _NOTHING
        opened: Counts = (set(), set())
        closed: Counts = (set(), set())
        for instruction in routine.function.code:
            if instruction[0] == CALL and instruction[2][0] == "name":
                name = instruction[2][1]
                for act in does(name) or ():
                    self._count(routine, act, instruction[3], opened, closed)
                if name in inner:
                    _add(inner[name], opened, closed)
        return _left(opened, closed)

    def _calls_of(self, routine: Routine) -> _Own:
        """Whom a function calls, by its outline."""
        found = self._own.get(routine)
        asked = self._program.asked.now
        if found is not None:
            asked.add(routine.name)
            asked.update(found.names)
            return found
        names = tuple(name for name in routine.outline.calls if does(name) is None)
        callees = ((name, self._program.names.routine(name, routine.path)) for name in names)
        found = self._own[routine] = _Own(
            any(map(_brackets, routine.outline.calls)),
            names,
            tuple((name, callee) for name, callee in callees if callee is not None),
        )
        return found

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


_NOTHING = Bracket()


def _brackets(name: str) -> bool:
    return any(isinstance(act, Opens | Closes | Takes | Drops) for act in does(name) or ())


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
