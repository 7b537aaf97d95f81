"""Which fields a function sets: what was asked of them before it is called is old afterwards.

Of whatever struct, as two pointers may be to one object. Those of the functions that it calls by
name count as well, a few calls deep; what is called through pointers, or sleeps, is told by
`Walk.shaken`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dmabuf.audit.front.code import CALL, SET, Expr, Instruction
from dmabuf.audit.front.facts import Macro
from dmabuf.audit.program.asked import Memo
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.evaluate import fill
from dmabuf.audit.ways.sides import kept_in

__all__ = ["Stores"]

_DEPTH: Final = 3
_MOST: Final = 64


class Stores:
    """Answers for the functions of a program; answers are kept."""

    def __init__(self, program: Program) -> None:
        self._names = program.names
        self._own: Memo[Routine, tuple[frozenset[str], tuple[str, ...]]] = Memo(program.asked)
        self._known: Memo[Routine, frozenset[str]] = Memo(program.asked)

    def of(self, routine: Routine) -> frozenset[str]:
        """Fields that a function sets, as `.name`."""
        return self._known.get(
            routine,
            lambda: frozenset(one for some in self._below(routine) for one in some),
            frozenset(),
        )

    def of_macro(self, macro: Macro, arguments: tuple[Expr, ...]) -> frozenset[str]:
        """Fields and variables that a macro sets where it stands."""
        words = dict(zip(macro.parameters or (), arguments, strict=False))
        return frozenset(_stored(macro.code, words))

    def _below(self, routine: Routine) -> Iterator[frozenset[str]]:
        seen = {routine}
        level = [routine]
        for _ in range(_DEPTH):
            below: list[Routine] = []
            for one in level:
                fields, callees = self._itself(one)
                yield fields
                for name in callees:
                    target = self._names.routine(name, one.path)
                    if target is not None and target not in seen and len(seen) < _MOST:
                        seen.add(target)
                        below.append(target)
            level = below

    def _itself(self, routine: Routine) -> tuple[frozenset[str], tuple[str, ...]]:
        """Fields that it sets itself, and the names that it calls."""
        return self._own.get(routine, lambda: self._look(routine), (frozenset(), ()))

    def _look(self, routine: Routine) -> tuple[frozenset[str], tuple[str, ...]]:
        code = routine.function.code
        fields = frozenset(part for part in _stored(code, {}) if part.startswith("."))
        names = (one[2][1] for one in code if one[0] == CALL and one[2][0] == "name")
        return fields, tuple(dict.fromkeys(names))


def _stored(code: tuple[Instruction, ...], words: Mapping[str, Expr]) -> Iterator[str]:
    for instruction in code:
        target = instruction[2] if instruction[0] == SET else None
        if instruction[0] == CALL:
            target = instruction[4]
        if target is not None:
            yield from kept_in(fill(target, words))
