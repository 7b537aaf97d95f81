"""The least way to show a run for ever: few tasks, ordinary outcomes, few steps, few switches.

In this order, as for schedules that end (`explanations.minimise`). First the part of the graph in
which the run stays is made smaller: without the steps of one task after the other, then without
choices, timeouts and interrupts, as long as a fair part is left in which the same is wrong. Then
the cheapest way there and round is found (E. Dijkstra, 1959), from whichever state of the part
makes both together cheapest; the way there does without other tasks where it can.

The limit is a number of places that are looked at, so the answer is the same on every machine.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection
from typing import TypeVar

from dmabuf.explore.lassos.components import Arrows, fair_parts
from dmabuf.explore.lassos.facts import Facts, Wrong
from dmabuf.rt.strategy import VARIANTS

Cost = tuple[int, int, int]
"""Steps that are not ordinary, all steps, switches."""

P = TypeVar("P")

__all__ = ["MAX_PLACES", "Least", "always_wrong", "mover", "movers"]

MAX_PLACES = 20_000
"""Ways round are looked for no further than this, for all starts together."""

MAX_STARTS = 40
"""States of a part that a way round is tried from, those that are come by most cheaply first."""

_Place = tuple[int, frozenset[int], frozenset[int], int]
"""A state, who has moved since the start, who has to, and who moved last."""


def mover(step: int) -> int:
    """The number of the task whose step it is."""
    return step // VARIANTS


def _is_of(task: int, step: int) -> bool:
    return mover(step) == task


def movers(part: Collection[int], arrows: Arrows) -> frozenset[int]:
    """Who makes steps inside a part."""
    return frozenset(mover(step) for state in part for step, _to in arrows.inside(state, part))


def always_wrong(part: Collection[int], facts: list[Facts]) -> frozenset[Wrong]:
    """What is wrong in every state of a part."""
    found: set[Wrong] = set(facts[min(part)].wrong)
    for state in part:
        found.intersection_update(facts[state].wrong)
    return frozenset(found)


class Least:
    """Finds the least lasso of parts of one graph.

    Args:
        facts: of each state.
        arrows: all steps.
    """

    def __init__(self, facts: list[Facts], arrows: Arrows) -> None:
        self.facts = facts
        self.arrows = arrows
        self.distance = _distances(arrows)
        self.tasks = {mover(step) for edges in arrows.out.values() for step, _to in edges}

    def distance_to(self, part: Collection[int]) -> tuple[int, int]:
        """How many steps it is to the nearest state of a part, and which that is."""
        return min((self.distance[state], state) for state in part)

    def _must(self, state: int) -> tuple[int, ...]:
        return self.facts[state].must

    # -- a smaller part ------------------------------------------------------------------------

    def part(self, part: frozenset[int]) -> tuple[frozenset[int], Arrows]:
        """A part inside it that needs fewer tasks and choices, with the steps that are left."""
        wrong = always_wrong(part, self.facts)
        arrows = Arrows({state: list(self.arrows.inside(state, part)) for state in part})
        for task in sorted(movers(part, arrows)):
            part, arrows = self._without(part, arrows, wrong, functools.partial(_is_of, task))
        odd = {step for state in part for step, _to in arrows.out[state] if step % VARIANTS}
        part, arrows = self._without(part, arrows, wrong, odd.__contains__)
        for one in sorted(odd):
            part, arrows = self._without(part, arrows, wrong, one.__eq__)
        return part, arrows

    def _without(
        self,
        part: frozenset[int],
        arrows: Arrows,
        wrong: frozenset[Wrong],
        dropped: Callable[[int], bool],
    ) -> tuple[frozenset[int], Arrows]:
        """The same without some steps, if a fair part with the same wrong is left."""
        fewer = {
            state: [edge for edge in arrows.inside(state, part) if not dropped(edge[0])]
            for state in part
        }
        left = Arrows(fewer)
        if sum(map(len, fewer.values())) == sum(1 for s in part for _ in arrows.inside(s, part)):
            return part, arrows
        found = [
            one
            for one in fair_parts(part, left, self._must, mover)
            if always_wrong(one, self.facts) == wrong
        ]
        if not found:
            return part, arrows
        best = min(found, key=self.distance_to)
        return best, Arrows({state: list(left.inside(state, best)) for state in best})

    # -- the way there and round ---------------------------------------------------------------

    def lasso(
        self, part: frozenset[int], arrows: Arrows
    ) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Steps that lead to a part, and a turn in it in which all move who have to.

        None where the ways round are too many to be looked through.
        """
        stems = self._stems(part, movers(part, arrows))
        nearest = sorted((cost, state) for state, (cost, _steps) in stems.items())
        best: tuple[Cost, tuple[int, ...], tuple[int, ...]] | None = None
        left = MAX_PLACES
        for cost, start in nearest[:MAX_STARTS]:
            if best is not None and _plus(cost, 1) >= best[0]:
                break
            found, left = self._turn(start, part, arrows, left)
            if found is None:
                continue
            total = (cost[0] + found[0][0], cost[1] + found[0][1], cost[2] + found[0][2])
            if best is None or total < best[0]:
                best = total, stems[start][1], found[1]
        return None if best is None else best[1:]

    def _stems(
        self, part: frozenset[int], needed: frozenset[int]
    ) -> dict[int, tuple[Cost, tuple[int, ...]]]:
        """The cheapest ways to states of a part, by as few other tasks as possible."""
        tasks = set(self.tasks)
        for task in sorted(tasks - needed):
            if self._reaches(part, tasks - {task}):
                tasks.discard(task)
        return self._cheapest(part, tasks)

    def _reaches(self, part: frozenset[int], tasks: Collection[int]) -> bool:
        reached, waiting = {0}, [0]
        while waiting:
            state = waiting.pop()
            if state in part:
                return True
            for step, to in self.arrows.out.get(state, ()):
                if mover(step) in tasks and to not in reached:
                    reached.add(to)
                    waiting.append(to)
        return False

    def _cheapest(
        self, part: frozenset[int], tasks: Collection[int]
    ) -> dict[int, tuple[Cost, tuple[int, ...]]]:
        came: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {}
        heap: list[tuple[Cost, int, int, tuple[tuple[int, int], int] | None]] = []
        heapq.heappush(heap, ((0, 0, 0), 0, -1, None))
        found: dict[int, tuple[Cost, tuple[int, ...]]] = {}
        while heap:
            cost, state, last, before = heapq.heappop(heap)
            here = state, last
            if here in came:
                continue
            came[here] = before
            if state in part and state not in found:
                found[state] = cost, _steps_to(here, came)
            for step, to in self.arrows.out.get(state, ()):
                if mover(step) in tasks and (to, mover(step)) not in came:
                    entry = (_with(cost, step, last), to, mover(step), (here, step))
                    heapq.heappush(heap, entry)
        return found

    def _turn(
        self, start: int, part: frozenset[int], arrows: Arrows, left: int
    ) -> tuple[tuple[Cost, tuple[int, ...]] | None, int]:
        """The cheapest turn from a state back to it, and how many places may still be looked at."""
        count = itertools.count()
        first: _Place = (start, frozenset(), frozenset(self._must(start)), -1)
        came: dict[_Place, tuple[_Place, int] | None] = {}
        heap: list[tuple[Cost, int, _Place, tuple[_Place, int] | None]] = []
        heapq.heappush(heap, ((0, 0, 0), next(count), first, None))
        while heap and left > 0:
            cost, _n, place, before = heapq.heappop(heap)
            if place in came:
                continue
            came[place] = before
            left -= 1
            state, moved, needed, last = place
            if before is not None and state == start and needed <= moved:
                return (cost, _steps_to(place, came)), left
            for step, to in arrows.inside(state, part):
                following: _Place = (
                    to,
                    moved | {mover(step)},
                    needed.union(self._must(to)),
                    mover(step),
                )
                if following not in came:
                    entry = (_with(cost, step, last), next(count), following, (place, step))
                    heapq.heappush(heap, entry)
        return None, left


def _distances(arrows: Arrows) -> dict[int, int]:
    """How many steps each state is from the start."""
    found, waiting = {0: 0}, deque([0])
    while waiting:
        state = waiting.popleft()
        for _step, to in arrows.out.get(state, ()):
            if to not in found:
                found[to] = found[state] + 1
                waiting.append(to)
    return found


def _with(cost: Cost, step: int, last: int) -> Cost:
    odd, steps, switches = cost
    return odd + bool(step % VARIANTS), steps + 1, switches + (last not in (-1, mover(step)))


def _plus(cost: Cost, steps: int) -> Cost:
    return cost[0], cost[1] + steps, cost[2]


def _steps_to(place: P, came: dict[P, tuple[P, int] | None]) -> tuple[int, ...]:
    found: list[int] = []
    before = came[place]
    while before is not None:
        place, step = before
        found.append(step)
        before = came[place]
    return tuple(reversed(found))
