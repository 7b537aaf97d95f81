"""Where functions of interest are called: one pass over a program for all checks.

>>> from dmabuf.audit.program.program import Program
>>> Calls(Program([])).of("kmalloc")
[]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from dmabuf.audit.front.code import CALL, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.keeping import Keeper, remembered

__all__ = ["Call", "Calls", "calls_in"]

Call = tuple[Routine, int]
"""A function and the index of the instruction in its code."""
Plain = tuple[Any, ...]
Find = Callable[[list[Routine]], Iterable[tuple[Routine, Plain]]]


def calls_in(routines: Iterable[Routine], *names: str) -> Iterator[Call]:
    """The calls of some functions in the bodies of others."""
    callees = {("name", name) for name in names}
    for routine in routines:
        for index, instruction in enumerate(routine.function.code):
            if instruction[0] == CALL and _named(instruction[2]) in callees:
                yield routine, index


class Calls:
    """All direct calls of a program by the name of the callee, in the order of its files.

    `guard(mutex)(&lock)`, a call of what a call returns, is found by `guard`.

    Args:
        program: whose.
        keeper: knows what `told` found out in the last audit.
    """

    def __init__(self, program: Program, keeper: Keeper | None = None) -> None:
        self._program, self._keeper = program, keeper
        self._calling = program.tables.calling
        self._known: dict[str, list[Call]] = {}

    def of(self, *names: str) -> list[Call]:
        """The calls of these functions."""
        return [call for name in names for call in self._of(name)]

    def _of(self, name: str) -> list[Call]:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = list(calls_in(self._calling.of(name), name))
        return found

    def told(self, what: str, names: Iterable[str], find: Find) -> Iterator[tuple[Routine, Plain]]:
        """What is found in all bodies that call some functions, file by file, and kept.

        Args:
            what: a word for it.
            names: of the functions.
            find: finds it in the functions of a file, which call some of these; in plain values,
                each with its function.
        """
        by_file: dict[str, set[int]] = {}
        for name in names:
            for path, nth in self._calling.where(name):
                by_file.setdefault(path, set()).add(nth)
        names_of = self._program.names
        for path, numbers in sorted(by_file.items()):
            routines = [names_of.at(path, nth) for nth in sorted(numbers)]
            found = remembered(
                self._keeper,
                (what, *(one.ref for one in routines)),
                partial(_found, find, routines),
                self._program.asked,
            )
            for ref, plain in found:
                yield names_of.of(ref), plain

    def callers(self, names: Iterable[str]) -> set[Routine]:
        """The functions that call one of these."""
        return {routine for name in names for routine in self._calling.of(name)}


def _found(find: Find, routines: list[Routine]) -> Plain:
    return tuple((routine.ref, plain) for routine, plain in find(routines))


def _named(callee: Expr) -> Expr:
    inner: Expr = callee[1] if callee[0] == "call" else callee
    return inner
