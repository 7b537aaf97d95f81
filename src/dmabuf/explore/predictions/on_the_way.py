"""Is the task that signals on the way to that signal, or opportunistic?

Code on the way to a signal has to be annotated, and what signals in passing must not be. Which of
the two it is cannot be seen in a run. By the definition it is on the way if some fair run in which
it stops for ever leaves the fence pending: all states of the design say so (`lassos.ways`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dmabuf.core.fence import Fence
from dmabuf.explore.lassos.ways import Ways
from dmabuf.explore.portfolio import GRAPH
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.graph import Graph
from dmabuf.machine import Design, Machine, design

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["WayToSignal"]


def _owing(fn: Design) -> Design:
    """The design with all fences that its body makes known to everybody, as its tasks know them."""

    @design
    def owing(machine: Machine) -> None:
        fn(machine)
        for obj in list(cast("Tasks", machine.rt).objects):
            if isinstance(obj, Fence):
                machine.finite(obj)

    return owing


class WayToSignal:
    """The answers about one design.

    Args:
        fn: the design.
        budget: for all its states.
        carrier: what tasks run on.

    Attributes:
        limit: why there is no answer; empty if there is.
    """

    def __init__(self, fn: Design, budget: Budget, carrier: str = "") -> None:
        self._tasks: dict[str, int] = {}
        self._fences: dict[str, set[int]] = {}
        search = Search(_owing(fn), budget, engine=GRAPH, carrier=carrier, on_end=self._note)
        search.run()
        self.limit = search.limit
        assert isinstance(search.strategy, Graph)
        self._ways = Ways(search.strategy)

    def _note(self, rt: Tasks) -> None:
        for task in rt.tasks:
            self._tasks[task.name] = task.number
        for obj in rt.objects:
            if isinstance(obj, Fence):
                self._fences.setdefault(rt.label(obj), set()).add(rt.number_of(obj))

    def is_on_it(self, task: str, fence: str) -> bool:
        """Does some fair run leave that fence pending because that task has stopped?

        Args:
            task: its name.
            fence: its name; of several with that name, one of them.
        """
        if task not in self._tasks:
            return False
        number = self._tasks[task]
        return any(self._ways.is_on_the_way(number, one) for one in self._fences.get(fence, ()))
