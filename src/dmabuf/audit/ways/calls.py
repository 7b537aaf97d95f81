"""What happens at a call: the acts of known functions, macros in place, and edges to the others."""

from __future__ import annotations

from collections.abc import Mapping

from dmabuf.audit.front.code import Expr, Instruction
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import GRADES, Routine
from dmabuf.audit.program.types import bare
from dmabuf.audit.ways.acting import Actor
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.evaluate import Evaluator
from dmabuf.audit.ways.event import Context
from dmabuf.audit.ways.guards import Guards
from dmabuf.audit.ways.handed import Handed
from dmabuf.audit.ways.kinds import Kinds
from dmabuf.audit.ways.known.acts import (
    Act,
    Allocates,
    Calls,
    Drops,
    Flushes,
    Nothing,
    Sleeps,
    Takes,
    Waits,
)
from dmabuf.audit.ways.matters import names_that_matter
from dmabuf.audit.ways.relevance import Relevance
from dmabuf.audit.ways.scopes import Brackets
from dmabuf.audit.ways.sites import Site, Sites, site_of
from dmabuf.audit.ways.stores import Stores
from dmabuf.audit.ways.values import Fields, Table, Value, plain
from dmabuf.audit.ways.walk import Walk

__all__ = ["CallReader"]

_MEANWHILE = (Takes, Drops, Waits, Flushes, Sleeps)
"""While these last, or before them, others may run."""
_MACROS = 8
_SMALL = 16
_GUARDS = {("name", "guard"), ("name", "scoped_guard"), ("name", "scoped_cond_guard")}


class CallReader:
    """Reads calls for all walks of a program."""

    def __init__(
        self,
        program: Program,
        evaluator: Evaluator,
        brackets: Brackets,
        beyond: Beyond = NOTHING,
    ) -> None:
        self.program = program
        self.evaluator = evaluator
        self.brackets = brackets

        self._actor = Actor(program, evaluator)
        self.matter = names_that_matter(program, beyond)
        self.relevance = Relevance(program, self.matter, beyond)
        self._beyond = beyond
        self._doing = beyond.functions()
        self._stores = Stores(program)
        self._sites = Sites(program.names)
        self._guards = Guards(program)
        self._handed = Handed(program, self.matter)
        self._kinds = Kinds(program, evaluator)

    def call(self, walk: Walk, instruction: Instruction, depth: int) -> None:
        """One call, with everything that it means for the state of the walk."""
        callee, arguments = instruction[2], instruction[3]
        if callee[0] == "call" and callee[1] in _GUARDS:
            self._actor.guard(walk, callee, arguments)
            return
        site = site_of(instruction, walk.sites)
        if site.parts:
            walk.stored(site.parts)
        if site.elements:
            walk.loose(site.elements)
        if site.name and site.name not in walk.local:
            self._named(walk, site, depth)
        else:
            self._pointed(walk, callee, arguments)
            walk.shaken()
        if instruction[4] is not None and walk.state is not None:
            walk.stored(site.kept)
            if site.result:
                walk.assign(site.result, walk.value(site.value))

    def holds(self, walk: Walk, condition: Expr) -> bool | None:
        """Whether a condition holds: by what is known of variables, or of the driver's tables."""
        return self._guards.holds(walk, condition)

    def named(self, value: Expr, kind: str, path: str) -> Expr:
        """`{ false, true }` with the names of the fields that are meant."""
        if not kind or "*" in kind or any(where for where, _ in value[1]):
            return value
        fields = self.program.names.fields(self.program.types.plain(kind), path)
        named = zip(fields, value[1], strict=False)
        return ("list", tuple(((f".{name}",), inner) for name, (_, inner) in named) or value[1])

    def _named(self, walk: Walk, site: Site, depth: int) -> None:
        name, arguments = site.name, site.instruction[3]
        if name == "memset" and len(arguments) == 3 and arguments[1] == ("number", 0):
            walk.cleared(arguments[0])
        if site.acts is not None:
            self._known(walk, name, site.acts, arguments)
            return
        self._writes(walk, site)
        if name not in self.matter:
            return
        self._reach(walk, site, depth)
        walk.shaken()

    def _reach(self, walk: Walk, site: Site, depth: int) -> None:
        """A function or macro that may do something."""
        path = walk.routine.path
        self._sites.look(site, path)
        macro, routine = site.macro, site.routine
        if (
            macro is not None
            and macro.parameters is not None
            and (routine is None or routine.path != path)
        ):
            if macro.code and depth < _MACROS:
                self._inline(walk, site, depth)
            return
        callee, arguments = site.instruction[2:4]
        if routine is None:
            self._outside(walk, site.name, arguments)
            return
        for target, how, grade, _ in self.program.targets(callee, walk.routine, walk.context.owner):
            self._go(walk, target, how, grade, arguments)
            self._bracket(walk, target)

    def _writes(self, walk: Walk, site: Site) -> None:
        """A callee may set fields of a struct that it is given: these are not known any more."""
        arguments = site.instruction[3]
        filled = any(map(walk.is_filled, arguments))
        if not filled and not walk.minds():
            return
        self._sites.look(site, walk.routine.path)
        if site.macro is not None:
            walk.stored(self._sites.sets(site, self._stores.of_macro))
        target = site.routine
        if target is None:
            return
        walk.stored(self._stores.of(target))
        if filled:
            for at, fields in self.relevance.writes(target).items():
                if at < len(arguments):
                    walk.written(arguments[at], fields)

    def _known(
        self, walk: Walk, name: str, acts: tuple[Act, ...], arguments: tuple[Expr, ...]
    ) -> None:
        for act in acts:
            if type(act) is Calls:
                self._calls(walk, act, arguments)
            elif type(act) is not Nothing:
                self._actor.act(walk, name, act, arguments)
                if type(act) in _MEANWHILE:
                    walk.shaken()
                if type(act) is Flushes and act.what == "work":
                    self._flushed(walk, arguments)

    def _inline(self, walk: Walk, site: Site, depth: int) -> None:
        before, walk.macro = walk.macro, walk.macro or site.name
        walk.inner(self._sites.inner(site), depth + 1)
        walk.macro = before

    def _pointed(self, walk: Walk, callee: Expr, arguments: tuple[Expr, ...]) -> None:
        held = walk.value(callee if callee[0] != "deref" else callee[1])
        known = [one for one in held or () if isinstance(one, Routine)]
        for routine in known:
            self._go(walk, routine, "argument", 1.0, arguments)
        if known:
            return
        slots = self._slots(walk, callee)
        if slots is not None:
            for routine, note in slots:
                self._go(walk, routine, "instance", GRADES["instance"], arguments, note=note)
            return
        context = walk.context
        found = self.program.targets(callee, walk.routine, context.owner, context.bound[:1])
        found = self._kinds.left(walk, callee, found)
        for routine, how, grade, table in found:
            bound = context.bound
            if table and table[1] and (len(found) > 1 or how == "file"):
                bound = (table[1], self._object(walk, callee))
            note = f"{table[1]} ({table[0]})" if table and table[1] else ""
            self._go(walk, routine, how, grade, arguments, bound, note)

    def _slots(self, walk: Walk, callee: Expr) -> list[tuple[Routine, str]] | None:
        """What stands in the very tables that are known here; None where none is known."""
        if callee[0] != "field":
            return None
        base = callee[1]
        own = None
        if base[0] == "name" and base[1] not in walk.local:
            own = self.evaluator.table(base, {}, walk.routine.path)
        known = [own] if own is not None else list(walk.value(base) or ())
        tables = [one for one in known if isinstance(one, Table)]
        if not tables or len(tables) != len(known):
            return None
        return [
            (routine, one.name)
            for one in tables
            for routine in self.program.tables.slot(one.name, one.path, callee[2])
        ]

    def _object(self, walk: Walk, callee: Expr) -> str:
        """The struct of the object that a table belongs to: `ring` of `ring->funcs->begin()`."""
        while callee[0] in ("deref", "addr", "index"):
            callee = callee[1]
        if callee[0] != "field":
            return ""
        base = callee[1][1] if callee[1][0] == "field" else callee[1]
        kind = self.program.types.of(base, walk.local, walk.routine.path)
        return self.program.types.plain(kind) if kind else ""

    def _still(
        self, routine: Routine, bound: tuple[str, str] | tuple[()]
    ) -> tuple[str, str] | tuple[()]:
        """The table, as long as the function is given an object of the struct that has it."""
        if bound and any(bare(one.type) == bound[1] for one in routine.function.parameters):
            return bound
        return ()

    def _calls(self, walk: Walk, act: Calls, arguments: tuple[Expr, ...]) -> None:
        if act.argument >= len(arguments):
            return
        for routine in walk.value(arguments[act.argument]) or ():
            if isinstance(routine, Routine):
                given = tuple(
                    ("?", "") if at is None or at >= len(arguments) else arguments[at]
                    for at in act.passes
                )
                self._go(walk, routine, "argument", act.sure, given)

    def _flushed(self, walk: Walk, arguments: tuple[Expr, ...]) -> None:
        """Who waits for a work waits for what it does."""
        if not arguments:
            return
        subject = self.program.tables.subject(arguments[0], walk.local, walk.routine.path)
        if subject is None:
            return
        for one in self.program.workers.get(subject, ())[:4]:
            if one.kind == "work" and _same(one.routine, walk):
                self._go(walk, one.routine, "work", GRADES["work"], (), fresh=True)

    def _outside(self, walk: Walk, name: str, arguments: tuple[Expr, ...]) -> None:
        """A function without a body here: one that takes allocation flags allocates."""
        doing = self._doing.get(name)
        if doing is not None:
            values = self._asked(walk, doing.asks, arguments)
            self._actor.beyond(walk, name, self._beyond, values)
            if doing.leaves:
                self._actor.bracket(walk, doing.leaves, name)
            return
        prototype = self.program.names.prototypes.get(name)
        types = prototype[1] if prototype is not None else ()
        at = next((i for i, one in enumerate(types) if one.startswith("gfp_t")), None)
        if at is not None and at < len(arguments):
            self._actor.act(walk, name, Allocates(at), arguments)

    def _go(
        self,
        walk: Walk,
        routine: Routine,
        how: str,
        grade: float,
        arguments: tuple[Expr, ...],
        bound: tuple[str, str] | tuple[()] | None = None,
        note: str = "",
        *,
        fresh: bool = False,
    ) -> None:
        state = walk.state
        if state is None or routine.name not in self.matter:
            return
        context = walk.context
        values: tuple[Value, ...] = ()
        wanted = self.relevance.of(routine)
        if wanted and not fresh:
            values = self._values(walk, routine, wanted, arguments)
        walk.note(
            callee=routine,
            context=Context(
                values,
                frozenset() if fresh else state.scopes,
                routine.owner or walk.routine.owner or context.owner,
                self._still(routine, context.bound if bound is None else bound),
                self._handed.to(routine, arguments, state.known) if state.known else (),
            ),
            how="macro" if how == "direct" and walk.macro else how,
            grade=grade,
            note=note,
        )

    def _values(
        self, walk: Walk, routine: Routine, wanted: dict[int, bool], arguments: tuple[Expr, ...]
    ) -> tuple[Value, ...]:
        """What is known of the arguments, as far as the callee asks."""
        found: list[Value] = []
        last = 0
        parameters = routine.function.parameters
        for at in range(min(len(arguments), max(wanted) + 1)):
            value = walk.value(arguments[at]) if at in wanted else None
            if value is not None and at < len(parameters):
                value = _telling(value, parameters[at].type, itself=wanted[at])
            found.append(value)
            if value is not None:
                last = at + 1
        return tuple(found[:last])

    def _asked(
        self, walk: Walk, asks: Mapping[int, bool], arguments: tuple[Expr, ...]
    ) -> tuple[Value, ...]:
        """What is known of the arguments that a function beyond asks for."""
        found = [plain(walk.value(one)) if at in asks else None for at, one in enumerate(arguments)]
        while found and found[-1] is None:
            found.pop()
        return tuple(found)

    def _bracket(self, walk: Walk, routine: Routine) -> None:
        """The callee leaves something open, or closes what was open here."""
        effect = self.brackets.of(routine)
        if effect is not None:
            self._actor.bracket(walk, effect, routine.name)


def _telling(value: Value, kind: str, *, itself: bool) -> Value:
    """A value as far as a callee may decide by it: each one more is a context of its own.

    Of numbers these are flags of allocations, truths and small ones; registers are not.
    """
    if value is None or kind == "gfp_t" or any(isinstance(one, Fields | Table) for one in value):
        return value
    if not itself:
        return None
    few = all(not isinstance(one, int) or -1 <= one <= _SMALL for one in value)
    return value if few else None


def _same(routine: Routine, walk: Walk) -> bool:
    mine = walk.routine.owner or walk.context.owner
    return not mine or not routine.owner or routine.owner == mine
