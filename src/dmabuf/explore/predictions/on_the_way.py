"""Who is on the way to a signal, and who signals in passing?

Code on the way to a signal has to be annotated, and what signals in passing must not be. Which of
the two it is cannot be seen in a run. By the definition it is on the way if some fair run in which
it stops for ever leaves the fence pending: all states of the design say so (`lassos.ways`). So can
be a task that never signals, as a scheduler's thread, of which no run shows anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from dmabuf.core.fence import Fence
from dmabuf.explore.lassos.ways import Ways
from dmabuf.explore.portfolio import GRAPH
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.graph import Graph
from dmabuf.machine import Design, Machine, design
from dmabuf.rt.api import Kind

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["WayToSignal"]


def _owing(fn: Design, later: Collection[int]) -> Design:
    """The design with the fences of its body public from the start, but for what comes later."""

    @design
    def owing(machine: Machine) -> None:
        fn(machine)
        rt = cast("Tasks", machine.rt)
        for obj in list(rt.objects):
            if isinstance(obj, Fence) and rt.number_of(obj) not in later:
                machine.finite(obj)

    return owing


class WayToSignal:
    """The answers about one design.

    Args:
        fn: the design.
        budget: for all its states.
        carrier: what tasks run on.
        later: numbers of the fences that are not public from the start.

    Attributes:
        limit: why there is no answer; empty if there is.
    """

    def __init__(
        self, fn: Design, budget: Budget, carrier: str = "", later: Collection[int] = ()
    ) -> None:
        self._tasks: dict[str, int] = {}
        self._kernel: dict[int, str] = {}
        self._fences: dict[str, set[int]] = {}
        owing = _owing(fn, frozenset(later))
        search = Search(owing, budget, engine=GRAPH, carrier=carrier, on_end=self._note)
        search.run()
        self._signallers = search.wakers
        self.limit = search.limit
        assert isinstance(search.strategy, Graph)
        self._ways = Ways(search.strategy)

    def _note(self, rt: Tasks) -> None:
        for task in rt.tasks:
            self._tasks[task.name] = task.number
            if task.kind in (Kind.KTHREAD, Kind.WORKER):
                self._kernel[task.number] = task.name
        for obj in rt.objects:
            if isinstance(obj, Fence):
                self._fences.setdefault(rt.label(obj), set()).add(rt.number_of(obj))

    def silent(self, said: Collection[str]) -> list[tuple[str, str]]:
        """Kernel tasks on the way that neither signal nor say anything, each with a fence's name.

        Where a task holds a lock that a signaller needs, the rules about locks apply, so its
        stopping there does not count.

        Args:
            said: names of the tasks that have opened a signalling section.
        """
        found: list[tuple[str, str]] = []
        for number, name in sorted(self._kernel.items()):
            if name in said:
                continue
            about = (
                label
                for label, fences in sorted(self._fences.items())
                for fence in sorted(fences)
                if number not in self._signallers.get(fence, ())
                and self._ways.is_on_the_way(number, fence, holding=False)
            )
            found += [(name, label) for label in itertools.islice(about, 1)]
        return found

    def is_on_it(self, task: str, fence: str) -> bool:
        """Does some fair run leave that fence pending because that task has stopped?

        Args:
            task: its name.
            fence: its name; of several with that name, one of them.
        """
        if task not in self._tasks:
            return False
        number = self._tasks[task]
        fences = self._fences.get(fence, ())
        return any(self._ways.is_on_the_way(number, one, holding=False) for one in fences)
