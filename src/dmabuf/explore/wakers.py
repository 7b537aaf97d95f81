"""Who ended waits: a task that makes a step that wakes, on the objects that the step changes.

>>> learn_wakers([], frozenset(), {})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.strategies.dfs import Node

__all__ = ["learn_wakers"]


def learn_wakers(path: list[Node], waking: frozenset[str], wakers: dict[int, set[int]]) -> None:
    """Note who ended a wait on what in some steps.

    Args:
        path: the steps.
        waking: names of operations that can.
        wakers: by object number, the tasks that did.
    """
    for node in path:
        if node.step[0] in waking:
            for number in node.footprint:
                if number & 1:
                    wakers.setdefault(number >> 1, set()).add(node.chosen // VARIANTS)
