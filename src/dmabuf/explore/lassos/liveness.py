"""Runs that never end: what goes wrong in them, found as a way to a cycle of states.

A stateful search knows all states and steps of a design (`strategies.graph`). A run for ever comes
back to some states again and again; it counts if it is fair (`components`). It is wrong if all the
while a known fence is pending, a task is on that owes an end, or a property is not met. A cycle is
found for each such thing, then gone round in a run (`turns`), which decides what is really so.

Which tasks have to go on, and what only looks like a livelock (time that does not pass), is told
in docs/design/0010-states.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmabuf.explore.lassos.components import Arrows, Edge, fair_parts, parts, way
from dmabuf.explore.lassos.facts import Facts, Wrong
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.strategies.graph import Graph

__all__ = ["Lasso", "States", "lassos"]

MAX_LASSOS = 60
"""More cycles than this are not told one by one."""

MAX_PLACES = 20_000
"""The shortest turn is looked for no further than this."""

_Place = tuple[int, frozenset[int], frozenset[int]]
"""A state, who has moved on the way there, and who has to."""


@dataclass(frozen=True, slots=True)
class Lasso:
    """A fair run for ever: steps that lead to a cycle, and the steps of one turn."""

    stem: tuple[int, ...]
    turn: tuple[int, ...]
    wrong: frozenset[Wrong]


class States:
    """The whole graph of a search.

    Attributes:
        facts: of each state.
        arrows: the steps, also those that sleep sets spared.
    """

    def __init__(self, graph: Graph) -> None:
        self.facts: list[Facts] = [state.facts for state in graph.states]
        out: dict[int, list[tuple[int, int]]] = {}
        for number, state in enumerate(graph.states):
            ends = ((step, graph.edge(number, step)) for step in state.enabled)
            out[number] = [(step, to) for step, to in ends if to >= 0]
        self.arrows = Arrows(out)

    def must(self, state: int) -> tuple[int, ...]:
        """Tasks that have to go on at some time if they can again and again."""
        return self.facts[state].must

    def stem(self, to: int) -> list[int]:
        """The steps of a shortest way from the start."""
        if to == 0:
            return []
        edges = way(0, range(len(self.facts)), self.arrows, lambda edge: edge[2] == to)
        return [step for _state, step, _to in edges]


def lassos(graph: Graph) -> Iterator[Lasso]:
    """Fair runs for ever in which something is wrong all the while, each kind once."""
    if not graph.states:
        return
    states = States(graph)
    circling = set[int]().union(*parts(range(len(states.facts)), states.arrows))
    wrongs = sorted({one for state in circling for one in states.facts[state].wrong}, key=repr)
    seen: set[tuple[frozenset[Wrong], frozenset[int]]] = set()
    for wrong in wrongs:
        where = {state for state in circling if wrong in states.facts[state].wrong}
        for part in fair_parts(where, states.arrows, states.must, _mover):
            always = _always(part, states)
            movers = _movers(part, states.arrows)
            if (always, movers) not in seen and len(seen) < MAX_LASSOS:
                seen.add((always, movers))
                yield _lasso(part, states, always)


def _mover(step: int) -> int:
    return step // VARIANTS


def _movers(part: frozenset[int], arrows: Arrows) -> frozenset[int]:
    return frozenset(_mover(step) for state in part for step, _to in arrows.inside(state, part))


def _always(part: frozenset[int], states: States) -> frozenset[Wrong]:
    """What is wrong in every state of a part."""
    found: set[Wrong] = set(states.facts[min(part)].wrong)
    for state in part:
        found.intersection_update(states.facts[state].wrong)
    return frozenset(found)


def _by(task: int) -> Callable[[Edge], bool]:
    return lambda edge: _mover(edge[1]) == task


def _lasso(part: frozenset[int], states: States, wrong: frozenset[Wrong]) -> Lasso:
    """The shortest way there, and a short turn in which everybody moves who has to."""
    start = min(part)
    turn = _shortest_turn(start, part, states) or _any_turn(start, part, states)
    return Lasso(tuple(states.stem(start)), tuple(step for _state, step, _to in turn), wrong)


def _shortest_turn(start: int, part: frozenset[int], states: States) -> list[Edge]:
    """Breadth first over states with who has moved and who has to; empty if that is too much."""
    came: dict[_Place, tuple[_Place, Edge]] = {}
    none: frozenset[int] = frozenset()
    queue: deque[_Place] = deque([(start, none, frozenset(states.must(start)))])
    while queue and len(came) < MAX_PLACES:
        place = queue.popleft()
        state, moved, needed = place
        for step, to in states.arrows.inside(state, part):
            now = moved | {_mover(step)}
            following = (to, now, needed | frozenset(states.must(to)))
            if following in came:
                continue
            came[following] = place, (state, step, to)
            if to == start and following[2] <= now:
                return _back(following, came)
            queue.append(following)
    return []


def _back(place: _Place, came: dict[_Place, tuple[_Place, Edge]]) -> list[Edge]:
    found: list[Edge] = []
    while True:
        place, edge = came[place]
        found.append(edge)
        if not place[1]:  # nobody has moved: the beginning
            found.reverse()
            return found


def _any_turn(start: int, part: frozenset[int], states: States) -> list[Edge]:
    arrows = states.arrows
    turn = way(start, part, arrows, lambda edge: edge[2] == start)
    while True:
        moved = {_mover(step) for _state, step, _to in turn}
        missing = {t for state, _step, _to in turn for t in states.must(state)} - moved
        if not missing:
            return turn
        there = way(start, part, arrows, _by(min(missing)))
        turn += there
        if there[-1][2] != start:
            turn += way(there[-1][2], part, arrows, lambda edge: edge[2] == start)
