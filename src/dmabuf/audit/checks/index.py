"""Where functions of interest are called: one pass over a program for all checks.

>>> from dmabuf.audit.program.program import Program
>>> Calls(Program([])).of("kmalloc")
[]
"""

from __future__ import annotations

from collections.abc import Iterable

from dmabuf.audit.front.code import CALL, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine

__all__ = ["Call", "Calls"]

Call = tuple[Routine, int]
"""A function and the index of the instruction in its code."""


class Calls:
    """All direct calls of a program by the name of the callee, in the order of its files.

    `guard(mutex)(&lock)`, a call of what a call returns, is found by `guard`.
    """

    def __init__(self, program: Program) -> None:
        self._calling = program.tables.calling
        self._known: dict[str, list[Call]] = {}

    def of(self, *names: str) -> list[Call]:
        """The calls of these functions."""
        return [call for name in names for call in self._of(name)]

    def _of(self, name: str) -> list[Call]:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = [
                (routine, index)
                for routine in self._calling.of(name)
                for index, instruction in enumerate(routine.function.code)
                if instruction[0] == CALL and _named(instruction[2]) == ("name", name)
            ]
        return found

    def callers(self, names: Iterable[str]) -> set[Routine]:
        """The functions that call one of these."""
        return {routine for name in names for routine in self._calling.of(name)}


def _named(callee: Expr) -> Expr:
    inner: Expr = callee[1] if callee[0] == "call" else callee
    return inner
