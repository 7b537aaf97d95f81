"""Source-DPOR: only such branches as a race in an execution that was run calls for.

After each execution its races are looked for: two steps of different tasks of which the later
could have come first, and it matters. Each race asks that the later step, or something that leads
to it, be tried before the earlier one (P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, "Source
Sets: A Foundation for Optimal Dynamic Partial Order Reduction", 2017). Sleep sets see to it that
no class of executions is completed twice.

Unlike `DepthFirst` it does not visit every state. What follows from that, and why steps that are
blocked take part in races, is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dmabuf.explore.strategies.choice import HALTS, Choice
from dmabuf.explore.strategies.dfs import DepthFirst
from dmabuf.explore.strategies.expiries import Expiries
from dmabuf.explore.strategies.races import Races
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.explore.strategies.stops import Rests
from dmabuf.explore.strategies.wakeup import Tree
from dmabuf.explore.strategies.watch import Watches, has_ways, owned_by, takes_a_cpu
from dmabuf.rt.api import READ, WRITE
from dmabuf.rt.strategy import BLOCK, VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.strategies.dfs import Node
    from dmabuf.rt.tasks import Tasks

__all__ = ["SourceSets"]

Footprint = tuple[int, ...]
_NONE: frozenset[int] = frozenset()


class SourceSets(DepthFirst):
    """The strategy; see `DepthFirst` for its arguments and attributes.

    `ended` has to be called at the end of each execution, before its tasks are unwound.
    """

    def __init__(self, setup: Setup = PLAIN) -> None:
        super().__init__(setup)
        self._choices = cast("list[Choice]", self.path)
        self._watches = Watches()
        self._races = Races(self._choices, self._watches)
        self._stops = Rests()
        self._expiries = Expiries()
        self._guide: Tree | None = None

    @property
    def rests(self) -> list[list[Node]]:
        """Steps to states where tasks may have stopped, or time not passed, still to be visited."""
        return self._stops.to_visit or self._expiries.to_visit

    def _extend(self, enabled: list[int], runtime: Tasks) -> int:
        previous = self.path[-1] if self.path else None
        sleep = self._inherited(previous) if previous is not None else {}
        awake = [t for t in enabled if t not in sleep] if sleep else enabled[:]
        if not awake:
            return self._last_step(enabled, sleep, len(runtime.tasks))
        if len(awake) > 1:
            self._order(awake, previous)
        guide = self._guide
        chosen = awake[0]
        node = Choice(chosen, [], sleep, enabled, len(runtime.tasks))
        node.strong = self._strong(sleep)
        node.starts_at = self._watches.starts(runtime, enabled)
        if guide is not None and guide.branches:
            node.tried.clear()
            return self._follow(guide, awake, node)
        self._guide = None
        task = chosen // VARIANTS
        todo = [t for t in awake if t // VARIANTS == task and t != chosen]
        if chosen in node.starts_at:
            node.dropped = frozenset(todo)
        else:
            node.todo = todo
        self.path.append(node)
        return chosen

    def _strong(self, sleep: dict[int, Footprint]) -> frozenset[int]:
        """What sleeps in a new state, and stands for all that it commutes with."""
        if not sleep:
            return _NONE
        previous = self._choices[-1]
        if not previous.strong and not previous.done:
            return _NONE
        return frozenset(
            one
            for one in sleep
            if one in previous.strong or (one in previous.done and previous.stands_for(one))
        )

    def _follow(self, guide: Tree, awake: list[int], node: Choice) -> int:
        """The first step of those that races have asked for; any if none of them is possible."""
        for wanted, following in guide.branches.items():
            if wanted not in awake:
                continue
            node.add_way(wanted)
            node.guide(wanted, following)
        if not node.todo:
            self._guide = None
            chosen = self._instead(guide, awake)
            node.add_way(chosen)
            node.todo.remove(chosen)
        else:
            chosen = next(one for one in guide.branches if one in node.todo)
            node.todo.remove(chosen)
            self._guide = node.take_guide(chosen)
        node.chosen = chosen
        self.path.append(node)
        return chosen

    @staticmethod
    def _instead(guide: Tree, awake: list[int]) -> int:
        """Another way of a step that was asked for, or just any."""
        for wanted in guide.branches:
            for one in awake:
                if one // VARIANTS == wanted // VARIANTS:
                    return one
        return awake[0]

    def _last_step(self, enabled: list[int], sleep: dict[int, Footprint], tasks: int) -> int:
        """Everything sleeps; what sleeps as it ends the execution does so here, at last."""
        chosen = next((one for one in enabled if sleep[one][-1:] == HALTS), -1)
        if chosen < 0:
            self.fell_asleep = True
        else:
            self.path.append(Choice(chosen, [], sleep, enabled, tasks))
        return chosen

    def pick(self, runtime: Tasks) -> int:
        """As `DepthFirst`; also note what decides whether the step is possible."""
        chosen = super().pick(runtime)
        if self._depth >= self.replayed - 1:
            if chosen >= 0:
                self._note_watch(runtime, chosen)
            if runtime.cpus.taken_away:
                self._note_doors(runtime, chosen)
        return chosen

    def _note_watch(self, runtime: Tasks, chosen: int) -> None:
        node = self._choices[self._depth]
        watches = self._watches
        variant = chosen % VARIANTS
        task = runtime.by_number[chosen // VARIANTS]
        op = task.op
        assert op is not None
        numbers = runtime.numbers
        node.obj = task.place
        node.access = op.access if op.touches is None else READ
        node.is_plain = op.touches is None and chosen % VARIANTS < BLOCK
        node.asked = watches.guards(task)
        node.closed = watches.closed(node.asked, task, runtime) if node.asked else ()
        node.taken = watches.taken(task, runtime)
        node.is_bound = op.starts and task.cpu is not None
        if task.held:
            node.owned = owned_by(task, numbers)
        node.watch = watches.of(task, runtime)
        node.guard = watches.guard(task)
        node.decides = node.obj if op.waits_on is None else numbers[id(op.awaited(task.obj))] << 1
        node.other = node.watch.other_way(variant)
        node.ways = watches.other_ways(task, runtime, variant) if has_ways(task) else ()
        node.opened = node.shut = ()
        node.starts = takes_a_cpu(task)
        node.entered = chosen % VARIANTS - 1 if node.starts else -1
        node.ordinal = task.ordinal
        node.own = task.own | WRITE
        node.may_stop = runtime.some_may_stop and task.may_stop
        node.near = watches.near(runtime, node.enabled, task) if len(node.enabled) > 1 else None

    def _note_doors(self, runtime: Tasks, chosen: int) -> None:
        """Note where handlers may start, and how the last new step changed that."""
        doors = runtime.cpus.doors(runtime.tasks)
        if self._depth > max(self.replayed - 1, 0):
            last = self._choices[self._depth - 1]
            door = (runtime.cpus.doors_number << 1 | READ,)
            last.opened = door if doors - last.doors else ()
            last.shut = door if last.doors - doors else ()
            others = any(one // 2 != last.ordinal for one in doors ^ last.doors)
            last.door, last.left_open = -1, ()
            if not others:
                mover = runtime.by_number[last.chosen // VARIANTS]
                last.door = runtime.cpus.number(runtime.cpus.of(mover)) << 1 | WRITE
                if any(one // 2 == last.ordinal for one in doors):
                    last.left_open = door
        if chosen >= 0:
            self._choices[self._depth].doors = doors

    def ended(self, runtime: Tasks) -> None:
        """The execution has ended: look for the races of its new steps and blocked tasks."""
        if self.diverged is not None or self._depth < self.replayed or not self.path:
            return
        halted = self.was_cut or bool(runtime.reports) or runtime.failure is not None
        last = len(self.path) - 1
        races = self._races
        races.preemption = runtime.cpus.preemption
        new = len(races.pasts)
        for index in range(new, last + 1):
            races.from_step(index, halts=halted and index == last)
        if halted:
            self._choices[last].add_all()
            self._choices[last].halts = not self.was_cut
        races.from_waiting(runtime, halted=halted)
        self._stops.find(self._choices, races.pasts, new)
        if not self.was_cut:  # else this search proves nothing
            self._expiries.find_in(self._choices, races.pasts, new, runtime)

    def backtrack(self) -> bool:
        """Move to the next execution; False when all have been run."""
        path = self._choices
        while path:
            node = path[-1]
            self._races.forget(node)
            node.done[node.chosen] = node.footprint + HALTS if node.halts else node.footprint
            node.halts = False
            if node.dropped and not node.todo:
                node.take_up_rest()
            if node.todo:
                node.chosen = node.todo.pop(0)
                self._guide = node.take_guide(node.chosen)
                node.rank += 1
                return True
            path.pop()
        return False
