"""Which parameters of a function matter for what it does.

Only those are handed on; else every call would be a context of its own. A parameter matters if a
condition asks it, if it has the flags of an allocation, if it is called, and if it is handed to a
function where it matters.
"""

from __future__ import annotations

from dmabuf.audit.front.code import CALL, IF, LOOP, RETURN, SET, SWITCH, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Allocates, Calls, Takes, Waits
from dmabuf.audit.ways.sides import kept_in

__all__ = ["Relevance"]

Places = dict[int, bool]
_DEPTH = 6


class Relevance:
    """Answers for all functions of a program."""

    def __init__(self, program: Program, matter: frozenset[str], beyond: Beyond = NOTHING) -> None:
        self._program = program
        self._beyond = beyond.functions()
        self._matter = matter
        self._known: dict[Routine, Places] = {}
        self._writes: dict[Routine, dict[int, frozenset[str]]] = {}
        self._sets: dict[Routine, frozenset[str]] = {}

    def of(self, routine: Routine, depth: int = 0) -> Places:
        """The parameters that matter: by their places, whether they matter themselves.

        A pointer of which only fields are asked does not.
        """
        found = self._known.get(routine)
        if found is None:
            if depth > _DEPTH:
                return dict.fromkeys(range(len(routine.function.parameters)), True)
            self._known[routine] = {}  # who calls itself adds nothing by that
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

    def sets(self, routine: Routine) -> frozenset[str]:
        """Fields that a function sets itself, of whatever struct: `.name`."""
        found = self._sets.get(routine)
        if found is None:
            found = self._sets[routine] = frozenset(
                part
                for instruction in routine.function.code
                if instruction[0] == SET
                for part in kept_in(instruction[2])
                if part.startswith(".")
            )
        return found

    def _find(self, routine: Routine, depth: int) -> Places:
        places = {one.name: at for at, one in enumerate(routine.function.parameters) if one.name}
        used: dict[str, bool] = {}
        if not places:
            return {}
        for instruction in routine.function.code:
            kind = instruction[0]
            if kind == CALL:
                self._called(routine, instruction[2:4], places, used, depth)
            elif kind in (IF, SWITCH, LOOP, RETURN):
                _use(instruction[2] or ("?", ""), places, used)
            elif kind == SET and self._is_kept(instruction[2], routine):
                _use(instruction[3], places, used)
        return {places[name]: itself for name, itself in used.items()}

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
        used: dict[str, bool],
        depth: int,
    ) -> None:
        callee, arguments = call
        wanted: Places | None = None
        if callee[0] != "name":
            _use(callee, places, used)
        elif callee[1] in places:
            used[callee[1]] = True
            return
        elif callee[1] not in self._matter:
            return
        else:
            wanted = self._wanted(callee[1], routine, depth)
        for at, argument in enumerate(arguments):
            if wanted is None:
                _use(argument, places, used)
            elif at in wanted:
                _use(argument, places, used, itself=wanted[at])

    def _wanted(self, name: str, routine: Routine, depth: int) -> Places | None:
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
            return {one: True for one in places if one is not None}
        if self._program.names.macro(name, routine.path) is not None:
            return None
        found = self._program.names.routine(name, routine.path)
        if found is not None:
            return self.of(found, depth + 1)
        doing = self._beyond.get(name)
        return None if doing is None else dict(doing.asks)


def _use(
    expression: Expr, places: dict[str, int], used: dict[str, bool], *, itself: bool = True
) -> None:
    """Take down parameters that stand in an expression, and those whose fields are asked."""
    todo = [expression]
    while todo:
        e = todo.pop()
        kind = e[0]
        if kind == "field":
            while e[0] in ("field", "index", "deref", "addr"):
                e = e[1]
            if e[0] == "name" and e[1] in places:
                used.setdefault(e[1], False)
        elif kind == "name":
            if e[1] in places:
                used[e[1]] = used.get(e[1], False) or itself
        elif kind in ("op", "choice", "unary", "cast"):
            todo += [one for one in e[1:] if type(one) is tuple]
        elif kind in ("deref", "addr") and e[1][0] == "name":
            todo.append(e[1])
        elif kind == "call":
            todo += e[2]
