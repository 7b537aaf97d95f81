"""Where functions of interest are called: one pass over a program for all checks.

>>> from dmabuf.audit.program.program import Program
>>> Calls(Program([])).of("kmalloc")
[]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dmabuf.audit.front.code import CALL
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine

__all__ = ["Call", "Calls"]

Call = tuple[Routine, int]
"""A function and the index of the instruction in its code."""


class Calls:
    """All direct calls of a program by the name of the callee, in the order of the program.

    `guard(mutex)(&lock)`, a call of what a call returns, is found by `guard`.
    """

    def __init__(self, program: Program) -> None:
        # No tuple for a call: there are half a million, and each would cost the collector.
        self._routines: dict[str, list[Routine]] = defaultdict(list)
        self._indices: dict[str, list[int]] = defaultdict(list)
        routines, indices = self._routines, self._indices
        for routine in program.functions():
            for index, instruction in enumerate(routine.function.code):
                if instruction[0] == CALL:
                    callee = instruction[2]
                    if callee[0] == "call":
                        callee = callee[1]
                    if callee[0] == "name":
                        routines[callee[1]].append(routine)
                        indices[callee[1]].append(index)

    def of(self, *names: str) -> list[Call]:
        """The calls of these functions."""
        return [
            call
            for name in names
            for call in zip(self._routines.get(name, ()), self._indices.get(name, ()), strict=True)
        ]

    def callers(self, names: Iterable[str]) -> set[Routine]:
        """The functions that call one of these."""
        return {routine for name in names for routine in self._routines.get(name, ())}
