"""Where userspace and hardware may have stopped: the states of rest inside an execution.

An execution that was run stands for all orders of its independent steps, so also for every state
that is reached by some of its steps, namely those in which a task that may stop has stopped
early and so has whatever depends on it. A depth-first search comes by each of these states;
source-DPOR does not, and visits the ones that it has not been in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dmabuf.explore.strategies.dfs import Node, all_may_stop, is_timed
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmabuf.explore.strategies.choice import Choice
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Rests", "Visit", "rests"]

Footprint = tuple[int, ...]


def rests(pasts: list[int], stops: dict[int, list[int]], new: int) -> Iterator[int]:
    """Sets of steps after which nothing but tasks that may stop goes on, perhaps.

    Args:
        pasts: of each step, the steps that came before it and itself.
        stops: by task that may stop, the steps that it could have stopped before.
        new: the first step of which sets are wanted; those without such a step are known.
    """
    count = len(pasts)
    allowed = 0
    for steps in stops.values():
        for step in steps:
            allowed |= 1 << step
    seen: set[int] = set()
    for chosen in itertools.product(*([-1, *steps] for steps in stops.values())):
        start = sum(1 << step for step in chosen if step >= 0)
        left_out = sum(1 << step for step in range(count) if pasts[step] & start)
        if left_out in seen:
            continue
        seen.add(left_out)
        made = ((1 << count) - 1) & ~left_out
        first = [
            step
            for step in range(count)
            if left_out >> step & 1 and not pasts[step] & left_out & ~(1 << step)
        ]
        if made >> new and all(allowed >> step & 1 for step in first):
            yield made


class Rests:
    """The states of rest that executions stand for, each found once.

    Attributes:
        to_visit: the steps that lead to each that was not passed on the way.
    """

    def __init__(self) -> None:
        self.to_visit: list[list[Node]] = []
        self._seen: set[frozenset[int]] = set()
        self._names: dict[tuple[int, Footprint, frozenset[int]], int] = {}

    def find(self, path: list[Choice], pasts: list[int], new: int) -> None:
        """Note those that this execution stands for and none before it did.

        Args:
            path: of the execution.
            pasts: of each step, the steps that came before it and itself.
            new: the first step that was not in the execution before.
        """
        stops: dict[int, list[int]] = {}
        for index, node in enumerate(path):
            if node.may_stop:
                stops.setdefault(node.chosen // VARIANTS, []).append(index)
        if not stops:
            return
        self.note(path, pasts, rests(pasts, stops, new))

    def note(self, path: list[Choice], pasts: list[int], sets: Iterable[int]) -> None:
        """Note the states that some sets of the execution's steps lead to."""
        names = self._names_of(path, pasts)
        for made in sets:
            steps = [index for index in range(len(path)) if made >> index & 1]
            key = frozenset(names[index] for index in steps)
            if key not in self._seen:
                self._seen.add(key)
                if made & (made + 1):  # else it was passed on the way
                    self.to_visit.append([_copy(path[index]) for index in steps])

    def _names_of(self, path: list[Choice], pasts: list[int]) -> list[int]:
        """A number for each step of the path: equal where the step and all before it are."""
        names: list[int] = []
        for index, node in enumerate(path):
            past = frozenset(names[i] for i in range(index) if pasts[index] >> i & 1)
            key = (node.chosen, node.footprint, past)
            names.append(self._names.setdefault(key, len(self._names)))
        return names


def _copy(node: Node) -> Node:
    """A step as it was made; the node itself goes on to others."""
    copy = Node(node.chosen, [], {})
    copy.footprint = node.footprint
    copy.step = node.step
    copy.op, copy.number = node.op, node.number
    return copy


class Visit:
    """The strategy that makes some steps of an execution again and looks where they lead.

    Attributes:
        path: these steps.
        known: all of them may be made without asking, as long as they are what they were.
    """

    reads_frames = False

    def __init__(
        self,
        path: list[Node],
        at_rest: Callable[[Tasks, list[int]], object],
        at_wait: Callable[[Tasks, list[int]], object],
    ) -> None:
        self.path = path
        self.known = len(path)
        self.at_rest = at_rest
        self.at_wait = at_wait
        self.differs = False
        self._depth = 0

    def go_on_at(self, depth: int) -> None:
        """The runtime has made that many of them, and asks now."""
        self._depth = depth

    def pick(self, runtime: Tasks) -> int:
        """The next of the steps; after the last one, judge."""
        enabled = runtime.enabled()
        if self._depth < len(self.path):
            chosen = self.path[self._depth].chosen
            self.differs = chosen not in enabled
            return -1 if self.differs else chosen
        if all_may_stop(runtime, enabled):
            self.at_rest(runtime, enabled)
        elif is_timed(enabled):
            self.at_wait(runtime, enabled)
        return -1

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """It has to touch what it touched before."""
        del transition, task
        self.differs = self.differs or footprint != self.path[self._depth].footprint
        self._depth += 1
