"""Runs that never end: what goes wrong in them, found as a way to a cycle of states.

A stateful search knows all states and steps of a design (`strategies.graph`). A run for ever comes
back to some states again and again; it counts if it is fair (`components`). It is wrong if all the
while a known fence is pending, a task is on that owes an end, or a property is not met. A cycle is
found for each such thing, then gone round in a run (`turns`), which decides what is really so.

Which tasks have to go on, and what only looks like a livelock (time that does not pass), is told
in docs/design/0010-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmabuf.explore.lassos.components import Arrows, Edge, fair_parts, parts, way
from dmabuf.explore.lassos.facts import Facts, Wrong
from dmabuf.explore.lassos.least import Least, always_wrong, mover, movers

if TYPE_CHECKING:
    from dmabuf.explore.strategies.graph import Graph

__all__ = ["Lasso", "States", "lassos"]

MAX_LASSOS = 60
"""More cycles than this are not told one by one."""


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
    least = Least(states.facts, states.arrows)
    circling = set[int]().union(*parts(range(len(states.facts)), states.arrows))
    wrongs = sorted({one for state in circling for one in states.facts[state].wrong}, key=repr)
    seen: set[tuple[frozenset[Wrong], frozenset[int]]] = set()
    for wrong in wrongs:
        where = {state for state in circling if wrong in states.facts[state].wrong}
        wholes = fair_parts(where, states.arrows, states.must, mover)
        for whole in sorted(wholes, key=least.distance_to):
            part, arrows = least.part(whole)
            kind = always_wrong(part, states.facts), movers(part, arrows)
            if kind not in seen and len(seen) < MAX_LASSOS:
                seen.add(kind)
                yield _lasso(part, states, least, arrows)


def _by(task: int) -> Callable[[Edge], bool]:
    return lambda edge: mover(edge[1]) == task


def _lasso(part: frozenset[int], states: States, least: Least, arrows: Arrows) -> Lasso:
    """The least way there and round; where there are too many a short one."""
    wrong = always_wrong(part, states.facts)
    found = least.lasso(part, arrows)
    if found is not None:
        return Lasso(*found, wrong)
    start = min(part)
    turn = _any_turn(start, part, states)
    return Lasso(tuple(states.stem(start)), tuple(step for _state, step, _to in turn), wrong)


def _any_turn(start: int, part: frozenset[int], states: States) -> list[Edge]:
    arrows = states.arrows
    turn = way(start, part, arrows, lambda edge: edge[2] == start)
    while True:
        moved = {mover(step) for _state, step, _to in turn}
        missing = {t for state, _step, _to in turn for t in states.must(state)} - moved
        if not missing:
            return turn
        there = way(start, part, arrows, _by(min(missing)))
        turn += there
        if there[-1][2] != start:
            turn += way(there[-1][2], part, arrows, lambda edge: edge[2] == start)
