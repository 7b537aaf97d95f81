"""Parts of a graph of states in which a fair run can stay for ever.

A run is fair to a task if the task, being able to go on again and again, goes on again and again:
whoever waits for a lock gets it in the end, as locks are handed over in order of arrival. A set of
states that lead to each other carries such a run if every task that can go on in one of its states
makes a step between two of them (strong fairness; E. Emerson, C. Lei, "Modalities for Model
Checking", 1987: states that spoil it are taken out and what is left is looked at anew).

    >>> turn = Arrows({0: [(7, 1)], 1: [(7, 0)], 2: [(8, 0)]})
    >>> fair_parts({0, 1, 2}, turn, lambda state: {7}, lambda step: step)
    [frozenset({0, 1})]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["Arrows", "Edge", "fair_parts", "parts", "way"]

Edge = tuple[int, int, int]
"""From, step, to."""


class Arrows:
    """The steps that lead out of each state."""

    def __init__(self, out: Mapping[int, list[tuple[int, int]]]) -> None:
        self.out = out

    def inside(self, state: int, states: Collection[int]) -> Iterable[tuple[int, int]]:
        """Steps from a state to one of those states."""
        return ((step, to) for step, to in self.out.get(state, ()) if to in states)


def parts(states: Collection[int], arrows: Arrows) -> list[frozenset[int]]:
    """Largest sets of states that lead to each other, by at least one step (R. Tarjan, 1972)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[frozenset[int]] = []
    for root in sorted(states):
        if root in order:
            continue
        work = [(root, iter(list(arrows.inside(root, states))))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while work:
            state, rest = work[-1]
            for _step, to in rest:
                if to not in order:
                    order[to] = low[to] = len(order)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(list(arrows.inside(to, states)))))
                    break
                if to in on_stack:
                    low[state] = min(low[state], order[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == order[state]:
                    part = _unstack(state, stack, on_stack)
                    if len(part) > 1 or any(arrows.inside(state, part)):
                        found.append(part)
    return found


def _unstack(state: int, stack: list[int], on_stack: set[int]) -> frozenset[int]:
    at = stack.index(state)
    part = frozenset(stack[at:])
    del stack[at:]
    on_stack.difference_update(part)
    return part


def fair_parts(
    states: Collection[int],
    arrows: Arrows,
    must: Callable[[int], Collection[int]],
    mover: Callable[[int], int],
) -> list[frozenset[int]]:
    """Largest sets of states in which some fair run stays for ever.

    Args:
        states: where to look.
        arrows: the steps.
        must: the tasks that can go on in a state and have to at some time.
        mover: the task of a step.
    """
    found: list[frozenset[int]] = []
    waiting = [frozenset(states)]
    while waiting:
        for part in parts(waiting.pop(), arrows):
            moved = {mover(step) for state in part for step, _to in arrows.inside(state, part)}
            spoiling = {state for state in part if not moved.issuperset(must(state))}
            if not spoiling:
                found.append(part)
            elif len(spoiling) < len(part):
                waiting.append(part - spoiling)
    return sorted(found, key=min)


def way(
    start: int,
    states: Collection[int],
    arrows: Arrows,
    ends: Callable[[Edge], bool],
) -> list[Edge]:
    """The shortest way inside some states whose last edge is such a one; empty if there is none."""
    came: dict[int, Edge] = {}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        for step, to in arrows.inside(state, states):
            edge = (state, step, to)
            if ends(edge):
                return _back(state, start, came, [edge])
            if to not in came and to != start:
                came[to] = edge
                queue.append(to)
    return []


def _back(state: int, start: int, came: dict[int, Edge], found: list[Edge]) -> list[Edge]:
    while state != start:
        found.append(came[state])
        state = came[state][0]
    found.reverse()
    return found
