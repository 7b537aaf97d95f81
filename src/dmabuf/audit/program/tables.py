"""Which functions a pointer in a struct may be: tables of operations, assignments, registrations.

What is kept is the struct, the field, the function and where that was said: a driver's objects
take the tables of its own folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dmabuf.audit.program.asked import Answers, any_field
from dmabuf.audit.program.calling import Calling
from dmabuf.audit.program.links import Held, Linker, Links, Setter, Subject
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import Routine

__all__ = ["Made", "Registration", "Tables", "Target", "field_name"]


class Target(NamedTuple):
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
        line: and in which line, as the instructions of that count them.
    """

    kind: str
    routine: Routine
    subject: Subject | None
    where: Routine | None
    line: int


@dataclass(frozen=True, slots=True)
class Made:
    """A workqueue that was made: its flags as C text, in which function and line of it."""

    flags: str
    where: Routine
    line: int


def field_name(subject: Subject) -> str:
    """How it is told that a field of a struct was asked for.

    Who does not know the struct asks for `any_field`.
    """
    return f"{subject[0]}.{subject[1]}"


class Tables:
    """All that fields of structs may hold.

    Args:
        names: of the program.
        linker: of its files.
        links: what each file adds, in the order of the files.

    Attributes:
        fields: what a field may hold, by (struct, field).
        of_field: the structs with such a field.
        registrations: in the order of the files.
        queues: workqueues by where they are kept.
        calling: who calls which names.
        handed: what functions gave to others that keep it in a field.
    """

    def __init__(
        self, names: Names, linker: Linker, links: Iterable[Links], calling: Calling
    ) -> None:
        self._names, self._linker = names, linker
        self.local = linker.local
        self.subject = linker.subject
        self.calling = calling
        self._fields: dict[Subject, list[Target]] = defaultdict(list)
        self._of_field: dict[str, set[str]] = defaultdict(set)
        self._queues: dict[Subject, list[Made]] = defaultdict(list)
        self._slots: dict[tuple[str, str, str], list[Routine]] = defaultdict(list)
        self._seen: set[tuple[Subject, Routine, str]] = set()
        self.registrations: list[Registration] = []
        setters: dict[str, list[Setter]] = defaultdict(list)
        of = names.of
        every = list(links)
        for one in every:
            self._hold(one.tables)
        for one in every:
            self._hold(one.stored)
            for kind, what, subject, where, line in one.registered:
                self.registrations.append(Registration(kind, of(what), subject, of(where), line))
            for subject, flags, where, line in one.queues:
                self._queues[subject].append(Made(flags, of(where), line))
            for setter in one.setters:
                setters[setter[0][2]].append(setter)
        self.handed = self._handed_on(setters)
        self._hold(self.handed)
        asked = names.asked
        self.fields: Mapping[Subject, list[Target]] = Answers(self._fields, asked, field_name)
        self.of_field: Mapping[str, set[str]] = Answers(self._of_field, asked, any_field)
        self.queues: Mapping[Subject, list[Made]] = Answers(self._queues, asked, field_name)

    def _hold(self, held: Iterable[Held]) -> None:
        of = self._names.of
        for subject, what, table, path in held:
            routine = of(what)
            key = (subject, routine, table)
            if key not in self._seen:
                self._seen.add(key)
                self._fields[subject].append(Target(routine, table, path))
                self._of_field[subject[1]].add(subject[0])
                if table:
                    self._slots[table, path, subject[1]].append(routine)

    def _handed_on(self, setters: Mapping[str, list[Setter]]) -> tuple[Held, ...]:
        """Functions given to a function that keeps its parameter in a field."""
        callers = dict.fromkeys(one for name in setters for one in self.calling.of(name))
        return tuple(held for one in callers for held in self._linker.handed(one, setters))

    def slot(self, table: str, path: str, field: str) -> list[Routine]:
        """What a table of a file holds in a field: nothing where it leaves the field out."""
        self._names.asked.now.add(any_field(field))
        return list(self._slots.get((table, path, field), ()))
