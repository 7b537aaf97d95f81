"""Which tasks are on the way to a fence's signal, and which are opportunistic.

A task is *on the way* if some fair run in which it stops for ever leaves the fence pending: so one
that never signals itself can be. A signaller that is not is *opportunistic*: if it stops, others
signal. Both are decided on the whole graph of states (`strategies.graph`), by their definitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.lassos.components import Arrows, fair_parts
from dmabuf.explore.lassos.liveness import States
from dmabuf.rt.strategy import task_of

if TYPE_CHECKING:
    from dmabuf.explore.strategies.graph import Graph

__all__ = ["Ways"]


class Ways:
    """Answers about one design, whose states are all known.

    Args:
        graph: a search that was exhausted.
    """

    def __init__(self, graph: Graph) -> None:
        self.states = States(graph)

    def is_on_the_way(self, task: int, fence: int, *, holding: bool = True) -> bool:
        """Is the fence left pending by some fair run in which that task stops for ever?

        Args:
            task: its number.
            fence: its number.
            holding: may it stop where it holds a lock? Whoever needs that lock is held up then,
                whether or not the task has anything else to do with the fence.
        """
        facts = self.states.facts
        where = {
            state
            for state, known in enumerate(facts)
            if fence in known.pending
            and task not in known.ended
            and (holding or task not in known.holding)
        }
        if any(set(facts[state].must) <= {task} for state in where):
            return True
        others = {
            state: [
                (step, to) for step, to in self.states.arrows.out[state] if task_of(step) != task
            ]
            for state in where
        }
        arrows = Arrows(others)
        return bool(
            fair_parts(where, arrows, lambda state: set(facts[state].must) - {task}, task_of)
        )

    def opportunistic(self, fence: int, signallers: set[int]) -> set[int]:
        """Those of its signallers that may stop without leaving it pending."""
        return {task for task in signallers if not self.is_on_the_way(task, fence)}
