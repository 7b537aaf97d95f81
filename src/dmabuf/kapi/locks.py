"""Locks where C spells a pair or a variant by name, or answers with an errno.

What an `_irqsave` call returns is opaque here as it is there: hand it to the `_irqrestore`.

Mirrors: include/linux/spinlock.h, include/linux/rwlock.h, include/linux/mutex.h,
include/linux/rwsem.h, include/linux/semaphore.h, include/linux/lockdep.h
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Hashable
from typing import Any

from dmabuf.errors import Interrupted
from dmabuf.kapi.spell import Flags, entered, left, spelled, to_ns
from dmabuf.rt.clock import NS_PER_S
from dmabuf.sync.lockdep import assert_held, lock_is_held, lockdep_set_class
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.spinlock import (
    SPIN_LOCK_BH,
    SPIN_LOCK_IRQ,
    SPIN_UNLOCK_IRQ,
    SpinLockBase,
)

__all__: list[str] = []


def _zero_or_intr(take: Callable[[], object]) -> int:
    """0 once it is taken, -EINTR if a pending signal came first."""
    try:
        take()
    except Interrupted:
        return -errno.EINTR
    return 0


# -- spinning ----------------------------------------------------------------------------------


@spelled("spin_lock_irqsave")
def spin_lock_irqsave(lock: SpinLockBase) -> Flags:
    """Take the lock with interrupts off; returns the flags."""
    return entered(lock.irqsave())


@spelled("read_lock_irqsave")
def read_lock_irqsave(lock: RwLock) -> Flags:
    """Read with interrupts off; returns the flags."""
    return entered(lock.read_irqsave())


@spelled("write_lock_irqsave")
def write_lock_irqsave(lock: RwLock) -> Flags:
    """Write with interrupts off; returns the flags."""
    return entered(lock.write_irqsave())


@spelled("spin_unlock_irqrestore", "read_unlock_irqrestore", "write_unlock_irqrestore")
def unlock_irqrestore(_lock: Any, flags: Flags) -> None:
    """Free the lock; interrupts are as they were."""
    left(flags)


@spelled("spin_lock_irq")
def spin_lock_irq(lock: SpinLockBase) -> None:
    """Take the lock with interrupts off."""
    lock.lock_with(SPIN_LOCK_IRQ)


@spelled("spin_unlock_irq")
def spin_unlock_irq(lock: SpinLockBase) -> None:
    """Free the lock and turn interrupts on."""
    lock.unlock_with(SPIN_UNLOCK_IRQ)


@spelled("spin_lock_bh")
def spin_lock_bh(lock: SpinLockBase) -> None:
    """Take the lock with softirqs off."""
    lock.lock_with(SPIN_LOCK_BH)


@spelled("spin_unlock_bh")
def spin_unlock_bh(lock: SpinLockBase) -> None:
    """Free the lock and turn softirqs on."""
    lock.unlock_bh()


@spelled("read_lock_irq")
def read_lock_irq(lock: RwLock) -> None:
    """Read with interrupts off."""
    lock.read_lock(irqs_off=True)


@spelled("read_unlock_irq")
def read_unlock_irq(lock: RwLock) -> None:
    """End reading and turn interrupts on."""
    lock.read_unlock(irqs_off=True)


@spelled("write_lock_irq")
def write_lock_irq(lock: RwLock) -> None:
    """Write with interrupts off."""
    lock.write_lock(irqs_off=True)


@spelled("write_unlock_irq")
def write_unlock_irq(lock: RwLock) -> None:
    """End writing and turn interrupts on."""
    lock.write_unlock(irqs_off=True)


@spelled("read_lock")
def read_lock(lock: RwLock) -> None:
    """Read."""
    lock.read_lock()


@spelled("read_unlock")
def read_unlock(lock: RwLock) -> None:
    """End reading."""
    lock.read_unlock()


@spelled("write_lock")
def write_lock(lock: RwLock) -> None:
    """Write."""
    lock.write_lock()


@spelled("write_unlock")
def write_unlock(lock: RwLock) -> None:
    """End writing."""
    lock.write_unlock()


# -- sleeping ----------------------------------------------------------------------------------


@spelled("mutex_lock_interruptible")
def mutex_lock_interruptible(lock: Mutex) -> int:
    """0 or -EINTR."""
    return _zero_or_intr(lock.lock_interruptible)


@spelled("down_read")
def down_read(sem: RwSem) -> None:
    """Take for reading."""
    sem.down_read()


@spelled("down_read_interruptible")
def down_read_interruptible(sem: RwSem) -> int:
    """0 or -EINTR."""
    return _zero_or_intr(lambda: sem.down_read(interruptible=True))


@spelled("down_read_killable")
def down_read_killable(sem: RwSem) -> int:
    """0 or -EINTR."""
    return _zero_or_intr(lambda: sem.down_read(killable=True))


@spelled("down_write")
def down_write(sem: RwSem) -> None:
    """Take for writing."""
    sem.down_write()


@spelled("down_write_killable")
def down_write_killable(sem: RwSem) -> int:
    """0 or -EINTR."""
    return _zero_or_intr(lambda: sem.down_write(killable=True))


@spelled("down_interruptible", "down_killable")
def down_interruptible(sem: Semaphore) -> int:
    """0 or -EINTR."""
    return _zero_or_intr(sem.down_interruptible)


@spelled("down_trylock")
def down_trylock(sem: Semaphore) -> int:
    """0 if it was taken, 1 if not: the other way round than all other trylocks."""
    return 0 if sem.down_trylock() else 1


@spelled("down_timeout")
def down_timeout(sem: Semaphore, timeout: int) -> int:
    """0, or -ETIME when `timeout` jiffies are over."""
    limit = to_ns(timeout)
    if limit is None:
        sem.down()
        return 0
    return 0 if sem.down_timeout(limit / NS_PER_S) else -errno.ETIME


# -- assertions --------------------------------------------------------------------------------


@spelled("lock_is_held", "lockdep_is_held")
def is_held(lock: Any) -> bool:
    """Does the calling task hold it, in any way?"""
    return bool(lock_is_held(lock))


@spelled("lock_is_held_type", "lockdep_is_held_type")
def is_held_type(lock: Any, read: int) -> bool:
    """The same for one way: 0 to write, 1 to read, -1 any."""
    hold = lock_is_held(lock)
    return bool(hold) and (read < 0 or (hold.value == "read") == bool(read))


@spelled("lockdep_assert_held")
def lockdep_assert_held(lock: Any) -> None:
    """Warn unless the calling task holds it."""
    assert_held(lock)


@spelled("lockdep_assert_held_once")
def lockdep_assert_held_once(lock: Any) -> None:
    """The same, at most once."""
    assert_held(lock, once=True)


@spelled("lockdep_set_class_and_name")
def lockdep_set_class_and_name(lock: Any, key: Hashable, name: str) -> None:
    """Its class is that of the key; here the lock itself has the name."""
    del name
    lockdep_set_class(lock, key)
