"""All files together: who calls whom, and how sure that is.

A call through a pointer is resolved by the struct and field that it is read from. A driver's code
takes the functions of its own folder; shared code takes those of the driver that the way came
from; and where the way came through a table of operations, the same table again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from dmabuf.audit.front.code import SET, Expr
from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.program.asked import Answers, Asked, Memo, any_field
from dmabuf.audit.program.calling import Calling
from dmabuf.audit.program.links import Linker, Links, Subject
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import GRADES, Routine, owner_of
from dmabuf.audit.program.tables import Registration, Tables, Target, field_name
from dmabuf.audit.program.types import Types

__all__ = ["Program"]


def _standing(routine: Routine) -> str:
    """How it is told that somebody asked where a function stands, and who registered it."""
    return f"@{routine.name}"


_FEW = 4
"""Up to so many candidates are variants for generations of hardware: each is right on some."""


class Program:
    """The functions of many files, linked.

    Attributes:
        asked: takes down what is asked of it, for who keeps what it computes.
        links: what each file adds to the tables, by path.
        asked_by_links: what was asked for those that are not as they were.
    """

    def __init__(
        self, files: Shelf | Iterable[FileFacts], links: Mapping[str, Links] | None = None
    ) -> None:
        """Link files.

        Args:
            files: their facts.
            links: of files for which they are known to be as they were.
        """
        shelf = files if isinstance(files, Shelf) else Shelf.of(files)
        self.asked = Asked()
        self.names = Names(shelf, self.asked)
        self.types = Types(self.names)
        self.links: dict[str, Links] = {}
        self.asked_by_links: dict[str, tuple[str, ...]] = {}
        linker = Linker(self.names, self.types)
        for path in shelf.outlines:
            known = links.get(path) if links is not None else None
            self.links[path] = known if known is not None else self._linked(linker, path)
        calling = Calling(shelf, self.names)
        self.tables = Tables(self.names, linker, self.links.values(), calling)
        self.resolved: Counter[str] = Counter()
        self._structs: Memo[Routine, frozenset[str]] = Memo(self.asked)
        self._targets: dict[tuple[str, str, str], list[Target]] = {}

    def _linked(self, linker: Linker, path: str) -> Links:
        before = self.asked.begin()
        found = linker.links(path)
        self.asked_by_links[path] = self.asked.end(before)
        self.asked.now = set()
        return found

    def function(self, name: str, file: str = "") -> Routine | None:
        """The function of that name: in `file`, or as `file` sees it."""
        return self.names.routine(name, file)

    def functions(self) -> Iterable[Routine]:
        """All of them, file by file as they were given."""
        for found in self.names.routines.values():
            yield from found

    @cached_property
    def registrations(self) -> Mapping[Routine, list[Registration]]:
        """Who runs a function later: works, timers, threads, interrupts, callbacks."""
        found: dict[Routine, list[Registration]] = defaultdict(list)
        for one in self.tables.registrations:
            found[one.routine].append(one)
        return Answers(found, self.asked, _standing)

    @cached_property
    def workers(self) -> Mapping[Subject, list[Registration]]:
        """Registrations by what they are tied to, such as a work in a struct."""
        found: dict[Subject, list[Registration]] = defaultdict(list)
        for one in self.tables.registrations:
            if one.subject is not None:
                found[one.subject].append(one)
        return Answers(found, self.asked, field_name)

    @cached_property
    def in_tables(self) -> Mapping[Routine, list[tuple[str, str, str]]]:
        """Where a function stands in tables of operations: struct, field, table."""
        found: dict[Routine, list[tuple[str, str, str]]] = defaultdict(list)
        for (struct, field), targets in self.tables.fields.items():
            for target in targets:
                found[target.routine].append((struct, field, target.table))
        return Answers(found, self.asked, _standing)

    def callers(self, routine: Routine) -> Iterator[Routine]:
        """The functions that call one by its name, file by file."""
        for caller in self.tables.calling.of(routine.name):
            if self.names.routine(routine.name, caller.path) is routine:
                yield caller

    def structs_of(self, routine: Routine) -> frozenset[str]:
        """The structs that a function has variables of, or pointers to: `struct NAME`."""
        return self._structs.get(routine, lambda: self._structs_in(routine), frozenset())

    def _structs_in(self, routine: Routine) -> frozenset[str]:
        kinds = map(self.types.plain, set(self.tables.local(routine).values()))
        return frozenset(one for one in kinds if one.startswith("struct "))

    def targets(
        self, callee: Expr, routine: Routine, owner: str = "", bound: tuple[str, ...] = ()
    ) -> list[tuple[Routine, str, float, tuple[str, str] | tuple[()]]]:
        """Whom the expression of a call may call.

        Args:
            callee: the expression.
            routine: the function that it stands in.
            owner: the driver that shared code is called by.
            bound: names of tables that the way came through.

        Returns:
            The function, how it was found, the grade, and the table as (struct, variable).
        """
        while callee[0] in ("deref", "addr", "cast"):
            callee = callee[2] if callee[0] == "cast" else callee[1]
        if callee[0] == "name":
            local = self.tables.local(routine)
            if callee[1] not in local:
                found = self.names.routine(callee[1], routine.path)
                if found is not None and self._may_call(routine, found, owner):
                    return [(found, "direct", 1.0, ())]
                return []
            held = self._value_of(callee[1], routine)
            if held is None:
                return []
            callee = held
        if callee[0] == "index":
            callee = callee[1]
        if callee[0] != "field":
            return []
        return self._through(callee, routine, routine.owner or owner, bound)

    def _may_call(self, routine: Routine, found: Routine, owner: str) -> bool:
        """Not into another driver by a name that only looks the same."""
        mine = routine.owner or owner
        return not found.owner or not mine or found.owner == mine or not found.function.static

    def _value_of(self, name: str, routine: Routine) -> Expr | None:
        """The field that a local function pointer was read from, where only one is."""
        found = None
        for instruction in routine.function.code:
            if instruction[0] == SET and instruction[2] == ("name", name):
                value = instruction[3]
                if value[0] != "field" or (found is not None and found != value):
                    return None
                found = value
        return found

    def _through(
        self, callee: Expr, routine: Routine, owner: str, bound: tuple[str, ...]
    ) -> list[tuple[Routine, str, float, tuple[str, str] | tuple[()]]]:
        base = self.types.of(callee[1], self.tables.local(routine), routine.path)
        struct = self.types.plain(base) if base else ""
        field = callee[2]
        candidates = self._candidates(struct, field, owner)
        if not candidates:
            self.resolved["nowhere" if struct else "type unknown"] += 1
            return []
        how = "field" if struct else "guess"
        chosen = candidates
        if len(candidates) > 1 and struct:
            same = [one for one in candidates if one.table and one.table in bound]
            here = [one for one in candidates if one.path == routine.path]
            if same:
                chosen, how = same, "instance"
            elif here and len(here) < len(candidates):
                chosen, how = here, "file"
        elif struct and (owner or len(candidates) == 1):
            how = "instance"
        self.resolved[how] += 1
        grade = GRADES[how]
        if len(chosen) > _FEW:
            grade *= (_FEW / len(chosen)) ** 0.5
        grade /= max(Counter(one.table for one in chosen if one.table).values(), default=1)
        unique = {one.routine: one for one in chosen}
        return [
            (one.routine, how, grade, (struct, one.table) if one.table else ())
            for one in unique.values()
        ]

    def _candidates(self, struct: str, field: str, owner: str) -> list[Target]:
        key = (struct, field, owner)
        self.asked.now.add(field_name((struct, field)) if struct else any_field(field))
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = self._select(struct, field, owner)
        return found

    def _select(self, struct: str, field: str, owner: str) -> list[Target]:
        if struct:
            targets = self.tables.fields.get((struct, field), [])
        else:
            structs = self.tables.of_field.get(field, ())
            if len(structs) != 1:
                return []
            targets = self.tables.fields[(next(iter(structs)), field)]
        if not owner:
            return targets
        mine = [one for one in targets if owner_of(one.path) == owner]
        return mine or [one for one in targets if not owner_of(one.path)]
