"""What the steps of locks mean: the operations that the validator listens to.

Each table answers one question about an operation: who asks for a lock in which mode before it
waits, what was taken if it says so afterwards, what is free again, whose end is waited for.
"""

from __future__ import annotations

from dmabuf import irq
from dmabuf.contract.modes import EXCLUSIVE, READ
from dmabuf.contract.usage import HARDIRQS_OFF, NO_IRQ, SOFTIRQS_OFF
from dmabuf.rt.api import Op
from dmabuf.sync import (
    irq_work,
    kthread,
    mutex,
    rwlock,
    rwsem,
    spinlock,
    tasklet,
    timer,
    work,
    worker,
    workqueue,
    ww_mutex,
)

__all__ = [
    "ABANDONED",
    "ASKED",
    "AWAITED",
    "BEGUN",
    "CANCELLED",
    "ENDED",
    "FREED",
    "QUEUED",
    "TRIED",
]

_IRQS_OFF = HARDIRQS_OFF | SOFTIRQS_OFF

ASKED: dict[Op, tuple[int, int]] = {
    mutex.LOCK: (EXCLUSIVE, NO_IRQ),
    spinlock.SPIN_LOCK: (EXCLUSIVE, 0),
    spinlock.SPIN_LOCK_IRQ: (EXCLUSIVE, _IRQS_OFF),
    spinlock.SPIN_LOCK_BH: (EXCLUSIVE, SOFTIRQS_OFF),
    rwsem.DOWN_READ: (READ, NO_IRQ),
    rwsem.DOWN_WRITE: (EXCLUSIVE, NO_IRQ),
    ww_mutex.LOCK: (EXCLUSIVE, NO_IRQ),
}
"""Known before the step: the mode, and what keeps interrupts away meanwhile."""

QUEUED: dict[Op, int] = {
    rwlock.READ_LOCK: READ,
    rwlock.WRITE_LOCK: EXCLUSIVE,
}
"""Known after the step, which does not wait yet: the mode."""

TRIED: dict[Op, tuple[int, int]] = {
    mutex.TRYLOCK: (EXCLUSIVE, NO_IRQ),
    spinlock.SPIN_TRYLOCK: (EXCLUSIVE, 0),
    rwsem.TRY_READ: (READ, NO_IRQ),
    rwsem.TRY_WRITE: (EXCLUSIVE, NO_IRQ),
    rwlock.TRY_READ: (READ, 0),
    rwlock.TRY_WRITE: (EXCLUSIVE, 0),
    ww_mutex.TRYLOCK: (EXCLUSIVE, NO_IRQ),
}
"""Taken if the step says so."""

CANCELLED = frozenset({rwsem.CANCEL, ww_mutex.CANCEL, ww_mutex.WAIT})
"""What was asked for is not taken if the step says so."""

ABANDONED = frozenset({rwsem.ABANDON, rwlock.ABANDON, ww_mutex.ABANDON})
"""What was asked for is not taken."""

FREED = frozenset(
    {
        mutex.UNLOCK,
        spinlock.SPIN_UNLOCK,
        spinlock.SPIN_UNLOCK_IRQ,
        spinlock.SPIN_UNLOCK_BH,
        rwsem.UP_READ,
        rwsem.UP_WRITE,
        rwlock.READ_UNLOCK,
        rwlock.WRITE_UNLOCK,
        ww_mutex.UNLOCK,
    }
)

BEGUN = frozenset(
    {
        worker.TAKE,
        worker.KEEP,
        worker.MANAGED,
        worker.RESCUE,
        timer.TAKE,
        irq_work.TAKE,
        tasklet.TAKE,
        irq.IRQ_ENTER,
        irq.THREAD_BEGIN,
    }
)
"""Something runs from here that others can wait for the end of."""

ENDED = frozenset({worker.END, timer.END, irq_work.END, tasklet.END, irq.IRQ_LEAVE, irq.THREAD_END})

AWAITED = frozenset(
    {
        work.START_FLUSH,
        work.HURRY,
        work.DRY,
        workqueue.START_FLUSH,
        workqueue.START_DRAIN,
        timer.DELETE_SYNC,
        irq_work.SYNC,
        tasklet.CLAIM,
        tasklet.UNLOCK_WAIT,
        irq.SYNCHRONIZE,
        kthread.JOIN,
    }
)
"""The end of what runs is waited for, whether or not it runs at that moment."""
