"""A state on the present path of source-DPOR, and what races need to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.dfs import Node
from dmabuf.explore.strategies.wakeup import Planned, Tree, begins, without
from dmabuf.explore.strategies.watch import NO_STARTS, NOTHING
from dmabuf.rt.strategy import BLOCK, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmabuf.explore.strategies.stands import Stand
    from dmabuf.explore.strategies.watch import Guard

__all__ = ["HALTS", "Choice"]

Footprint = tuple[int, ...]
HALTS: Final = (-2,)
"""In the footprint of what sleeps: it ended the execution. No object has that number."""
_NO_DOORS: frozenset[int] = frozenset()
_NOTHING: frozenset[int] = frozenset()


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
        guides: by transition that is to be tried, what is to follow it; None if there is none.
        starts_at: by transition that starts a handler on some CPU, what it would touch.
        dropped: starts of handlers in `tried` that are explored only if a race asks for them, or
            if in the end nothing stands for them.
        strong: what sleeps, and stands for all that it commutes with.
        soft: transitions explored here that do not, though they sleep later on.
        leans: by transition explored here, others that stand for what races with it ask for.
        obj: the object of the step that was made, as read.
        asked: guards of operations on it, and of what they ask.
        closed: those that were false on it just before, for every task or for one.
        taken: the CPU that its task had interrupted, as read, or where it had interrupts off, as
            changed; else -1.
        is_bound: it starts a handler that is bound to a CPU.
        ways: the watch of a step that could have gone another way later on.
        other: what it would have touched that way, if that can be told.
        doors: where handlers could start.
        entered: of the task whose CPU the step took for a handler, its ordinal; else -1.
        opened: the doors, as changed, if the step opened one.
        shut: the doors, as changed, if it closed one.
        door: the CPU of its task, as changed, if it changed no other doors; else -1.
        left_open: the doors, as changed, if it left open one of its task's and changed no others.
        stand: the place where its task stood, if that races with steps before it.
        stood: what its ways there depended on.
        relied: earlier steps that its step was to come before, how, and on what that was left.
        may_stop: its task could have stopped for ever instead.
        before: the index of the same task's step before; -1 if there is none.
        ordinal: of the task that made the step.
        own: that task, as it is changed by being spawned.
    """

    __slots__ = (
        "access",
        "asked",
        "before",
        "closed",
        "decides",
        "door",
        "doors",
        "dropped",
        "enabled",
        "entered",
        "guard",
        "guides",
        "halts",
        "is_bound",
        "is_plain",
        "leaned",
        "leans",
        "left_open",
        "may_stop",
        "near",
        "obj",
        "opened",
        "ordinal",
        "other",
        "own",
        "owned",
        "relied",
        "shut",
        "soft",
        "stand",
        "starts",
        "starts_at",
        "stood",
        "strong",
        "taken",
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
        self.tried = [chosen // VARIANTS]
        self.watch = NOTHING
        self.halts = False
        self.is_plain = False
        self.guides: dict[int, Tree] | None = None
        self.dropped: frozenset[int] = _NOTHING
        self.starts_at = NO_STARTS
        self.strong: frozenset[int] = _NOTHING
        self.soft: frozenset[int] = _NOTHING
        self.leans: dict[int, set[int]] | None = None
        self.ways: Footprint = ()
        self.other: Footprint | None = None
        self.doors = _NO_DOORS
        self.door = -1
        self.left_open: Footprint = ()
        self.leaned: Footprint = ()
        self.relied: tuple[tuple[int, int, Planned, Footprint], ...] = ()
        self.entered = -1
        self.starts = False
        self.opened: Footprint = ()
        self.shut: Footprint = ()
        self.guard: Guard | None = None
        self.decides = -1
        self.owned: Footprint = ()
        self.obj = -1
        self.access = 0
        self.stand: Stand | None = None
        self.stood: Footprint = ()
        self.asked: tuple[tuple[Guard, str], ...] = ()
        self.closed: Sequence[Guard | tuple[Guard, int]] = ()
        self.taken = -1
        self.is_bound = False
        self.may_stop = False
        self.near: dict[int, Footprint] | None = None
        self.before = -1
        self.ordinal = -1
        self.own = -1

    def offers(self, task: int) -> bool:
        """Could that task move?"""
        return any(transition // VARIANTS == task for transition in self.enabled)

    def opens_door_of(self, ordinal: int) -> bool:
        """Is it that task's own step before which no handler could start on its CPU?"""
        return ordinal == self.ordinal and not self.is_open_to_handlers(ordinal)

    def is_open_to_handlers(self, ordinal: int) -> bool:
        """Could a handler start on the CPU of the task with that ordinal?"""
        return 2 * ordinal in self.doors or 2 * ordinal + 1 in self.doors

    def lets_pass(self, task: int) -> bool:
        """Could that task make the step it stood at, and not just be woken out of it?"""
        first = task * VARIANTS
        return any(first <= transition < first + BLOCK for transition in self.enabled)

    def may_go_on(self, task: int) -> bool:
        """Could it only make the step it stood at, and is it known what that touches?

        The ways of a choice touch the same; those of a handler's start do not.
        """
        ways = [t for t in self.enabled if t // VARIANTS == task]
        plain = all(way % VARIANTS < BLOCK and way not in self.starts_at for way in ways)
        return plain and task in (self.near or {})

    def add(self, task: int) -> None:
        """Explore whatever that task could do from here, unless it sleeps."""
        if task not in self.tried:
            self.tried.append(task)
            ways = [t for t in self.enabled if t // VARIANTS == task and t not in self.sleep]
            self.todo.extend(ways)
        elif self.dropped:
            self.take_up([t for t in self.enabled if t // VARIANTS == task])

    def take_up(self, transitions: list[int]) -> None:
        """Explore those that were dropped, too."""
        for transition in transitions:
            if transition in self.dropped:
                self.dropped -= {transition}
                self.todo.append(transition)

    def add_way(self, transition: int) -> None:
        """Explore a transition; of a handler that may start elsewhere no more than that."""
        if transition not in self.starts_at:
            self.add(transition // VARIANTS)
        elif transition // VARIANTS in self.tried:
            self.take_up([transition])
        else:
            task = transition // VARIANTS
            self.tried.append(task)
            ways = {t for t in self.enabled if t // VARIANTS == task and t not in self.sleep}
            self.dropped |= ways
            self.take_up([transition])

    def take_up_rest(self) -> None:
        """Explore, at last, those starts that nothing stands for which is explored or sleeps."""
        self.take_up([one for one in self.dropped if not self._is_stood_for(self.starts_at[one])])

    def _is_stood_for(self, touched: Footprint) -> bool:
        """Does something stand for a transition that touches that?"""
        if self.is_left_to_sleepers(touched):
            return True
        return any(
            footprint[-1:] != HALTS and independent(footprint, touched) and self.stands_for(one)
            for one, footprint in self.done.items()
        )

    def _would_touch(self, transition: int) -> Footprint | None:
        """What a transition touches that is explored from here; None if not known."""
        touched = self.done.get(transition, self.starts_at.get(transition))
        if touched is None and transition % VARIANTS < BLOCK:
            return (self.near or {}).get(transition // VARIANTS)
        return touched

    def add_all(self) -> None:
        """Explore whatever was possible here."""
        for transition in self.enabled:
            self.add(transition // VARIANTS)

    def has(self, transition: int) -> bool:
        """Is that explored from here, or was it elsewhere?"""
        return transition in self.sleep or self.explores(transition)

    def explores(self, transition: int) -> bool:
        """Is that explored from here, whatever else is?"""
        if transition in self.sleep or transition in self.dropped:
            return False
        return transition // VARIANTS in self.tried

    def is_left_to_sleepers(self, touched: Footprint) -> bool:
        """Does something that sleeps stand for a transition that touches that?"""
        return any(
            self.sleep[one][-1:] != HALTS and independent(self.sleep[one], touched)
            for one in self.strong
        )

    def soften(self) -> None:
        """The transition made here is not to stand for others where it sleeps."""
        self.soft |= {self.chosen}

    def stands_for(self, transition: int) -> bool:
        """Does it, explored from here, stand for all that it commutes with where it sleeps?"""
        seen = {transition}
        left = [transition]
        leans = self.leans or {}
        while left:
            one = left.pop()
            if one in self.soft:
                return False
            more = [y for y in leans.get(one, ()) if y in self.done and y not in seen]
            seen.update(more)
            left += more
        return True

    def covers(self, footprints: list[Footprint]) -> bool:
        """Is a transition explored from here that commutes with steps that touch these?"""
        for transition in self.enabled:
            if transition == self.chosen or not self.explores(transition):
                continue
            touched = self._would_touch(transition)
            if touched is not None and all(independent(touched, one) for one in footprints):
                return True
        return False

    def add_one(self, transitions: list[int], steps: list[Planned]) -> None:
        """Have one of some transitions explored from here, or everything if none is possible.

        Args:
            transitions: those that could come first.
            steps: what is to be made then, in this order.
        """
        if any(self.has(transition) for transition in transitions):
            return
        for transition in transitions:
            if self.offers(transition // VARIANTS):
                self._begin(transition, steps)
                return
        self.add_all()

    def _begin(self, transition: int, steps: list[Planned]) -> None:
        """Have a transition explored from here, and some steps made then."""
        self.add_way(transition)
        tree = Tree()
        tree.insert(without(transition, steps), [])
        self.guide(transition, tree)

    def guide(self, transition: int, tree: Tree) -> None:
        """Have some steps made after a transition."""
        if self.guides is None:
            self.guides = {}
        self.guides[transition] = tree

    def take_guide(self, transition: int) -> Tree | None:
        """What is to be made after a transition; from now on it is somebody else's."""
        return None if self.guides is None else self.guides.pop(transition, None)

    def insert(self, steps: list[Planned]) -> list[Footprint]:
        """Have a whole sequence explored that is possible here, unless something stands for it.

        Returns what transitions touch that stand for it, or begin it, and are not among its steps.
        """
        used: list[Footprint] = []
        if self._is_dealt_with(steps, used) or self._goes_below(steps, used):
            return used
        first = steps[0][0]
        if first in self.enabled:
            self._begin(first, steps)
            self._lean_on(first)
        else:
            self.soften()
            self.add_all()
        return used

    def _is_dealt_with(self, steps: list[Planned], used: list[Footprint]) -> bool:
        """Does something that was explored stand for a sequence?"""
        for one, footprint in self.done.items():
            if footprint[-1:] != HALTS and begins(one, footprint, steps):
                self._lean_on(one)
                used.append(footprint)
                return True
        for one, footprint in self.sleep.items():
            if begins(one, footprint, steps):
                if one in self.strong and footprint[-1:] != HALTS:
                    used.append(footprint)
                    return True
                if any(step[0] == one for step in steps):
                    self.soften()
                    return True
        return False

    def _goes_below(self, steps: list[Planned], used: list[Footprint]) -> bool:
        """Is a sequence explored below something that is explored next?"""
        for one in self.todo:
            touched = self._would_touch(one)
            could = begins(one, touched, steps)
            if could:
                self._lean_on(one)
                rest = without(one, steps)
                if len(rest) == len(steps) and touched is not None:
                    used.append(touched)
                tree = self.take_guide(one) or Tree()
                self.guide(one, tree)
                if not tree.insert(rest, used):
                    self.soften()
                return True
            if could is None:
                self.soften()
        return False

    def _lean_on(self, other: int) -> None:
        if self.leans is None:
            self.leans = {}
        self.leans.setdefault(self.chosen, set()).add(other)
