"""Source-DPOR below the first few states, which are explored in full.

What source-DPOR finds in one branch of a state decides which other branches it takes there, so
branches of one state cannot be left to workers that do not talk. Here all branches of the first few
states are taken, but for what sleeps: each path through them is a *stem*. Below a stem nothing can
be asked of a state on it, so stems are independent; sleep sets see to it that no class of
executions is completed below two of them. The price is some executions that fall asleep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from dmabuf.explore.again import check_known
from dmabuf.explore.jobs.parts import Made, made_of
from dmabuf.explore.strategies.choice import Choice
from dmabuf.explore.strategies.dfs import DepthFirst, Node
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.rt.strategy import VARIANTS
from dmabuf.rt.tasks import Tasks

if TYPE_CHECKING:
    from dmabuf.rt.carriers import Carrier
    from dmabuf.rt.explored_task import ExploredTask, Names

__all__ = ["BelowStem", "Stem", "stems_of"]

_DEEPEST = 24
Footprint = tuple[int, ...]


class Stem(NamedTuple):
    """The steps of a path, and what sleeps where it ends."""

    steps: tuple[Made, ...]
    sleep: dict[int, Footprint]


class Shallow(DepthFirst):
    """Depth-first search with sleep sets that looks no further than some depth."""

    def __init__(self, depth: int, seed: int) -> None:
        super().__init__(Setup(seed=seed))
        self.depth = depth

    def pick(self, runtime: Tasks) -> int:
        """As `DepthFirst`; -1 at the depth."""
        return -1 if self._depth >= self.depth else super().pick(runtime)

    def stem(self) -> Stem:
        """The path of the execution that has ended."""
        sleep = self._inherited(self.path[-1]) if self.path else {}
        return Stem(made_of(self.path), sleep)


def stems_of(
    body: Callable[[Tasks], object],
    *,
    count: int,
    seed: int,
    names: Names,
    carrier: Callable[[], Carrier],
) -> tuple[list[Stem], int]:
    """Stems of the least depth at which there are so many, and how many executions slept."""
    stems: list[Stem] = []
    asleep = 0
    for depth in range(1, _DEEPEST + 1):
        strategy = Shallow(depth, seed)
        stems, asleep = [], 0
        longest = 0
        while True:
            strategy.begin()
            rt = Tasks(strategy, names=names, carrier=carrier())
            rt.run(body)
            check_known(rt)
            if strategy.fell_asleep:
                asleep += 1
            else:
                stems.append(strategy.stem())
                longest = max(longest, len(strategy.path))
            if not strategy.backtrack():
                break
        if len(stems) >= count or longest < depth:
            break
    return stems, asleep


class BelowStem(SourceSets):
    """Source-DPOR that begins with a stem; see `DepthFirst` for the other arguments."""

    def __init__(self, stem: Stem, setup: Setup = PLAIN) -> None:
        super().__init__(setup)
        self._stem = stem.steps
        self._asleep_there = stem.sleep

    def _extend(self, enabled: list[int], runtime: Tasks) -> int:
        if self._depth >= len(self._stem):
            return super()._extend(enabled, runtime)
        made = self._stem[self._depth]
        if made.chosen not in enabled:
            self.diverged = (self._depth, made.step, ("nothing", -1))
            return -1
        node = Choice(made.chosen, [], {}, enabled, len(runtime.tasks))
        node.tried += [transition // VARIANTS for transition in enabled]
        node.rank = made.rank
        self.path.append(node)
        return made.chosen

    def _inherited(self, node: Node) -> dict[int, Footprint]:
        if len(self.path) == len(self._stem):
            return dict(self._asleep_there)
        return super()._inherited(node)

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """As `DepthFirst`; a step of the stem has to be what it was elsewhere."""
        depth = self._depth
        super().executed(transition, task, footprint)
        if depth < len(self._stem) and self.diverged is None:
            node, made = self.path[depth], self._stem[depth]
            if (node.footprint, node.step) != (made.footprint, made.step):
                self.diverged = (depth, made.step, node.step)
