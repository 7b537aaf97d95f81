"""Which transitions are possible in the present state of an explored run, and what they touch.

>>> from dmabuf.rt.strategy import FirstEnabled
>>> from dmabuf.rt.tasks import Tasks
>>> Tasks(FirstEnabled()).enabled()
[]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf.errors import DesignError
from dmabuf.rt.api import Op
from dmabuf.rt.strategy import BLOCK, INTERRUPT, TIMEOUT, Footprint
from dmabuf.rt.timeouts import earliest

if TYPE_CHECKING:
    from dmabuf.rt.clock import VirtualClock
    from dmabuf.rt.cpus import Cpus
    from dmabuf.rt.explored_task import ExploredTask

__all__ = ["Possible"]


class Possible:
    """What `Tasks` knows of the steps that its tasks stand at."""

    tasks: list[ExploredTask]
    cpus: Cpus
    clock: VirtualClock
    any_time: bool
    numbers: dict[int, int]

    @property
    def interrupts(self) -> bool:
        """May handlers start between any two steps?"""
        return self.cpus.interrupts

    def enabled(self) -> list[int]:
        """The transitions that are possible now, in order of the tasks' creation."""
        found: list[int] = []
        timed: list[ExploredTask] = []
        shared = self.cpus.are_shared
        tasks = [task for task in self.tasks if self.cpus.may_run(task)] if shared else self.tasks
        for task in tasks:
            op = task.op
            if op is None:
                continue
            if op.is_guarded and not op.guard(task.obj, task):
                if task.deadline is not None:
                    timed.append(task)
                if task.interruptible and task.signal_pending:
                    found.append(task.base + INTERRUPT)
                if shared and self.cpus.must_give_up(task):
                    found.append(task.base + BLOCK)
                continue
            options = task.options
            if not options:
                found.append(task.base)
            elif isinstance(options, int):
                found.extend(range(task.base, task.base + options))
            else:
                found.extend(task.base + option for option in options(task))
        if timed:
            due = earliest(timed, exact=not self.any_time)
            found += [task.base + TIMEOUT for task in due]
        return found

    def _touched(self, op: Op, obj: Any, task: ExploredTask) -> Footprint:
        """What an operation says that it touches now, as numbers."""
        assert op.touches is not None
        numbers = self.numbers
        return tuple([numbers[id(one)] << 1 | mode for one, mode in op.touches(obj, task)])

    def _footprint(self, op: Op, obj: Any, task: ExploredTask) -> Footprint:
        if op.touches is None:
            if task.place < 0:
                raise DesignError(f"{op.name} on what was not made in this execution")
            touched: Footprint = (task.place | op.access,)
        else:
            touched = self._touched(op, obj, task)
        if task.deadline is not None:
            touched += (self.numbers[id(self.clock)] << 1,)
        if task.fresh:
            touched += (task.own,)
            task.fresh = False
        if task.cpu is None and not self.cpus.taken_away:
            return touched
        return self.cpus.widen(task, touched)
