"""Softirqs: timer and RCU callbacks and tasklets, which interrupt the task of their CPU.

Mirrors: include/linux/bottom_half.h, kernel/softirq.c

What runs as a softirq starts on an idle CPU or, explored, on the CPU of a task that holds a
spinlock with softirqs and interrupts on. That task's CPU is taken until the softirq has ended, so
one that spins for a lock of that very task spins for ever. (Interrupting a task that holds no
spinlock equals an order in which that task is not scheduled.) Softirqs do not interrupt each
other, a handler interrupts both.

    >>> with local_bh_disable():
    ...     ambient().current().is_atomic
    True
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Op, Runtime, Task
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = [
    "begin",
    "bh_disable",
    "bh_enable",
    "check_bh_enable",
    "end",
    "enter",
    "in_softirq",
    "local_bh_disable",
    "note_softirqs",
    "note_spinlocks",
]


# -- what interrupts -----------------------------------------------------------------------------


@no_kernel("open_softirq")
def note_softirqs(rt: Runtime) -> None:
    """Something of this runtime runs as a softirq."""
    if rt.explored:
        cast("Tasks", rt).cpus.has_softirqs = True


@no_kernel("for the explorer")
def note_spinlocks(rt: Runtime) -> None:
    """A lock of this runtime may be held with softirqs on."""
    if rt.explored:
        cast("Tasks", rt).cpus.has_spinlocks = True


@no_kernel("__do_softirq")
def begin(task: Task) -> None:
    """The task runs as a softirq from now on (for actions only)."""
    task.atomic += 1
    task.in_softirq = True
    task.idle = False


@no_kernel("__do_softirq")
def end(task: Task) -> None:
    """It does no more (for actions only); the CPU that it interrupted goes on."""
    task.atomic -= 1
    task.in_softirq = False
    task.idle = True
    if task.runtime.explored:
        explored = cast("ExploredTask", task)
        if explored.interrupts is not None:
            cast("Tasks", task.runtime).cpus.give(explored.interrupts)
            explored.interrupts = None


@no_kernel("irq_exit")
def enter(rt: Runtime) -> None:
    """Start the function of a softirq: explored, on every CPU where it may."""
    if _meet_spinlocks(rt):
        cast("Tasks", rt).decide(ENTER, rt.current(), _ways)


def _meet_spinlocks(rt: Runtime) -> bool:
    """Explored, with spinlocks and softirqs: only then it matters what a softirq interrupts."""
    return rt.explored and cast("Tasks", rt).cpus.softirqs


def _ways(task: ExploredTask) -> list[int]:
    """On which CPUs it may start: 0 an idle one, n+1 task n's."""
    runtime = cast("Tasks", task.runtime)
    cpus = runtime.cpus
    return [0, *(o.ordinal + 1 for o in runtime.tasks if cpus.is_open_to_softirqs(o))]


def _enter(_helper: Task, task: Task) -> None:
    way = int(task.value)
    if way:
        runtime, helper = cast("Tasks", task.runtime), cast("ExploredTask", task)
        helper.interrupts = runtime.cpus.of(runtime.tasks[way - 1])
        runtime.cpus.take(helper.interrupts, helper)


ENTER = Op("softirq.enter", action=_enter, starts=True, says="starts as a softirq")


# -- keeping them away ---------------------------------------------------------------------------


def _bh_off(_obj: Any, task: Task) -> None:
    task.bh_off += 1


BH_DISABLE = Op("softirq.disable", action=_bh_off, says="turns softirqs off")


@no_kernel("the first half of local_bh_disable, for kapi")
def bh_disable() -> None:
    """Turn softirqs off once more; a step where softirqs meet spinlocks, as one may come first."""
    rt = ambient()
    task = rt.current()
    if _meet_spinlocks(rt):
        rt.step(BH_DISABLE, task)
    else:
        task.bh_off += 1


@no_kernel("the second half, for kapi")
def bh_enable() -> None:
    """Undo one `bh_disable`; one too many warns (DF004)."""
    rt = ambient()
    task = rt.current()
    if not task.bh_off:
        warn_on(rt, f"{task.name} turns softirqs on, which are on")
        return
    task.bh_off -= 1
    check_bh_enable(rt, task)


@contextmanager
@kernel("local_bh_disable", "local_bh_enable")
def local_bh_disable() -> Generator[None]:
    """No softirq starts on this task's CPU inside, and it may not sleep. Nests. Context: any.

    Leaving it with interrupts off, or in a handler, warns (DF003): what waits could not run.
    """
    bh_disable()
    try:
        yield
    finally:
        bh_enable()


@no_kernel("the WARN_ON_ONCE of __local_bh_enable_ip")
def check_bh_enable(rt: Runtime, task: Task) -> None:
    """Warn (DF003) of softirqs turned on where they cannot run."""
    if task.in_irq or task.irqs_off:
        why = "in a handler" if task.in_irq else "with interrupts off"
        warn_on(rt, f"{task.name} turns softirqs on {why}", code="DF003")


@kernel("in_softirq")
def in_softirq() -> bool:
    """Does the task run as a softirq, or with softirqs off? Context: any."""
    task = ambient().current()
    return task.in_softirq or task.bh_off > 0
