"""A family of objects, what can be done to them, and every small program of that.

>>> family = Family("cell", lambda machine: Things(machine), {"one": lambda w: 1})
>>> [program.tasks for program in family.pairs()]
[[[('one',)], [('one',)]]]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dmabuf.machine import Machine
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import OPS
from tests.explore.comparison import Compared

__all__ = ["Family", "Program", "Things", "already", "both", "of_table", "op"]

Act = Callable[[Any], Any]


class Things:
    """The objects of one execution."""

    state = ()

    def __init__(self, machine: Machine, **things: Any) -> None:
        self.machine = machine
        self.__dict__.update(things)


def op(name: str, of: str, arg: Callable[[Any], Any] | None = None) -> Act:
    """An operation as it is, on a thing of that name."""

    def act(world: Any) -> Any:
        rt = ambient()
        rt.step(OPS[name], getattr(world, of), None if arg is None else arg(world))
        return rt.current().value

    return act


def already(make: Callable[[Machine], Any], *acts: Act) -> Callable[[Machine], Any]:
    """The same objects after something was done to them."""

    def made(machine: Machine) -> Any:
        world = make(machine)
        for act in acts:
            act(world)
        return world

    return made


def both(one: Act, other: Act) -> Act:
    """One after the other."""
    return lambda world: (one(world), other(world))


def of_table(table: dict[str, Callable[..., Any]], arguments: tuple[Any, ...]) -> dict[str, Act]:
    """The operations of a generator of random programs, each with these arguments."""
    return {name: lambda w, o=operation: o(w, *arguments) for name, operation in table.items()}


@dataclass(frozen=True, eq=False)
class Family:
    """What belongs together.

    Attributes:
        name: of it.
        make: the objects of one execution.
        acts: what can be done to them, by name.
        start: starts a task of a machine that does something, by name; a kernel thread if None.
    """

    name: str
    make: Callable[[Machine], Any]
    acts: dict[str, Act]
    start: Callable[..., Any] | None = None

    def pairs(self) -> Iterator[Program]:
        """Two tasks of one act each."""
        for one, other in itertools.combinations_with_replacement(self.acts, 2):
            yield Program(self, [[one], [other]])

    def triples(self) -> Iterator[Program]:
        """Two acts of one task, one of another."""
        for one, then, other in itertools.product(self.acts, repeat=3):
            yield Program(self, [[one, then], [other]])


class Program(Compared):
    """Some acts of a family, by task."""

    def __init__(self, family: Family, tasks: Sequence[Sequence[str]]) -> None:
        self.family = family
        self.tasks = [[(name,) for name in names] for names in tasks]

    def __repr__(self) -> str:
        tasks = " | ".join(", ".join(name for (name,) in task) for task in self.tasks)
        return f"{self.family.name}: {tasks}"

    def _make_world(self, machine: Machine) -> Any:
        return self.family.make(machine)

    def _start(self, machine: Machine, kind: str, run: Callable[[], object], name: str) -> Any:
        start = self.family.start
        return (
            super()._start(machine, kind, run, name) if start is None else start(machine, run, name)
        )

    def _do(self, name: str, world: Any, arguments: Sequence[Any]) -> Any:
        try:
            return self.family.acts[name](world)
        except OSError as error:
            return type(error).__name__, error.errno
