"""Deferred work, timers, RCU and kernel threads where C counts in jiffies or spells a variant.

Mirrors: include/linux/workqueue.h, include/linux/timer.h, include/linux/rcupdate.h,
include/linux/kthread.h
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from dmabuf.kapi.spell import HZ, returns_errno, spelled, to_jiffies
from dmabuf.machine import IrqLine, Machine
from dmabuf.rt.ambient import ambient
from dmabuf.sync.kthread import Kthread
from dmabuf.sync.rcu import READ_LOCK, READ_UNLOCK, domain_of
from dmabuf.sync.timer import Timer
from dmabuf.sync.work import DelayedWork, Work
from dmabuf.sync.workqueue import DEFAULT_ACTIVE, WorkQueue, schedule_delayed_work

__all__ = ["IRQF_ONESHOT", "WorkQueueFlags", "jiffies"]


def jiffies() -> int:
    """The time now, in jiffies, as timers count it."""
    return to_jiffies(ambient().now())


def _until(expires: int) -> float:
    """Seconds from now to a time in jiffies."""
    return max(expires - jiffies(), 0) / HZ


# -- timers ------------------------------------------------------------------------------------


@spelled("mod_timer")
def mod_timer(timer: Timer, expires: int) -> int:
    """Let it fire at `expires`; 1 if it was armed."""
    return int(timer.mod(_until(expires)))


@spelled("mod_timer_pending")
def mod_timer_pending(timer: Timer, expires: int) -> int:
    """The same, but only if it is armed."""
    return int(timer.mod(_until(expires), only_pending=True))


@spelled("timer_reduce")
def timer_reduce(timer: Timer, expires: int) -> int:
    """The same, but never later than it would fire now."""
    return int(timer.mod(_until(expires), reduce=True))


@spelled("add_timer")
def add_timer(timer: Timer, expires: int) -> None:
    """Arm it; C takes the time from the timer's own `expires`."""
    timer.add(_until(expires))


# -- work --------------------------------------------------------------------------------------


class WorkQueueFlags(enum.IntFlag):
    """How a workqueue is made (WQ_*)."""

    UNBOUND = 1 << 1
    FREEZABLE = 1 << 2
    MEM_RECLAIM = 1 << 3
    HIGHPRI = 1 << 4


@spelled("alloc_workqueue")
def alloc_workqueue(name: str, flags: int, max_active: int) -> WorkQueue:
    """A queue; `max_active` 0 stands for the default."""
    return WorkQueue(
        name,
        max_active=max_active or DEFAULT_ACTIVE,
        mem_reclaim=bool(flags & WorkQueueFlags.MEM_RECLAIM),
        unbound=bool(flags & WorkQueueFlags.UNBOUND),
        highpri=bool(flags & WorkQueueFlags.HIGHPRI),
    )


@spelled("alloc_ordered_workqueue")
def alloc_ordered_workqueue(name: str, flags: int) -> WorkQueue:
    """A queue that runs one item at a time, in order."""
    return WorkQueue(name, ordered=True, mem_reclaim=bool(flags & WorkQueueFlags.MEM_RECLAIM))


@spelled("queue_work_on")
def queue_work_on(_cpu: int, queue: WorkQueue, work: Work) -> bool:
    """Queue it; which CPU runs it makes no difference here."""
    return queue.queue(work)


@spelled("queue_delayed_work")
def queue_delayed_work(queue: WorkQueue, work: DelayedWork, delay: int) -> bool:
    """Queue it after `delay` jiffies."""
    return queue.queue_delayed(work, delay / HZ)


@spelled("queue_delayed_work_on")
def queue_delayed_work_on(_cpu: int, queue: WorkQueue, work: DelayedWork, delay: int) -> bool:
    """The same; which CPU runs it makes no difference here."""
    return queue.queue_delayed(work, delay / HZ)


@spelled("mod_delayed_work")
def mod_delayed_work(queue: WorkQueue, work: DelayedWork, delay: int) -> bool:
    """Queue it `delay` jiffies from now, whenever that was before."""
    return queue.mod_delayed(work, delay / HZ)


@spelled("mod_delayed_work_on")
def mod_delayed_work_on(_cpu: int, queue: WorkQueue, work: DelayedWork, delay: int) -> bool:
    """The same; which CPU runs it makes no difference here."""
    return queue.mod_delayed(work, delay / HZ)


@spelled("schedule_delayed_work")
def schedule_delayed(work: DelayedWork, delay: int) -> bool:
    """Queue it on the system's queue after `delay` jiffies."""
    return schedule_delayed_work(work, delay / HZ)


# -- RCU ---------------------------------------------------------------------------------------


@spelled("rcu_read_lock")
def rcu_read_lock() -> None:
    """Begin to read."""
    rt = ambient()
    rt.step(READ_LOCK, domain_of(rt))


@spelled("rcu_read_unlock")
def rcu_read_unlock() -> None:
    """End reading."""
    rt = ambient()
    rt.step(READ_UNLOCK, domain_of(rt))


# -- interrupts --------------------------------------------------------------------------------

IRQF_ONESHOT = 0x2000
"""The line stays masked until its thread is done."""


@spelled("request_irq")
def request_irq(machine: Machine, handler: Callable[[], object], _flags: int, name: str) -> IrqLine:
    """A line and its handler; C takes the line's number where the machine stands here."""
    return machine.irq(handler, name)


@spelled("request_threaded_irq")
def request_threaded_irq(
    machine: Machine,
    handler: Callable[[], object] | None,
    thread_fn: Callable[[], object] | None,
    flags: int,
    name: str,
) -> IrqLine:
    """The same with a thread."""
    oneshot = bool(flags & IRQF_ONESHOT)
    return machine.irq(handler, name, thread_fn=thread_fn, oneshot=oneshot)


# -- threads -----------------------------------------------------------------------------------


@spelled("kthread_run", "kthread_create")
def kthread_run(threadfn: Callable[[Any], object], data: Any, name: str) -> Kthread:
    """A thread that calls `threadfn(data)`; it starts at once, as `kthread_run` does."""
    return Kthread(lambda: threadfn(data), name)


@spelled("kthread_stop")
@returns_errno
def kthread_stop(thread: Kthread) -> Any:
    """Tell it to stop and wait; what its function returned, 0 for None."""
    result = thread.stop()
    return 0 if result is None else result
