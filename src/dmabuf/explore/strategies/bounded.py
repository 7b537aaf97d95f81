"""Source-DPOR's races, within a number of preemptions: for designs with too many schedules.

A preemption is a switch away from a task that could have gone on. Most mistakes need two at most
(M. Musuvathi, S. Qadeer, "Iterative Context Bounding", 2007). A bound spoils what reductions rest
on: that a schedule stands for all orders of its independent steps, as some of these have more
preemptions. So each race asks for a branch not only just before its earlier step but also where
that step's task began to run, where a switch costs nothing (K. Coons, M. Musuvathi, K. McKinley,
"Bounded Partial-Order Reduction", 2013: conservative backtrack points); there every task is tried,
and nothing sleeps. Exhausting it is no proof.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmabuf.explore.strategies.choice import Choice
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.explore.strategies.wakeup import Planned
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

Footprint = tuple[int, ...]

__all__ = ["PREEMPTIONS", "Bounded"]

PREEMPTIONS = 2
"""As many as are allowed."""


class _Within(Choice):
    """A state from which only such transitions are explored as the bound allows.

    Attributes:
        running: the task that ran until here; -1 at the start.
        left: preemptions that may still be made.
        began: where `running` began to run, if it goes on; else this state.
    """

    __slots__ = ("began", "left", "running")

    def __init__(
        self, chosen: int, enabled: list[int], tasks: int, running: int, left: int
    ) -> None:
        task = chosen // VARIANTS
        todo = [t for t in enabled if t // VARIANTS == task and t != chosen]
        super().__init__(chosen, todo, {}, enabled, tasks)
        self.running = running
        self.left = left
        self.began: _Within = self

    def price(self, task: int) -> int:
        """Is it a preemption to go on with that task?"""
        return int(task != self.running and self.offers(self.running))

    def _add_each(self) -> None:
        for transition in self.enabled:
            task = transition // VARIANTS
            if self.price(task) <= self.left:
                Choice.add(self, task)

    def add(self, task: int) -> None:
        """Explore what is possible here, and where the task that made the step began to run."""
        del task
        self._add_each()
        self.began._add_each()

    def add_one(self, transitions: list[int], steps: list[Planned]) -> None:
        """The same: which of them keeps to the bound cannot be told."""
        del transitions, steps
        self.add(-1)

    def insert(self, steps: list[Planned]) -> list[Footprint]:
        """The same."""
        del steps
        self.add(-1)
        return []

    def has(self, transition: int) -> bool:
        """Nothing is explored instead of something else."""
        del transition
        return False

    def covers(self, footprints: list[Footprint]) -> bool:
        """Nothing is."""
        del footprints
        return False

    def add_all(self) -> None:
        """The same."""
        self.add(-1)


class Bounded(SourceSets):
    """The strategy; see `DepthFirst` for its arguments and attributes.

    Args:
        most: so many preemptions.
    """

    def __init__(self, setup: Setup = PLAIN, *, most: int = PREEMPTIONS) -> None:
        super().__init__(replace(setup, sleep=False))
        self.most = most
        self.bound = f"at most {most} preemption{'s' * (most != 1)} in one execution"

    def _extend(self, enabled: list[int], runtime: Tasks) -> int:
        previous = self.path[-1] if self.path else None
        running, left = -1, self.most
        if isinstance(previous, _Within):
            running = previous.chosen // VARIANTS
            left = previous.left - previous.price(running)
        awake = enabled[:]
        self._order(awake, previous)
        chosen = next((t for t in awake if t // VARIANTS == running), awake[0])
        node = _Within(chosen, enabled, len(runtime.tasks), running, left)
        self.path.append(node)
        return chosen

    def pick(self, runtime: Tasks) -> int:
        """As `SourceSets`; also note where the task that makes the step began to run."""
        chosen = super().pick(runtime)
        if chosen >= 0 and self._depth >= self.replayed - 1:
            node = self.path[self._depth]
            assert isinstance(node, _Within)
            before = self.path[self._depth - 1] if self._depth else None
            goes_on = isinstance(before, _Within) and node.running == chosen // VARIANTS
            node.began = before.began if goes_on and isinstance(before, _Within) else node
        return chosen
