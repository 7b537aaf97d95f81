"""Spurious wake-ups: a sleeper on a wait queue wakes although nobody woke it.

Mirrors: kernel/sched/core.c (try_to_wake_up by whoever still holds an old reference)

Explored and only where a design asks for it: each queue gets a task of chance that may wake
any task queued there, once in each wait. It may as well never do so, so nothing can rely on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dmabuf._names import no_kernel
from dmabuf.rt.api import Kind, Op, Runtime, Task

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks
    from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["SPURIOUS", "allow_spurious", "disturb_if_allowed"]

_ALLOWED = "sync.spurious"


def _may_be(queue: WaitQueue, sleeper: Task) -> bool:
    return sleeper not in queue.woken and sleeper not in queue.disturbed


def _is_anybody_there(queue: WaitQueue, _task: Task) -> bool:
    return any(_may_be(queue, sleeper) for sleeper in queue.entries)


def _ways(task: ExploredTask) -> list[int]:
    """The ordinals of those that may be woken."""
    queue: WaitQueue = task.obj
    sleepers = [cast("ExploredTask", one) for one in queue.entries if _may_be(queue, one)]
    return sorted(sleeper.ordinal for sleeper in sleepers)


def _disturb(queue: WaitQueue, task: Task) -> None:
    sleeper = cast("Tasks", queue.rt).tasks[int(task.value)]
    queue.woken.add(sleeper)
    queue.disturbed.add(sleeper)


SPURIOUS = Op(
    "waitqueue.spurious",
    guard=_is_anybody_there,
    action=_disturb,
    says="wakes a sleeper on {} for no reason",
)


@no_kernel("chance")
def allow_spurious(rt: Runtime) -> None:
    """From now on sleepers on every wait queue of this explored runtime may wake for no reason."""
    rt.extras[_ALLOWED] = True


@no_kernel("chance")
def disturb_if_allowed(queue: WaitQueue) -> None:
    """Start the task of chance of a new queue."""
    rt = queue.rt
    if not rt.explored or _ALLOWED not in rt.extras:
        return

    def disturb() -> None:
        while True:
            cast("Tasks", rt).decide(SPURIOUS, queue, _ways)

    rt.spawn(disturb, name=f"chance on {queue.name}", kind=Kind.USER, idle=True)
