"""Which tasks are on the way to a fence's signal, and which are opportunistic.

A task is *on the way* if some fair run in which it stops for ever leaves the fence pending: so one
that never signals itself can be. A signaller that is not is *opportunistic*: if it stops, others
signal. Both are decided on the whole graph of states (`strategies.graph`), by their definitions.

A timer is *the only way* where nothing but timeouts of kernel tasks is possible any more, no job
hangs, and the fence is pending that another run signals without any timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.lassos.components import Arrows, fair_parts
from dmabuf.explore.lassos.liveness import States
from dmabuf.rt.strategy import TIMEOUT, task_of, variant_of

if TYPE_CHECKING:
    from dmabuf.explore.strategies.graph import Graph

__all__ = ["Ways"]


class Ways:
    """Answers about one design, whose states are all known.

    Args:
        graph: a search that was exhausted.
        hardware: numbers of the hardware tasks.
    """

    def __init__(self, graph: Graph, hardware: frozenset[int] = frozenset()) -> None:
        self.states = States(graph)
        self.hardware = hardware

    def is_on_the_way(self, task: int, fence: int) -> bool:
        """Is the fence left pending by some fair run in which that task stops for ever?

        Args:
            task: its number.
            fence: its number.
        """
        facts = self.states.facts
        where = {
            state
            for state, known in enumerate(facts)
            if fence in known.pending and task not in known.ended
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

    def timer_is_only_way(self, fence: int) -> bool:
        """Is there a run in which only a timeout leads on, with that fence pending and no hang?"""
        return self._is_signalled_in_time(fence) and any(
            fence in facts.pending and self._only_timeouts(state)
            for state, facts in enumerate(self.states.facts)
        )

    def _only_timeouts(self, state: int) -> bool:
        """Has everybody come to rest but those whose time runs, without a job that hangs?"""
        facts = self.states.facts[state]
        steps = [step for step, _to in self.states.arrows.out[state]]
        timed = {task_of(step) for step in steps if variant_of(step) == TIMEOUT}
        if not timed or timed & self.hardware or self.hardware & set(facts.may):
            return False
        return set(facts.must) <= timed

    def _is_signalled_in_time(self, fence: int) -> bool:
        """Does some run signal it without a timeout?"""
        facts = self.states.facts
        reached, waiting = {0}, [0]
        while waiting:
            state = waiting.pop()
            for step, to in self.states.arrows.out[state]:
                if variant_of(step) == TIMEOUT:
                    continue
                if fence in facts[state].pending and fence not in facts[to].pending:
                    return True
                if to not in reached:
                    reached.add(to)
                    waiting.append(to)
        return False
