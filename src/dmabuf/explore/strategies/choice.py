"""A state on the present path of source-DPOR, and what races need to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.dfs import Node
from dmabuf.explore.strategies.watch import NOTHING
from dmabuf.rt.strategy import BLOCK, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from dmabuf.explore.strategies.stands import Stand
    from dmabuf.explore.strategies.watch import Guard

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
        guard: what alone decides that, if nothing else does.
        decides: the object that it asks, as read.
        owned: locks that the task of the step had to itself just before, as read.
        near: what steps of other tasks would have touched, where they were possible.
        is_plain: the step touches its object and nothing else, in any state.
        access: how the step touches its object if it touches nothing else.
        halts: the step ended the execution.
        guides: by transition that is to be tried, the steps that are to follow it.
        obj: the object of the step that was made, as read.
        closed: guards that were false on it just before, for every task or for one.
        ways: the watch of a step that could have gone another way later on.
        other: what it would have touched that way, if that can be told.
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
        "decides",
        "doors",
        "enabled",
        "guard",
        "guides",
        "halts",
        "is_plain",
        "may_stop",
        "near",
        "obj",
        "opened",
        "ordinal",
        "other",
        "own",
        "owned",
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
        self.watch = NOTHING
        self.halts = False
        self.is_plain = False
        self.guides: dict[int, list[int]] = {}
        self.ways: Footprint = ()
        self.other: Footprint | None = None
        self.doors = _NO_DOORS
        self.opened: Footprint = ()
        self.shut: Footprint = ()
        self.guard: Guard | None = None
        self.decides = -1
        self.owned: Footprint = ()
        self.obj = -1
        self.access = 0
        self.stand: Stand | None = None
        self.stood: Footprint = ()
        self.closed: Collection[Guard | tuple[Guard, int]] = ()
        self.may_stop = False
        self.near: dict[int, Footprint] | None = None
        self.before = -1
        self.ordinal = -1
        self.own = -1

    def offers(self, task: int) -> bool:
        """Could that task move?"""
        return any(transition // VARIANTS == task for transition in self.enabled)

    def lets_pass(self, task: int) -> bool:
        """Could that task make the step it stood at, and not just be woken out of it?"""
        first = task * VARIANTS
        return any(first <= transition < first + BLOCK for transition in self.enabled)

    def add(self, task: int) -> None:
        """Explore whatever that task could do from here, unless it sleeps."""
        if task not in self.tried:
            self.tried.add(task)
            self.todo += [t for t in self.enabled if t // VARIANTS == task and t not in self.sleep]

    def add_all(self) -> None:
        """Explore whatever was possible here."""
        for transition in self.enabled:
            self.add(transition // VARIANTS)

    def has(self, transition: int) -> bool:
        """Is that explored from here, or was it elsewhere?"""
        return transition // VARIANTS in self.tried or transition in self.sleep

    def covers(self, footprints: list[Footprint]) -> bool:
        """Is a transition explored from here that commutes with steps that touch these?"""
        near = self.near or {}
        for transition in self.enabled:
            task = transition // VARIANTS
            if task not in self.tried or transition in self.sleep or transition == self.chosen:
                continue
            touched = self.done.get(transition)
            if touched is None and transition % VARIANTS < BLOCK:
                touched = near.get(task)
            if touched is not None and all(independent(touched, one) for one in footprints):
                return True
        return False

    def add_one(self, transitions: list[int], steps: list[int]) -> None:
        """Have one of some transitions explored from here, or everything if none is possible.

        Args:
            transitions: those that could come first.
            steps: what is to be made then, in this order.
        """
        if any(self.has(transition) for transition in transitions):
            return
        for transition in transitions:
            task = transition // VARIANTS
            if self.offers(task):
                self.add(task)
                if transition in steps:
                    steps.remove(transition)
                self.guides[transition] = steps
                return
        self.add_all()
