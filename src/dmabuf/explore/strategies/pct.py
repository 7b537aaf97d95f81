"""Probabilistic concurrency testing: random priorities, and a few points where they change.

S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, "A Randomized Scheduler with Probabilistic
Guarantees of Finding Bugs", ASPLOS 2010. Always the task of the highest priority moves; at d - 1
steps picked in advance the task that was about to move gets the lowest priority there is. A bug
that needs d orders between steps is found by one run with probability 1 / (n * k ** (d - 1)) at
least, for n tasks and k steps.

Two things differ from the paper. Its number of steps k is given; here it is the longest run so far.
And a wait that may time out has a priority of its own for the timeout, so that a timeout can also
be late; else a task of high priority would never wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.strategies.dfs import Node
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.explore.strategies.uniform import Uniform
from dmabuf.rt.strategy import INTERRUPT, VARIANTS

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["Pct"]

_SHORTEST = 8
"""The length that the first run is expected to have."""


class Pct(Uniform):
    """Runs of random priorities, of bug depth `depth`; there is always one more.

    Args:
        setup: as `Uniform` takes it.
        depth: how many orders between steps a bug may need.
    """

    name = "pct"

    def __init__(self, setup: Setup = PLAIN, *, depth: int = 3) -> None:
        if depth < 1:
            raise ValueError(f"a bug has a depth of 1 or more, not {depth}")
        self.depth = depth
        self.longest = _SHORTEST
        super().__init__(setup)

    def start_walk(self) -> None:
        """Pick the run's points of change."""
        super().start_walk()
        self.longest = max(self.longest, len(self.path))
        self._priorities: dict[int, float] = {}
        points = [int(self._chance.random() * self.longest) for _ in range(self.depth - 1)]
        self._lowered = {point: -1.0 - rank for rank, point in enumerate(points)}

    def _extend(self, enabled: list[int], _runtime: Tasks) -> int:
        first = self._first(enabled)
        lowered = self._lowered.pop(self._depth, None)
        if lowered is not None:
            self._priorities[first] = lowered
            first = self._first(enabled)
        ways = [transition for transition in enabled if _who(transition) == first]
        chosen = self.one_of(ways) if len(ways) > 1 else ways[0]
        self.path.append(Node(chosen, [], {}))
        return chosen

    def _first(self, enabled: list[int]) -> int:
        """The one of the highest priority; newcomers draw theirs."""
        priorities = self._priorities
        for transition in enabled:
            who = _who(transition)
            if who not in priorities:
                priorities[who] = self._chance.random()
        return max((_who(transition) for transition in enabled), key=priorities.__getitem__)

    def backtrack(self) -> bool:
        """Begin the next run; how long this one was is remembered."""
        self.longest = max(self.longest, len(self.path))
        return super().backtrack()


def _who(transition: int) -> int:
    """What has a priority: a task, and apart from it the ways in which its waits are given up."""
    task, variant = divmod(transition, VARIANTS)
    return task * 2 + (variant >= INTERRUPT)
