"""Which parameters of a function matter for what it does.

Only those are handed on; else every call would be a context of its own. A parameter matters if a
condition asks it, if it has the flags of an allocation, if it is called, and if it is handed to a
function where it matters.
"""

from __future__ import annotations

from collections.abc import Iterator

from dmabuf.audit.front.code import CALL, IF, LOOP, RETURN, SET, SWITCH, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Allocates, Calls, Takes, Waits

__all__ = ["Relevance"]

_NONE: frozenset[int] = frozenset()
_DEPTH = 6


class Relevance:
    """Answers for all functions of a program."""

    def __init__(self, program: Program, matter: frozenset[str]) -> None:
        self._program = program
        self._matter = matter
        self._known: dict[Routine, frozenset[int]] = {}
        self._writes: dict[Routine, dict[int, frozenset[str]]] = {}

    def of(self, routine: Routine, depth: int = 0) -> frozenset[int]:
        """The parameters that matter, by their places."""
        found = self._known.get(routine)
        if found is None:
            if depth > _DEPTH:
                return frozenset(range(len(routine.function.parameters)))
            self._known[routine] = _NONE  # who calls itself adds nothing by that
            found = self._known[routine] = self._find(routine, depth)
        return found

    def writes(self, routine: Routine) -> dict[int, frozenset[str]]:
        """Fields of structs behind its parameters that a function sets itself, by place."""
        found = self._writes.get(routine)
        if found is None:
            places = {one.name: at for at, one in enumerate(routine.function.parameters)}
            sets: dict[int, set[str]] = {}
            for instruction in routine.function.code:
                if instruction[0] == SET and instruction[2][0] == "field":
                    base, name = instruction[2][1], instruction[2][2]
                    if base[0] == "name" and base[1] in places:
                        sets.setdefault(places[base[1]], set()).add(name)
            found = self._writes[routine] = {at: frozenset(one) for at, one in sets.items()}
        return found

    def _find(self, routine: Routine, depth: int) -> frozenset[int]:
        places = {one.name: at for at, one in enumerate(routine.function.parameters) if one.name}
        used: set[str] = set()
        if not places:
            return _NONE
        for instruction in routine.function.code:
            kind = instruction[0]
            if kind == CALL:
                self._called(routine, instruction[2:4], places, used, depth)
            elif kind in (IF, SWITCH, LOOP, RETURN):
                used.update(_named(instruction[2] or ("?", ""), places))
            elif kind == SET and self._is_kept(instruction[2], routine):
                used.update(_named(instruction[3], places))
            if len(used) == len(places):
                break
        return frozenset(places[name] for name in used)

    def _is_kept(self, target: Expr, routine: Routine) -> bool:
        """Whether a value lives on in the function: in a variable, in a field of a local struct."""
        if target[0] == "field" and target[1][0] == "name":
            return "*" not in self._program.tables.local(routine).get(target[1][1], "*")
        return target[0] == "name"  # type: ignore[no-any-return]

    def _called(
        self,
        routine: Routine,
        call: tuple[Expr, tuple[Expr, ...]],
        places: dict[str, int],
        used: set[str],
        depth: int,
    ) -> None:
        callee, arguments = call
        if callee[0] != "name":
            used.update(_named(callee, places))
            wanted: frozenset[int] | None = None
        elif callee[1] in places:
            used.add(callee[1])
            return
        elif callee[1] not in self._matter:
            return
        else:
            wanted = self._wanted(callee[1], routine, depth)
        for at, argument in enumerate(arguments):
            if wanted is None or at in wanted:
                used.update(_named(argument, places))

    def _wanted(self, name: str, routine: Routine, depth: int) -> frozenset[int] | None:
        acts = does(name)
        if acts is not None:
            places: list[int | None] = []
            for act in acts:
                if isinstance(act, Allocates | Calls):
                    places.append(act.argument)
                if isinstance(act, Calls):
                    places += act.passes
                if isinstance(act, Waits):
                    places.append(act.timeout)
                if isinstance(act, Takes):
                    places.append(act.context)
            return frozenset(one for one in places if one is not None)
        if self._program.names.macro(name, routine.path) is not None:
            return None
        found = self._program.names.routine(name, routine.path)
        return None if found is None else self.of(found, depth + 1)


def _named(expression: Expr, places: dict[str, int]) -> Iterator[str]:
    """Parameters that stand in an expression, or whose fields are asked there."""
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
                yield e[1]
        elif kind in ("op", "choice", "unary", "cast"):
            todo += [one for one in e[1:] if type(one) is tuple]
        elif kind in ("deref", "addr") and e[1][0] == "name":
            todo.append(e[1])
        elif kind == "call":
            todo += e[2]
