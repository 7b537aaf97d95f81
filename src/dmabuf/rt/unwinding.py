"""How an execution that has its verdict ends the tasks that are left: each of their steps raises.

>>> from dmabuf.rt.strategy import FirstEnabled
>>> from dmabuf.rt.tasks import Tasks
>>> rt = Tasks(FirstEnabled()); unwind(rt); rt.over
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dmabuf.errors import DesignError, Unwind

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["refuse", "unwind"]

_MAX_REFUSALS: Final = 200


def unwind(rt: Tasks) -> None:
    """End every task that is left; from now on `step` refuses. From the hub."""
    rt.over = True
    for task in rt.tasks:
        if not task.finished:
            task.unwind = True
            rt._current = task
            rt.carrier.resume(task)
    rt.carrier.retire()


def refuse(rt: Tasks, task: ExploredTask) -> None:
    """The execution has its verdict: raise Unwind; a task that swallows that is left behind."""
    task.refusals += 1
    if task.refusals > _MAX_REFUSALS:
        _LEFT_BEHIND.append(task)
        if rt.failure is None:
            error = DesignError("swallows the end of its execution (a bare except)")
            rt.failure = (task, error)
        task.finished = True
        rt.carrier.switch(task, None)
    raise Unwind


_LEFT_BEHIND: list[ExploredTask] = []
"""Tasks that could not be ended; kept so that their carriers are never collected mid-flight."""
