"""A depth-first search that was left, cut into parts that others can go on with.

What is left of such a search are the branches not yet taken on its present path, one part for each
state with such branches. With sleep sets a part needs of what comes before it only its prefix and
what sleeps there, so parts are independent: each makes exactly the executions that the one search
would have made there.

    >>> from dmabuf.explore.strategies.dfs import Node
    >>> first, second = Node(7, [8], {}), Node(9, [], {})
    >>> [(part.prefix_length, part.chosen) for part in split([first, second])]
    [(1, 9), (0, 8)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dmabuf.explore.strategies.dfs import Node

__all__ = [
    "Made",
    "Part",
    "Position",
    "made_of",
    "nodes_of",
    "path_of",
    "position_of",
    "split",
]

Footprint = tuple[int, ...]
Position = tuple[int, ...]
"""Where an execution stands among all: at each state, how many branches were taken before."""


class Made(NamedTuple):
    """A step of the prefix: the transition, what it touched, which step it was, and its rank."""

    chosen: int
    footprint: Footprint
    step: tuple[str, int]
    rank: int


@dataclass(frozen=True, slots=True)
class Part:
    """The branches left at one state.

    Attributes:
        prefix: the steps that lead to the state.
        chosen: the branch to take first.
        todo: those to take after it.
        sleep: transitions that need not be made there, with what they touch.
        done: branches taken before, with what they touched.
        rank: how many these are.
    """

    prefix: tuple[Made, ...]
    chosen: int
    todo: tuple[int, ...]
    sleep: dict[int, Footprint]
    done: dict[int, Footprint]
    rank: int

    @property
    def prefix_length(self) -> int:
        """How many steps lead to the state."""
        return len(self.prefix)


def split(path: Sequence[Node]) -> list[Part]:
    """All that is left, in the order of the search.

    Args:
        path: of a search that is ready to make the transition at its end.
    """
    prefix = made_of(path)
    last = path[-1]
    parts = [
        Part(
            prefix[:-1], last.chosen, tuple(last.todo), dict(last.sleep), dict(last.done), last.rank
        )
    ]
    for index in range(len(path) - 2, -1, -1):
        node = path[index]
        if node.todo:
            done = {**node.done, node.chosen: node.footprint}
            chosen, *todo = node.todo
            parts.append(
                Part(prefix[:index], chosen, tuple(todo), dict(node.sleep), done, node.rank + 1)
            )
    return parts


def path_of(part: Part) -> list[Node]:
    """The path with which a search goes on with a part, and with nothing else."""
    path = nodes_of(part.prefix)
    last = Node(part.chosen, list(part.todo), dict(part.sleep))
    last.done, last.rank = dict(part.done), part.rank
    path.append(last)
    return path


def made_of(path: Sequence[Node]) -> tuple[Made, ...]:
    """The steps of a path."""
    return tuple(Made(node.chosen, node.footprint, node.step, node.rank) for node in path)


def nodes_of(steps: Sequence[Made]) -> list[Node]:
    """A path of these steps, at which nothing is left to try."""
    path: list[Node] = []
    for made in steps:
        node = Node(made.chosen, [], {})
        node.footprint, node.step, node.rank = made.footprint, made.step, made.rank
        path.append(node)
    return path


def position_of(path: Sequence[Node]) -> Position:
    """Where the execution of a path stands among all."""
    return tuple(node.rank for node in path)
