"""Random walks: at every state one of the possible transitions, each as likely as the others.

A walk proves nothing. It finds what is frequent among schedules within a few runs, also in designs
whose schedules are too many to exhaust. The n-th walk is a function of the seed and n alone, on
every Python: only `random.Random.random` is used, whose sequence is a documented promise.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from dmabuf.explore.strategies.dfs import DepthFirst, Node
from dmabuf.explore.strategies.setup import PLAIN, Setup

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["Uniform"]


class Uniform(DepthFirst):
    """Executions without memory of one another; there is always one more.

    Args:
        setup: `seed` of the walks, and the rest as `DepthFirst` takes it.
    """

    name = "random"

    def __init__(self, setup: Setup = PLAIN) -> None:
        super().__init__(replace(setup, sleep=False))
        self.walk = 0
        self.start_walk()

    def start_walk(self) -> None:
        """Prepare the walk of that number."""
        self._chance = random.Random(f"{self.name}:{self.seed}:{self.walk}")

    def one_of(self, transitions: list[int]) -> int:
        """Any of them."""
        return transitions[int(self._chance.random() * len(transitions))]

    def _extend(self, enabled: list[int], _runtime: Tasks) -> int:
        chosen = self.one_of(enabled)
        self.path.append(Node(chosen, [], {}))
        return chosen

    def backtrack(self) -> bool:
        """Forget this walk and begin the next one."""
        self.path.clear()
        self.walk += 1
        self.start_walk()
        return True
