"""Which parameters of a function matter for what it does.

Only those are handed on; else every call would be a context of its own. A parameter matters if a
condition asks it, if it has the flags of an allocation, if it is called, and if it is handed to a
function where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dmabuf.audit.front.code import CALL, IF, LOOP, RETURN, SET, SWITCH, Expr
from dmabuf.audit.program.asked import Memo
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Allocates, Calls, Takes, Waits
from dmabuf.audit.ways.matters import Matter

__all__ = ["Relevance"]

Places = dict[int, bool]
_DEPTH = 6


@dataclass(slots=True)
class _Own:
    """What a function does with its parameters itself.

    Attributes:
        places: of its parameters, by name.
        asked: those that matter whatever its callees do, and whether they matter themselves.
        calls: whom it hands them to: the place of the argument, the parameter in it, and whether
            more of it than fields.
    """

    places: dict[str, int]
    asked: dict[str, bool] = field(default_factory=dict[str, bool])
    calls: list[tuple[str, list[tuple[int, str, bool]]]] = field(
        default_factory=list[tuple[str, list[tuple[int, str, bool]]]]
    )


class Relevance:
    """Answers for all functions of a program."""

    def __init__(
        self,
        program: Program,
        matter: Matter,
        beyond: Beyond = NOTHING,
    ) -> None:
        self._program = program
        self._beyond = beyond.functions()
        self._matter = matter
        self._known: Memo[tuple[Routine, int], Places] = Memo(program.asked)
        self._owns: dict[Routine, _Own] = {}
        self._writes: dict[Routine, dict[int, frozenset[str]]] = {}

    def of(self, routine: Routine, depth: int = 0) -> Places:
        """The parameters that matter: by their places, whether they matter themselves.

        A pointer of which only fields are asked does not. What a function asks that is called from
        further than `_DEPTH` calls away counts as all.
        """
        if depth > _DEPTH:
            return dict.fromkeys(range(len(routine.function.parameters)), True)
        return self._known.get((routine, depth), lambda: self._find(routine, depth), {})

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
        else:
            self._program.asked.now.add(routine.name)
        return found

    def _find(self, routine: Routine, depth: int) -> Places:
        own = self._own(routine)
        used = dict(own.asked)
        for name, handed in own.calls:
            if all(used.get(one, False) for _at, one, _itself in handed):
                continue  # nothing more can come of it
            if name not in self._matter:
                continue
            wanted = self._wanted(name, routine, depth)
            for at, one, itself in handed:
                if wanted is None:
                    used[one] = used.get(one, False) or itself
                elif at in wanted:
                    used[one] = used.get(one, False) or (itself and wanted[at])
        return {own.places[name]: itself for name, itself in used.items()}

    def _own(self, routine: Routine) -> _Own:
        """What a function does with its parameters; its callees are not looked at."""
        found = self._owns.get(routine)
        if found is None:
            found = self._owns[routine] = self._look(routine)
        else:
            self._program.asked.now.add(routine.name)
        return found

    def _look(self, routine: Routine) -> _Own:
        places = {one.name: at for at, one in enumerate(routine.function.parameters) if one.name}
        own = _Own(places)
        used = own.asked
        for instruction in routine.function.code if places else ():
            kind = instruction[0]
            if kind == CALL:
                _called(instruction[2], instruction[3], own)
            elif kind in (IF, SWITCH, LOOP, RETURN):
                _use(instruction[2] or ("?", ""), places, used)
            elif kind == SET and self._is_kept(instruction[2], routine):
                _use(instruction[3], places, used)
        return own

    def _is_kept(self, target: Expr, routine: Routine) -> bool:
        """Whether a value lives on in the function: in a variable, in a field of a local struct."""
        if target[0] == "field" and target[1][0] == "name":
            return "*" not in self._program.tables.local(routine).get(target[1][1], "*")
        return target[0] == "name"  # type: ignore[no-any-return]

    def _wanted(self, name: str, routine: Routine, depth: int) -> Places | None:
        acts = does(name)
        if acts is not None:
            places: list[int | None] = []
            for act in acts:
                if isinstance(act, Allocates | Calls):
                    places.append(act.argument)
                if isinstance(act, Allocates):
                    places.append(act.stored)
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


def _called(callee: Expr, arguments: tuple[Expr, ...], own: _Own) -> None:
    """Take down parameters that are called, or handed on."""
    places = own.places
    if callee[0] != "name":
        for one in (callee, *arguments):
            _use(one, places, own.asked)
    elif callee[1] in places:
        own.asked[callee[1]] = True
    else:
        handed: list[tuple[int, str, bool]] = []
        for at, argument in enumerate(arguments):
            used: dict[str, bool] = {}
            _use(argument, places, used)
            handed += [(at, name, itself) for name, itself in used.items()]
        if handed:
            own.calls.append((callee[1], handed))


def _use(expression: Expr, places: dict[str, int], used: dict[str, bool]) -> None:
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
                used[e[1]] = True
        elif kind in ("op", "choice", "unary", "cast"):
            todo += [one for one in e[1:] if type(one) is tuple]
        elif kind in ("deref", "addr") and e[1][0] == "name":
            todo.append(e[1])
        elif kind == "call":
            todo += e[2]
