"""Depth-first search by replay, with sleep sets.

After a transition has been explored from a state, it sleeps in the state's other branches until
a dependent one is made: so of each class of executions that differ only in the order of
independent steps exactly one runs to its end (P. Godefroid, "Partial-Order Methods for the
Verification of Concurrent Systems", 1996, chapter 5). Every reachable state is still visited.

With `sleep=False` this is the naive search that serves as an oracle.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.rt.known import Known, Picker
from dmabuf.rt.strategy import TIMEOUT, VARIANTS

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["DepthFirst", "Node", "all_may_stop", "is_timed"]

Footprint = tuple[int, ...]


class Node(Known):
    """A state on the present path: what was possible, what was made, what is left to try.

    `rank` counts the branches that were taken before the present one.
    """

    __slots__ = (
        "done",
        "rank",
        "sleep",
        "step",
        "todo",
    )

    def __init__(self, chosen: int, todo: list[int], sleep: dict[int, Footprint]) -> None:
        super().__init__(chosen)
        self.todo = todo
        self.sleep = sleep
        self.done: dict[int, Footprint] = {}
        self.rank = 0
        self.step: tuple[str, int] = ("", -1)


class DepthFirst(Picker):
    """The strategy; `backtrack` moves on to the next execution, False when there is none.

    Args:
        setup: what it is to do, and whom it tells.

    Attributes:
        path: the nodes of the present execution.
        replayed: how many of them were repeated from the execution before.
        known: how many the runtime may make without asking, as long as they are what they were.
        fell_asleep: the execution was abandoned, as an equivalent one was run before.
        was_cut: the execution reached the limit.
        diverged: (step number, expected, got) if a repeated step turned out different.
        bound: what all executions keep to, though not all schedules do; empty if nothing.
    """

    bound = ""
    reads_frames = False

    def __init__(self, setup: Setup = PLAIN) -> None:
        self.at_wait = setup.at_wait
        self.at_cut = setup.at_cut
        self.uses_sleep = setup.sleep
        self.seed = setup.seed
        self.limit = setup.limit
        self.at_rest = setup.at_rest
        self.path: list[Node] = []
        self.replayed = 0
        self.known = 0
        self.fell_asleep = False
        self.was_cut = False
        self.diverged: tuple[int, tuple[str, int], tuple[str, int]] | None = None
        self._depth = 0

    def begin(self, *, repeat: bool = False) -> None:
        """A new execution starts; with `repeat` it is to be the same as the one before."""
        self.replayed = len(self.path) + repeat
        self.known = max(self.replayed - 1, 0)
        self.fell_asleep = self.was_cut = False
        self._depth = 0

    def go_on_at(self, depth: int) -> None:
        """The runtime has made that many of the known steps, and asks now."""
        self._depth = depth

    def ended(self, runtime: Tasks) -> None:
        """The execution has ended; its tasks are still where they stood."""

    @property
    def is_complete(self) -> bool:
        """Did the last execution run to its end?"""
        return not self.fell_asleep and not self.was_cut

    def pick(self, runtime: Tasks) -> int:
        """The path's next transition, or a new one at its end; -1 ends the execution."""
        if self._depth < len(self.path):
            return self._repeat(runtime)
        enabled = runtime.enabled()
        if not enabled or (
            runtime.some_may_stop and runtime.by_number[enabled[0] // VARIANTS].may_stop
        ):
            if self.at_rest is not None and all_may_stop(runtime, enabled):
                self.at_rest(runtime, enabled)
            if not enabled:
                return -1
        if enabled[-1] % VARIANTS == TIMEOUT and self.at_wait is not None:
            self.at_wait(runtime, enabled)
        if self._depth >= self.limit:
            self.was_cut = True
            if self.at_cut is not None:
                self.at_cut(runtime, enabled)
            return -1
        return self._extend(enabled, runtime)

    def _repeat(self, runtime: Tasks) -> int:
        node = self.path[self._depth]
        task = runtime.by_number.get(node.chosen // VARIANTS)
        if self.diverged is not None:
            return -1
        if task is None or task.op is None:
            self.diverged = (self._depth, node.step, ("nothing", -1))
            return -1
        same = task.op.name == node.step[0] and task.op.guard(task.obj, task)
        if same or self._depth >= self.replayed - 1:
            return node.chosen
        return self._check_repeat(runtime, node, task)

    def _check_repeat(self, runtime: Tasks, node: Node, task: ExploredTask) -> int:
        if (
            node.chosen in runtime.enabled()
            and task.op is not None
            and task.op.name == node.step[0]
        ):
            return node.chosen
        got = task.op.name if task.op is not None else "nothing"
        self.diverged = (self._depth, node.step, (got, -1))
        return -1

    def _extend(self, enabled: list[int], _runtime: Tasks) -> int:
        previous = self.path[-1] if self.path else None
        sleep = self._inherited(previous) if previous is not None else {}
        todo = [transition for transition in enabled if transition not in sleep]
        if not todo:
            self.fell_asleep = True
            return -1
        self._order(todo, previous)
        chosen = todo.pop(0)
        self.path.append(Node(chosen, todo, sleep))
        return chosen

    def _inherited(self, node: Node) -> dict[int, Footprint]:
        """What sleeps after the node's transition: what slept or was done, and commutes."""
        if not self.uses_sleep or not (node.sleep or node.done):
            return {}
        mover = node.chosen // VARIANTS
        made = node.footprint
        return {
            transition: footprint
            for source in (node.sleep, node.done)
            for transition, footprint in source.items()
            if transition // VARIANTS != mover and independent(footprint, made)
        }

    def _order(self, todo: list[int], previous: Node | None) -> None:
        """First go on with the same task, so that the first finding has few switches."""
        if self.seed:
            random.Random(f"{self.seed}:{self._depth}").shuffle(todo)
        elif previous is not None and len(todo) > 1:
            same = previous.chosen // VARIANTS
            first = [transition for transition in todo if transition // VARIANTS == same]
            if first != todo[: len(first)]:
                todo[:] = first + [t for t in todo if t // VARIANTS != same]

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """Remember what the transition touched, or compare with what it did before."""
        depth = self._depth
        self._depth = depth + 1
        node = self.path[depth]
        op = task.op
        assert op is not None
        step = op.name, footprint[0] if footprint else -1
        if depth < self.known and self.diverged is None:
            if (node.footprint, node.step) != (footprint, step):
                self.diverged = (depth, node.step, step)
        elif transition % VARIANTS or task.options:
            node.op = None
        elif op.touches is None:
            node.op = op if len(footprint) == 1 else None
            node.number = footprint[0] >> 1
        else:
            node.op = op
            node.number = task.place >> 1
        node.footprint = footprint
        node.step = step

    def backtrack(self) -> bool:
        """Move to the next execution; False when all have been run."""
        path = self.path
        while path:
            node = path[-1]
            node.done[node.chosen] = node.footprint
            if node.todo:
                node.chosen = node.todo.pop(0)
                node.rank += 1
                return True
            path.pop()
        return False


def is_timed(enabled: list[int]) -> bool:
    """Is a timeout possible? They are the last of what is."""
    return bool(enabled) and enabled[-1] % VARIANTS == TIMEOUT


def all_may_stop(runtime: Tasks, enabled: list[int]) -> bool:
    """Could every task that can move stop here for ever?"""
    by_number = runtime.by_number
    return all(by_number[transition // VARIANTS].may_stop for transition in enabled)
