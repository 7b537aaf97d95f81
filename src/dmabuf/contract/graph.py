"""Which class of lock was asked for while which other was held, and the cycles in that.

An edge carries, for each of its kinds (see `modes`), the evidence: who did it, with both stacks.
Most new edges need no search for a cycle: classes have levels, which no edge goes down (Bender,
Fineman, Gilbert and Tarjan, "A new approach to incremental cycle detection", 2015, the algorithm
for sparse graphs; m edges take O(m * sqrt(m)) in all). Edges that close a cycle, be it a harmless
one or a finding, stand apart; where there are any, a search looks at all.

    >>> graph = Graph()
    >>> graph.add(0, 1, 0, "A then B")
    >>> graph.add(1, 0, 0, "B then A")
    [Edge(0, 1), Edge(1, 0)]
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from dmabuf.contract.modes import RECURSIVE_END, SHARED_START, may_follow

__all__ = ["GUESSED", "Edge", "Graph"]

GUESSED = 4
"""Added to a kind: the dependency is suspected, nobody has said or shown it."""

_KINDS = tuple(range(GUESSED * 2))
_CERTAIN = (1 << GUESSED) - 1
_ALL = (1 << GUESSED * 2) - 1

_State = tuple[int, int]
"""A class, and whether the path came to it as a recursive reader."""


class Edge:
    """From a class that was held to one that was asked for.

    Attributes:
        before, after: numbers of the classes.
        evidence: kind -> who did it.
        is_back: it closed a cycle when it came, so levels do not know it.
    """

    __slots__ = ("after", "before", "evidence", "is_back", "kinds")

    def __init__(self, before: int, after: int) -> None:
        self.before = before
        self.after = after
        self.kinds = 0
        self.evidence: dict[int, Any] = {}
        self.is_back = False

    @property
    def best(self) -> Any:
        """The evidence of its strictest kind."""
        return self.evidence[min(self.evidence)]

    def __repr__(self) -> str:
        return f"Edge({self.before}, {self.after})"


class Graph:
    """All edges, and the levels of the classes that they make.

    Classes are numbers from 0. It is not locked: whoever adds keeps others out.
    """

    def __init__(self) -> None:
        self.out: list[dict[int, Edge]] = []
        self._level: list[int] = []
        self._near: list[set[int]] = []
        self.backs = 0
        self.edges = 0

    def has(self, before: int, after: int, kind: int) -> bool:
        """Is that edge there, in that kind?"""
        if before >= len(self.out):
            return False
        edge = self.out[before].get(after)
        return edge is not None and bool(edge.kinds >> kind & 1)

    def add(self, before: int, after: int, kind: int, evidence: Any) -> list[Edge] | None:
        """Add an edge of two different classes; the shortest cycle that it closes, if any.

        The cycle begins with the edge's successors and ends with the new edge. A cycle that
        needs a guess is returned like any other: its edges tell (`needs_guess`).
        """
        assert before != after
        self._grow(max(before, after))
        edge = self.out[before].get(after)
        if edge is None:
            edge = self._new(before, after)
        elif edge.kinds >> kind & 1:
            return None
        edge.kinds |= 1 << kind
        edge.evidence[kind] = evidence
        if not self.backs:
            return None
        return self._cycle(edge, kind)

    def _new(self, before: int, after: int) -> Edge:
        edge = Edge(before, after)
        edge.is_back = self._closes(before, after)
        self.backs += edge.is_back
        self.edges += 1
        self.out[before][after] = edge
        if self._level[before] == self._level[after] and not edge.is_back:
            self._near[after].add(before)
        return edge

    def _grow(self, number: int) -> None:
        while len(self.out) <= number:
            self._level.append(0)
            self._near.append(set())
            self.out.append({})

    # -- levels --------------------------------------------------------------------------------

    def _closes(self, before: int, after: int) -> bool:
        """Does an edge that is about to come close a cycle? Levels are made to agree with it."""
        level = self._level
        if level[before] < level[after]:
            return False
        behind = self._behind(before, after)
        if after in behind:
            return True
        if level[after] == level[before] and behind:
            return False
        level[after] = level[before] + (not behind)
        self._near[after].clear()
        return self._raise(after, behind or {before})

    def _behind(self, start: int, goal: int) -> set[int]:
        """What leads to `start` on its level; empty if that is more than looking is worth."""
        near = self._near
        left = math.isqrt(self.edges) + 1
        found = {start}
        queue = [start]
        while queue:
            for number in near[queue.pop()]:
                left -= 1
                if number == goal:
                    return {goal}
                if number not in found:
                    found.add(number)
                    queue.append(number)
            if left < 0:
                return set()
        return found

    def _raise(self, start: int, behind: set[int]) -> bool:
        """Lift what follows a class that was lifted; is one of `behind` among it?"""
        level, near = self._level, self._near
        meets = False
        queue = [start]
        while queue:
            number = queue.pop()
            mine = level[number]
            for after, edge in self.out[number].items():
                if edge.is_back:
                    continue
                meets = meets or after in behind
                if level[after] < mine:
                    level[after] = mine
                    near[after].clear()
                    queue.append(after)
                if level[after] == mine:
                    near[after].add(number)
        return meets

    # -- searching -----------------------------------------------------------------------------

    def _cycle(self, edge: Edge, kind: int) -> list[Edge] | None:
        """The cycle through a new edge of a kind, first without guesses."""
        start = (edge.after, kind & RECURSIVE_END)
        for allowed in (_CERTAIN, _ALL):
            if kind >= GUESSED and allowed == _CERTAIN:
                continue
            path = self.path(start, edge.before, kind & SHARED_START, allowed)
            if path is not None:
                return [*path, edge]
        return None

    def path(
        self, start: _State, goal: int, closing: int, allowed: int = _CERTAIN
    ) -> list[Edge] | None:
        """The shortest strong path from a class to another.

        Args:
            start: the class, and RECURSIVE_END if it is come to as a recursive reader.
            goal: the class at the end.
            closing: SHARED_START if what follows at the goal starts with a reader.
            allowed: the kinds of edges to go along, as bits.
        """
        came: dict[_State, tuple[_State, Edge] | None] = {start: None}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            if state[0] == goal and may_follow(state[1], closing):
                return _walked(came, state)
            for edge in list(self.out[state[0]].values()):
                for end in _ends(edge.kinds & allowed, state[1]):
                    following = (edge.after, end)
                    if following not in came:
                        came[following] = (state, edge)
                        queue.append(following)
        return None


def _ends(kinds: int, came_as: int) -> list[int]:
    """How the edge can be gone along after coming as told: the ends of kinds that may follow."""
    kinds = kinds | kinds >> GUESSED
    ends: list[int] = []
    for end in (0, RECURSIVE_END):
        shared = 0 if came_as else kinds >> (end | SHARED_START) & 1
        if shared or kinds >> end & 1:
            ends.append(end)
    return ends


def _walked(came: dict[_State, tuple[_State, Edge] | None], state: _State) -> list[Edge]:
    path: list[Edge] = []
    step = came[state]
    while step is not None:
        path.append(step[1])
        step = came[step[0]]
    path.reverse()
    return path
