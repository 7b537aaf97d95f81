"""Which parameters of a function matter for what it does.

Only those are handed on; else every call would be a context of its own.
"""

from __future__ import annotations

from dmabuf.audit.front.code import CALL, IF, LOOP, RETURN, SET, SWITCH, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine

__all__ = ["Relevance"]

_NONE: frozenset[int] = frozenset()


class Relevance:
    """Answers for all functions of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: dict[Routine, frozenset[int]] = {}

    def of(self, routine: Routine) -> frozenset[int]:
        """Parameters that a condition asks, that are flags or that are handed on."""
        found = self._known.get(routine)
        if found is None:
            found = self._known[routine] = _of(routine)
        return found


def _of(routine: Routine) -> frozenset[int]:
    places = {one.name: at for at, one in enumerate(routine.function.parameters) if one.name}
    if not places:
        return _NONE
    used: set[str] = set()
    for instruction in routine.function.code:
        kind = instruction[0]
        if kind in (IF, SWITCH, LOOP) and instruction[2] is not None:
            _tested(instruction[2], places, used)
        elif kind == CALL:
            _tested(instruction[2], places, used)
            for argument in instruction[3]:
                _tested(argument, places, used)
        elif kind == SET:
            _tested(instruction[3], places, used)
        elif kind == RETURN and instruction[2] is not None:
            _tested(instruction[2], places, used)
        if len(used) == len(places):
            break
    return frozenset(places[name] for name in used)


def _tested(expression: Expr, places: dict[str, int], used: set[str]) -> None:
    """Names that stand by themselves in an expression, and those whose fields are asked."""
    todo = [expression]
    while todo:
        e = todo.pop()
        kind = e[0]
        if kind == "field":
            e, kind = e[1], e[1][0]
            if kind != "name":
                continue
        if kind == "name":
            if e[1] in places:
                used.add(e[1])
        elif kind in ("op", "choice", "unary", "cast"):
            todo += [one for one in e[1:] if type(one) is tuple]
        elif kind in ("deref", "addr") and e[1][0] == "name":
            todo.append(e[1])
        elif kind == "call":
            todo += e[2]
