"""Which functions a pointer in a struct may be: tables of operations, assignments, registrations.

What is kept is the struct, the field, the function and where that was said: a driver's objects
take the tables of its own folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dmabuf.audit.front.code import CALL, DECLARE, SET, Expr, Instruction
from dmabuf.audit.program.calling import Calling
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.registers import MAKERS, REGISTERS
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.program.spelling import spell
from dmabuf.audit.program.types import Types

__all__ = ["Made", "Registration", "Tables", "Target"]

_DEPTH = 12
_POINTERS = (("name", "pm_ptr"), ("name", "pm_sleep_ptr"), ("name", "PTR_IF"))
"""Worth their last argument in some configuration."""
Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """A function that a field may hold, the table that says so ("" for an assignment), its file."""

    routine: Routine
    table: str
    path: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A function that was taken down to be run later.

    Attributes:
        kind: what runs it, as in `registers.Register`.
        routine: it.
        subject: the work or timer, as (struct, field); None where it is not in a struct.
        where: who took it down; None at the top of a file.
        line: and in which line.
    """

    kind: str
    routine: Routine
    subject: Subject | None
    where: Routine | None
    line: int


@dataclass(frozen=True, slots=True)
class Made:
    """A workqueue that was made: its flags as C text, in which function and line."""

    flags: str
    where: Routine
    line: int


class Tables:
    """All that fields of structs may hold."""

    def __init__(self, names: Names, types: Types) -> None:
        self.fields: dict[Subject, list[Target]] = defaultdict(list)
        self.of_field: dict[str, set[str]] = defaultdict(set)
        self.registrations: list[Registration] = []
        self.queues: dict[Subject, list[Made]] = defaultdict(list)
        self._slots: dict[tuple[str, str, str], list[Routine]] = defaultdict(list)
        self._setters: dict[str, list[tuple[Routine, int, Subject]]] = defaultdict(list)
        self.calling = Calling()
        self._names, self._types = names, types
        self._local: dict[Routine, dict[str, str]] = {}
        self._seen: set[tuple[Subject, Routine, str]] = set()
        self._variables()
        self._bodies()
        self._handed_on()

    def local(self, routine: Routine) -> dict[str, str]:
        """Types of the parameters and variables of a function."""
        found = self._local.get(routine)
        if found is None:
            found = {one.name: one.type for one in routine.function.parameters}
            for instruction in routine.function.code:
                if instruction[0] == DECLARE:
                    found.setdefault(instruction[2], instruction[3])
            self._local[routine] = found
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

    def slot(self, table: str, path: str, field: str) -> list[Routine]:
        """What a table of a file holds in a field: nothing where it leaves the field out."""
        return list(self._slots.get((table, path, field), ()))

    # -- what files say outside functions ---------------------------------------------------------

    def _variables(self) -> None:
        for name, found in self._names.variables.items():
            for path, variable in found:
                value = variable.value
                if value is not None and value[0] == "list":
                    self._list(value, variable.type, name, path)

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
        if routine is None:
            return
        key = (subject, routine, table)
        if key not in self._seen:
            self._seen.add(key)
            self.fields[subject].append(Target(routine, table, path))
            self.of_field[subject[1]].add(subject[0])
            if table:
                self._slots[table, path, subject[1]].append(routine)

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

    # -- what functions assign --------------------------------------------------------------------

    def _bodies(self) -> None:
        for routine in self._all():
            known = self._names.routines
            code = routine.function.code
            self.calling.add(routine, code)
            for instruction in code:
                kind = instruction[0]
                if kind == SET:
                    value = instruction[3]
                    if value[0] in ("name", "addr", "cast", "list") and instruction[2][0] != "?":
                        self._assigned(routine, instruction[2], value)
                elif kind == CALL and instruction[2][0] == "name":
                    name = instruction[2][1]
                    if name in REGISTERS:
                        self._registered(routine, instruction)
                    elif name in MAKERS and name not in known:
                        self._made(routine, instruction)

    def _all(self) -> Iterator[Routine]:
        for found in self._names.routines.values():
            yield from found

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
                    self._setters[routine.name].append((routine, position, subject))
        elif name in self._names.routines and name not in self.local(routine):
            subject = self.subject(target, self.local(routine), path)
            if subject is not None and subject[1]:
                self._hold(subject, inner, "", path)

    def _registered(self, routine: Routine, instruction: Instruction) -> None:
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
            self.registrations.append(Registration(register.kind, function, subject, routine, line))

    def _made(self, routine: Routine, instruction: Instruction) -> None:
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
            self.queues[subject].append(Made(flags, routine, line))

    def _handed_on(self) -> None:
        """Functions given to a function that keeps its parameter in a field."""
        for name, setters in self._setters.items():
            for routine in self.calling.of(name):
                for instruction in routine.function.code:
                    if instruction[0] == CALL and instruction[2] == ("name", name):
                        self._hand(routine, setters, instruction[3])

    def _hand(
        self,
        routine: Routine,
        setters: list[tuple[Routine, int, Subject]],
        arguments: tuple[Expr, ...],
    ) -> None:
        for setter, position, subject in setters:
            if position < len(arguments) and (
                self._names.routine(setter.name, routine.path) is setter
            ):
                self._hold(subject, arguments[position], "", routine.path)
