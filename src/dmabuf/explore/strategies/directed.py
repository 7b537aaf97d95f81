"""Directed walks: random, but tasks are held back where they have to meet.

P. Joshi, C.-S. Park, K. Sen, M. Naik, "A randomized dynamic program analysis technique for
detecting real deadlocks", PLDI 2009. A prediction says which steps would have to be under way at
once. A task that is about to make one of them is held back while any other task can move, so that
the others come to theirs. When nobody else can move, one that is held back goes on: either all are
where they were to meet, or this walk does not get there.

Differs from the paper: in every second walk a task is let through one time in four, because the
first of several passes through the same line is not always the one that matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dmabuf.explore.strategies.dfs import Node
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.explore.strategies.uniform import Uniform
from dmabuf.rt.strategy import VARIANTS, Footprint

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Directed", "HeldBack"]

HeldBack = Callable[["ExploredTask"], bool]
"""Is this task about to make one of the steps that have to be under way at once?"""

_LET_THROUGH = 0.25


class Directed(Uniform):
    """Walks towards a meeting; there is always one more.

    Args:
        held_back: which tasks are where they were to meet; asked before each step.
        setup: as `Uniform` takes it.
    """

    name = "directed"

    def __init__(self, held_back: HeldBack, setup: Setup = PLAIN) -> None:
        self.held_back = held_back
        self._decided: dict[int, bool] = {}
        super().__init__(setup)

    def start_walk(self) -> None:
        """Nobody stands anywhere yet."""
        super().start_walk()
        self._decided = {}

    def _extend(self, enabled: list[int], runtime: Tasks) -> int:
        free = [one for one in enabled if not self._waits(runtime.by_number[one // VARIANTS])]
        chosen = self.one_of(free or enabled)
        self.path.append(Node(chosen, [], {}))
        return chosen

    def _waits(self, task: ExploredTask) -> bool:
        """Decided once for each step that a task is about to make."""
        if task.number not in self._decided:
            let_through = self.walk % 2 and self._chance.random() < _LET_THROUGH
            self._decided[task.number] = self.held_back(task) and not let_through
        return self._decided[task.number]

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """It stands elsewhere now; what it holds may be what others were to wait for."""
        super().executed(transition, task, footprint)
        self._decided.pop(task.number, None)
