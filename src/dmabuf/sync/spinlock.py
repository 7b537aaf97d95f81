"""Spinning lock: the holder may not sleep; optionally with interrupts off.

Mirrors: include/linux/spinlock.h

    >>> lock = SpinLock("ring")
    >>> with lock.irqsave():
    ...     ambient().current().irqs_off
    1
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.softirq import check_bh_enable, note_spinlocks

__all__ = [
    "SPIN_LOCK",
    "SPIN_LOCK_BH",
    "SPIN_UNLOCK",
    "SPIN_UNLOCK_BH",
    "RawSpinLock",
    "SpinLock",
    "SpinLockBase",
    "release_spinning",
    "take_spinning",
]


def _is_free(lock: SpinLockBase, _task: Task) -> bool:
    return lock.owner is None


def take_spinning(lock: SpinLockBase, task: Task) -> None:
    """The action of taking a spinlock: owner and preemption count (for actions only)."""
    assert lock.owner is None
    lock.owner = task
    task.atomic += 1
    task.held[lock] = 1


def release_spinning(lock: SpinLockBase, task: Task) -> Task | None:
    """The action of freeing a spinlock; returns the owner found (for actions only)."""
    owner = lock.owner
    if owner is task:
        lock.owner = None
        task.atomic -= 1
        del task.held[lock]
    return owner


def _try(lock: SpinLockBase, task: Task) -> bool:
    if lock.owner is not None:
        return False
    take_spinning(lock, task)
    return True


def _try_touches(lock: SpinLockBase, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((lock, READ if lock.owner is not None else WRITE),)


def _take_irqs_off(lock: SpinLockBase, task: Task) -> None:
    take_spinning(lock, task)
    task.irqs_off += 1


def _release_irqs_on(lock: SpinLockBase, task: Task) -> Task | None:
    task.irqs_off -= 1
    return release_spinning(lock, task)


def _take_bh_off(lock: SpinLockBase, task: Task) -> None:
    take_spinning(lock, task)
    task.bh_off += 1


def _release_bh_on(lock: SpinLockBase, task: Task) -> Task | None:
    task.bh_off -= 1
    return release_spinning(lock, task)


SPIN_LOCK = Op("spinlock.lock", guard=_is_free, action=take_spinning, says="locks {}")
SPIN_LOCK_IRQ = Op(
    "spinlock.lock_irqsave", guard=_is_free, action=_take_irqs_off, says="locks {}, irqs off"
)
SPIN_UNLOCK_IRQ = Op(
    "spinlock.unlock_irqrestore", action=_release_irqs_on, says="unlocks {}, irqs as before"
)
SPIN_LOCK_BH = Op(
    "spinlock.lock_bh", guard=_is_free, action=_take_bh_off, says="locks {}, softirqs off"
)
SPIN_UNLOCK_BH = Op(
    "spinlock.unlock_bh", action=_release_bh_on, says="unlocks {}, softirqs as before"
)
SPIN_TRYLOCK = Op("spinlock.trylock", action=_try, touches=_try_touches, says="tries to lock {}")
SPIN_UNLOCK = Op("spinlock.unlock", action=release_spinning, says="unlocks {}")


class SpinLockBase:
    """What a spinlock can do. Without a constructor, so that a record may be a lock as well."""

    __slots__ = ("__weakref__", "name", "owner", "rt")

    is_lock = True
    is_spinning = True

    name: str
    owner: Task | None
    rt: Runtime

    @kernel("spin_lock")
    def lock(self) -> None:
        """Spin until the lock is free and take it. Context: any; atomic until unlock.

        Raises:
            ContractViolation: DF004, the task owns it already.
        """
        self.lock_with(SPIN_LOCK)

    @kernel("spin_trylock")
    def trylock(self) -> bool:
        """Take the lock if it is free; never spins. Context: any."""
        self.rt.step(SPIN_TRYLOCK, self)
        return bool(self.rt.current().value)

    @kernel("spin_unlock")
    def unlock(self) -> None:
        """Free the lock. Raises ContractViolation (DF004) unless the task owns it."""
        self.unlock_with(SPIN_UNLOCK)

    @no_kernel("what spin_lock and its variants share")
    def lock_with(self, op: Op) -> None:
        """Take it by the operation `op`. Raises ContractViolation (DF004) if held by the task."""
        rt = self.rt
        task = rt.current()
        if self.owner is task:
            rt.report("DF004", f"{task.name} locks {rt.label(self)}, which it holds already")
        rt.step(op, self)

    @no_kernel("what spin_unlock and its variants share")
    def unlock_with(self, op: Op) -> None:
        """Free it by the operation `op`. Raises ContractViolation (DF004) unless held."""
        rt = self.rt
        rt.step(op, self)
        task = rt.current()
        if task.value is not task:
            holder = task.value
            who = f"{holder.name} holds" if holder is not None else "nobody holds"
            rt.report("DF004", f"{task.name} unlocks {rt.label(self)}, which {who}")

    @contextmanager
    @kernel("spin_lock_irqsave", "spin_unlock_irqrestore", "spin_lock_irq", "spin_unlock_irq")
    def irqsave(self) -> Generator[SpinLockBase]:
        """Hold the lock with interrupts off on this CPU; restores what was. Context: any."""
        self.lock_with(SPIN_LOCK_IRQ)
        try:
            yield self
        finally:
            self.unlock_with(SPIN_UNLOCK_IRQ)

    @contextmanager
    @kernel("spin_lock_bh", "spin_unlock_bh")
    def bh(self) -> Generator[SpinLockBase]:
        """Hold the lock with softirqs off on this CPU. Context: any but a handler."""
        self.lock_with(SPIN_LOCK_BH)
        try:
            yield self
        finally:
            self.unlock_bh()

    @no_kernel("the second half of bh, for kapi")
    def unlock_bh(self) -> None:
        """Free the lock and turn softirqs on; with interrupts off that warns (DF003)."""
        self.unlock_with(SPIN_UNLOCK_BH)
        check_bh_enable(self.rt, self.rt.current())

    @kernel("spin_is_locked")
    def is_locked(self) -> bool:
        """Does anybody hold it? Without a step: for assertions only."""
        return self.owner is not None

    @no_kernel("with-statement for spin_lock")
    def __enter__(self) -> SpinLockBase:
        self.lock()
        return self

    @no_kernel("with-statement for spin_unlock")
    def __exit__(self, *_: object) -> None:
        self.unlock()

    def __repr__(self) -> str:
        owner = f"held by {self.owner.name}" if self.owner is not None else "free"
        return f"<SpinLock {self.name} {owner}>"


@kernel("spinlock_t")
class SpinLock(SpinLockBase):
    """A lock whose waiters spin: taken in any context, and its holder may not sleep.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ()

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "spinlock"
        self.owner = None
        self.rt = rt or ambient()
        note_spinlocks(self.rt)
        self.rt.adopt(self, name)


@kernel("raw_spinlock_t")
class RawSpinLock(SpinLock):
    """A spinlock that spins in every kernel: under PREEMPT_RT a plain one sleeps.

    So a plain one is not taken while it is held (the validator says so).

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ()

    is_raw = True
