"""A state on the present path of source-DPOR, and what races need to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.strategies.dfs import Node
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmabuf.explore.strategies.races import Stand
    from dmabuf.rt.api import Op

__all__ = ["Choice"]

Footprint = tuple[int, ...]
_NO_DOORS: frozenset[int] = frozenset()


class Choice(Node):
    """A state: what was possible, what is explored from it, and how its step came about.

    Attributes:
        enabled: the transitions that were possible.
        tasks: how many tasks there were.
        tried: the tasks whose transitions are explored from here.
        watch: what decides in which ways the step that was made is possible.
        guard: the operation, if that is a matter of its object's state alone.
        near: what guarded steps of other tasks would have touched, where they were possible.
        access: how the step touches its object if it touches nothing else.
        obj: the object of the step that was made, as read.
        closed: operations that were not possible on it just before, whoever asked.
        ways: the watch of a step that could have gone another way later on.
        doors: where handlers could start.
        opened: the doors, as changed, if the step opened one.
        shut: the doors, as changed, if it closed one.
        stand: the place where its task stood, if that races with steps before it.
        stood: what its ways there depended on.
        may_stop: its task could have stopped for ever instead.
        before: the index of the same task's step before; -1 if there is none.
        ordinal: of the task that made the step.
        own: that task, as it is changed by being spawned.
    """

    __slots__ = (
        "access",
        "before",
        "closed",
        "doors",
        "enabled",
        "guard",
        "may_stop",
        "near",
        "obj",
        "opened",
        "ordinal",
        "own",
        "shut",
        "stand",
        "stood",
        "tasks",
        "tried",
        "watch",
        "ways",
    )

    def __init__(
        self,
        chosen: int,
        todo: list[int],
        sleep: dict[int, Footprint],
        enabled: list[int],
        tasks: int,
    ) -> None:
        super().__init__(chosen, todo, sleep)
        self.enabled = enabled
        self.tasks = tasks
        self.tried = {chosen // VARIANTS}
        self.watch: Footprint = ()
        self.ways: Footprint = ()
        self.doors = _NO_DOORS
        self.opened: Footprint = ()
        self.shut: Footprint = ()
        self.guard: Op | None = None
        self.obj = -1
        self.access = 0
        self.stand: Stand | None = None
        self.stood: Footprint = ()
        self.closed: Sequence[Op] = ()
        self.may_stop = False
        self.near: dict[int, Footprint] | None = None
        self.before = -1
        self.ordinal = -1
        self.own = -1

    def offers(self, task: int) -> bool:
        """Could that task move?"""
        return any(transition // VARIANTS == task for transition in self.enabled)

    def add(self, task: int) -> None:
        """Explore whatever that task could do from here, unless it sleeps."""
        if task not in self.tried:
            self.tried.add(task)
            self.todo += [t for t in self.enabled if t // VARIANTS == task and t not in self.sleep]

    def add_all(self) -> None:
        """Explore whatever was possible here."""
        for transition in self.enabled:
            self.add(transition // VARIANTS)

    def add_one(self, transitions: list[int]) -> None:
        """Have one of some transitions explored from here, or everything if none is possible."""
        for transition in transitions:
            if transition // VARIANTS in self.tried or transition in self.sleep:
                return
        for transition in transitions:
            if self.offers(transition // VARIANTS):
                self.add(transition // VARIANTS)
                return
        self.add_all()
