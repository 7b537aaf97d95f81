"""Where time need not have passed yet: the states before timeouts, inside an execution.

As with tasks that may stop (`stops`), an execution that was run stands for all orders of its
independent steps, so also for the state in which a timeout, and whatever depends on it, has not
come yet while all else has happened. A depth-first search comes by each of these states;
source-DPOR does not, and visits the ones that it has not been in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.strategies.stops import Rests, rests
from dmabuf.rt.api import Kind
from dmabuf.rt.strategy import TIMEOUT, VARIANTS, task_of, variant_of

if TYPE_CHECKING:
    from dmabuf.explore.strategies.choice import Choice
    from dmabuf.rt.tasks import Tasks

__all__ = ["Expiries"]


class Expiries(Rests):
    """The states before timeouts that executions stand for, each found once."""

    def find_in(self, path: list[Choice], pasts: list[int], new: int, runtime: Tasks) -> None:
        """Note those that this execution stands for and none before it did.

        Args:
            path: of the execution.
            pasts: of each step, the steps that came before it and itself.
            new: the first step that was not in the execution before.
            runtime: knows the kinds of tasks.
        """
        if not any(node.chosen % VARIANTS == TIMEOUT for node in path):
            return
        timed = 0
        stops: dict[int, list[int]] = {}
        for index, node in enumerate(path):
            task = task_of(node.chosen)
            if runtime.by_number[task].kind is Kind.HARDWARE:
                continue
            if variant_of(node.chosen) == TIMEOUT and not node.may_stop:
                timed |= 1 << index
                stops.setdefault(task, []).append(index)
            elif node.may_stop:
                stops.setdefault(task, []).append(index)
        if timed:
            before = (
                made
                for made in rests(pasts, stops, new)
                if _is_before(made, timed, pasts, len(path))
            )
            self.note(path, pasts, before)


def _is_before(made: int, timed: int, pasts: list[int], count: int) -> bool:
    """Is a timeout among the steps that are possible next?"""
    left_out = ((1 << count) - 1) & ~made
    late = timed & left_out
    while late:
        step = late & -late
        if pasts[step.bit_length() - 1] & left_out == step:
            return True
        late ^= step
    return False
