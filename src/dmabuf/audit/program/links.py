"""What one file adds to the tables: functions in fields, registrations, workqueues.

Found for each file alone, from its outline and the bodies that may matter, and told in plain values
that can be kept. It depends on what is asked of other files: types of fields, which function a name
is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dmabuf.audit.front.code import CALL, DECLARE, SET, Expr, Instruction
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.registers import MAKERS, REGISTERS
from dmabuf.audit.program.routine import Ref, Routine
from dmabuf.audit.program.spelling import spell
from dmabuf.audit.program.types import Types

__all__ = ["Held", "Holder", "Linker", "Links", "Queue", "Registered", "Setter", "Subject"]

_DEPTH = 12
_POINTERS = (("name", "pm_ptr"), ("name", "pm_sleep_ptr"), ("name", "PTR_IF"))
"""Worth their last argument in some configuration."""
Subject = tuple[str, str]
Held = tuple[Subject, Ref, str, str]
"""A field, the function that it may hold, the table that says so ("" for an assignment), its file.
"""
Registered = tuple[str, Ref, Subject | None, Ref, int]
"""What runs it, the function, what it is tied to, who took it down, its line."""
Queue = tuple[Subject, str, Ref, int]
"""Where a workqueue is kept, its flags as C text, who made it, its line."""
Setter = tuple[Ref, int, Subject]
"""A function that keeps a parameter in a field: which, the position, the field."""
Holder = tuple[str, str, str, int]
"""A field, the table whose address is in it, and the variable that has it: file and which one."""
_LINKING = frozenset(REGISTERS) | frozenset(MAKERS)


class Links(NamedTuple):
    """What a file adds.

    Attributes:
        tables: what its variables hold.
        stored: what its functions assign.
        registered, queues, setters: as their types say.
        holders: its objects that hold tables of operations.
    """

    tables: tuple[Held, ...] = ()
    stored: tuple[Held, ...] = ()
    registered: tuple[Registered, ...] = ()
    queues: tuple[Queue, ...] = ()
    setters: tuple[Setter, ...] = ()
    holders: tuple[Holder, ...] = ()


class Linker:
    """Links files; for each there is one call of `links`."""

    def __init__(self, names: Names, types: Types) -> None:
        self._names, self._types = names, types
        self._local: dict[Routine, dict[str, str]] = {}
        self._held: dict[Held, None] = {}
        self._registered: list[Registered] = []
        self._queues: list[Queue] = []
        self._setters: list[Setter] = []

    def links(self, path: str) -> Links:
        """What a file adds."""
        outline = self._names.outlines[path]
        self._held, self._registered, self._queues, self._setters = {}, [], [], []
        holders: list[Holder] = []
        for nth, (_name, _static, _type, has_value) in enumerate(outline.variables):
            if has_value:
                variable = self._names.variable_at(path, nth)
                if variable.value is not None and variable.value[0] == "list":
                    self._list(variable.value, variable.type, variable.name, path)
                    holders += _holders(variable.value, path, nth)
        tables, self._held = tuple(self._held), {}
        for nth, line in enumerate(outline.functions):
            if line.stores or not _LINKING.isdisjoint(line.calls):
                self._body(self._names.at(path, nth))
        return Links(
            tables,
            tuple(self._held),
            tuple(self._registered),
            tuple(self._queues),
            tuple(self._setters),
            tuple(holders),
        )

    def handed(self, caller: Routine, setters: Mapping[str, list[Setter]]) -> tuple[Held, ...]:
        """What a function gives to functions that keep it in a field."""
        self._held = {}
        for instruction in caller.function.code:
            if instruction[0] == CALL and instruction[2][0] == "name":
                for setter, position, subject in setters.get(instruction[2][1], ()):
                    arguments = instruction[3]
                    meant = self._names.routine(instruction[2][1], caller.path)
                    if position < len(arguments) and meant is self._names.of(setter):
                        self._hold(subject, arguments[position], "", caller.path)
        return tuple(self._held)

    def local(self, routine: Routine) -> dict[str, str]:
        """Types of the parameters and variables of a function."""
        found = self._local.get(routine)
        if found is None:
            found = {one.name: one.type for one in routine.function.parameters}
            for instruction in routine.function.code:
                if instruction[0] == DECLARE:
                    found.setdefault(instruction[2], instruction[3])
            self._local[routine] = found
        else:
            self._names.asked.now.add(routine.name)
        return found

    def subject(self, expression: Expr, local: Mapping[str, str], path: str) -> Subject | None:
        """What an expression names, as (struct, field); of a variable (file or "", name)."""
        for _ in range(_DEPTH):
            if expression[0] in ("addr", "deref", "index"):
                expression = expression[1]
            elif expression[0] == "cast":
                expression = expression[2]
            else:
                break
        if expression[0] == "field":
            base = self._types.of(expression[1], local, path)
            return (self._types.plain(base) if base else "", expression[2])
        if expression[0] == "name":
            if expression[1] in local:
                return (local[expression[1]], "")
            return ("", expression[1])
        if expression[0] == "call":
            kind = self._types.of(expression, local, path)
            return (self._types.plain(kind), "") if kind else None
        return None

    def _list(self, value: Expr, kind: str, table: str, path: str) -> None:
        """Take down the functions of an initialiser; inner ones by their own struct."""
        todo: list[tuple[Expr, str, int]] = [(value, self._types.plain(kind), 0)]
        while todo:
            items, struct, depth = todo.pop()
            order = list(self._names.fields(struct, path))
            for position, (where, item) in enumerate(items[1]):
                inner = item[2] if item[0] == "cast" else item
                owner, field = self._path(struct, where, path)
                if not where and inner[0] != "list" and position < len(order):
                    field = order[position]
                if inner[0] != "list":
                    if field:
                        self._hold((owner, field), inner, table, path)
                elif depth < _DEPTH:
                    kind = self._names.fields(owner, path).get(field, "") if field else struct
                    todo.append((inner, self._types.plain(kind), depth + 1))

    def _path(self, struct: str, where: tuple[str, ...], path: str) -> tuple[str, str]:
        """The struct and field that `.base.run =` is about."""
        owner, field = struct, ""
        for step in where:
            if step.startswith("."):
                if field:
                    owner = self._types.plain(self._names.fields(owner, path).get(field, ""))
                field = step[1:]
        return owner, field

    def _hold(self, subject: Subject, value: Expr, table: str, path: str) -> None:
        routine = self._function(value, path)
        if routine is not None:
            self._held[subject, routine.ref, table, path] = None

    def _function(self, value: Expr, path: str) -> Routine | None:
        while value[0] in ("addr", "deref", "cast", "call"):
            if value[0] == "call":
                if value[1] not in _POINTERS or not value[2]:
                    return None
                value = value[2][-1]
            else:
                value = value[2] if value[0] == "cast" else value[1]
        if value[0] != "name" or value[1] not in self._names.routines:
            return None
        return self._names.routine(value[1], path)

    def _body(self, routine: Routine) -> None:
        known = self._names.routines
        for instruction in routine.function.code:
            kind = instruction[0]
            if kind == SET:
                value = instruction[3]
                if value[0] in ("name", "addr", "cast", "list") and instruction[2][0] != "?":
                    self._assigned(routine, instruction[2], value)
            elif kind == CALL and instruction[2][0] == "name":
                name = instruction[2][1]
                if name in REGISTERS:
                    self._register(routine, instruction)
                elif name in MAKERS and name not in known:
                    self._make(routine, instruction)

    def _assigned(self, routine: Routine, target: Expr, value: Expr) -> None:
        path = routine.path
        if value[0] == "list":
            if target[0] == "name" and target[1] in self.local(routine):
                self._list(value, self.local(routine)[target[1]], target[1], path)
            return
        if target[0] not in ("field", "index") or (
            target[0] == "index" and target[1][0] != "field"
        ):
            return
        inner = value[2] if value[0] == "cast" else value
        inner = inner[1] if inner[0] == "addr" else inner
        if inner[0] != "name":
            return
        name = inner[1]
        parameters = routine.function.parameters
        position = next((i for i, one in enumerate(parameters) if one.name == name), None)
        if position is not None:
            kind = parameters[position].type
            behind = self._names.typedefs.get(kind, kind)
            if "(" in behind:
                subject = self.subject(target, self.local(routine), path)
                if subject is not None and subject[1]:
                    self._setters.append((routine.ref, position, subject))
        elif name in self._names.routines and name not in self.local(routine):
            subject = self.subject(target, self.local(routine), path)
            if subject is not None and subject[1]:
                self._hold(subject, inner, "", path)

    def _register(self, routine: Routine, instruction: Instruction) -> None:
        name, arguments = instruction[2][1], instruction[3]
        for register in REGISTERS[name]:
            if register.function >= len(arguments):
                continue
            function = self._function(arguments[register.function], routine.path)
            if function is None:
                continue
            subject = None
            if register.item is not None:
                subject = self.subject(arguments[register.item], self.local(routine), routine.path)
            line = int(instruction[1])
            self._registered.append((register.kind, function.ref, subject, routine.ref, line))

    def _make(self, routine: Routine, instruction: Instruction) -> None:
        maker = MAKERS[instruction[2][1]]
        arguments, result = instruction[3], instruction[4]
        if result is None:
            return
        flags = maker.implied
        if maker.flags is not None and maker.flags < len(arguments):
            said = spell(arguments[maker.flags])
            flags = " | ".join(part for part in (said, flags) if part)
        subject = self.subject(result, self.local(routine), routine.path)
        if subject is not None:
            line = int(instruction[1])
            self._queues.append((subject, flags, routine.ref, line))


def _holders(value: Expr, path: str, nth: int) -> Iterator[Holder]:
    """The fields of an object that hold the address of a variable."""
    for where, item in value[1]:
        if len(where) == 1 and item[0] == "addr" and item[1][0] == "name":
            yield where[0][1:], item[1][1], path, nth
