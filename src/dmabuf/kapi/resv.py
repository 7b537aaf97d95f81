"""Locks with acquire contexts, as C spells them: a context argument, and errno answers.

Mirrors: include/linux/ww_mutex.h, include/linux/dma-resv.h

    >>> from dmabuf import kapi
    >>> from dmabuf.sync.ww_mutex import WwMutex
    >>> lock, ctx = WwMutex("A"), kapi.ww_acquire_ctx()
    >>> kapi.ww_acquire_init(ctx, lock.ww_class)
    >>> kapi.ww_mutex_lock(lock, ctx), kapi.ww_mutex_lock(lock, ctx) == -errno.EALREADY
    (0, True)
    >>> kapi.ww_mutex_unlock(lock); kapi.ww_acquire_fini(ctx)
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.resv_iter import ResvIter
from dmabuf.errors import AlreadyLocked, Interrupted, WouldDeadlock
from dmabuf.kapi.spell import MAX_SCHEDULE_TIMEOUT, returns_errno, spelled, to_jiffies, to_ns
from dmabuf.sync.ww_acquire import WwAcquire, WwClass
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["dma_resv", "dma_resv_iter", "ww_acquire_ctx"]


def ww_acquire_ctx() -> WwAcquire:
    """Memory for a context: `ww_acquire_init` makes it one."""
    return WwAcquire.__new__(WwAcquire)


def dma_resv() -> Resv:
    """Memory for a reservation object: `dma_resv_init` makes it one."""
    return Resv.__new__(Resv)


def dma_resv_iter() -> ResvIter:
    """Memory for a cursor: `dma_resv_iter_begin` makes it one."""
    return ResvIter.__new__(ResvIter)


def _answer(lock: Callable[[], object]) -> int:
    """0, -EDEADLK, -EALREADY or -EINTR."""
    try:
        lock()
    except (WouldDeadlock, AlreadyLocked) as error:
        return -(error.errno or 0)
    except Interrupted:
        return -errno.EINTR
    return 0


@spelled("ww_mutex_init")
def ww_mutex_init(lock: WwMutex, ww_class: WwClass) -> None:
    """Make memory a lock of that class."""
    WwMutex.__init__(lock, "", ww_class)


@spelled("ww_mutex_lock")
def ww_mutex_lock(lock: WwMutex, ctx: WwAcquire | None) -> int:
    """0, -EDEADLK or -EALREADY."""
    return _answer(lambda: lock.lock(ctx))


@spelled("ww_mutex_lock_interruptible")
def ww_mutex_lock_interruptible(lock: WwMutex, ctx: WwAcquire | None) -> int:
    """0, -EDEADLK, -EALREADY or -EINTR."""
    return _answer(lambda: lock.lock_interruptible(ctx))


@spelled("ww_mutex_lock_slow")
def ww_mutex_lock_slow(lock: WwMutex, ctx: WwAcquire) -> None:
    """Take the lock that answered -EDEADLK; whatever comes of it is not told."""
    _answer(lambda: lock.lock_slow(ctx))


@spelled("ww_mutex_lock_slow_interruptible")
def ww_mutex_lock_slow_interruptible(lock: WwMutex, ctx: WwAcquire) -> int:
    """0 or -EINTR."""
    return _answer(lambda: lock.lock_slow_interruptible(ctx))


@spelled("ww_mutex_trylock")
def ww_mutex_trylock(lock: WwMutex, ctx: WwAcquire | None) -> int:
    """1 if it was taken, else 0."""
    return int(lock.trylock(ctx))


# -- reservation objects -------------------------------------------------------------------------


@spelled("dma_resv_init")
def dma_resv_init(obj: Resv) -> None:
    """Make memory a reservation object."""
    Resv.__init__(obj)


@spelled("dma_resv_usage_rw")
def dma_resv_usage_rw(write: bool) -> Usage:
    """What a new access has to wait for."""
    return usage_rw(write=write)


@spelled("dma_resv_lock")
def dma_resv_lock(obj: Resv, ctx: WwAcquire | None) -> int:
    """0, -EDEADLK or -EALREADY."""
    return _answer(lambda: obj.lock(ctx))


@spelled("dma_resv_lock_interruptible")
def dma_resv_lock_interruptible(obj: Resv, ctx: WwAcquire | None) -> int:
    """0, -EDEADLK, -EALREADY or -EINTR."""
    return _answer(lambda: obj.lock_interruptible(ctx))


@spelled("dma_resv_lock_slow")
def dma_resv_lock_slow(obj: Resv, ctx: WwAcquire) -> None:
    """Take the one that answered -EDEADLK; whatever comes of it is not told."""
    _answer(lambda: obj.lock_slow(ctx))


@spelled("dma_resv_lock_slow_interruptible")
def dma_resv_lock_slow_interruptible(obj: Resv, ctx: WwAcquire) -> int:
    """0 or -EINTR."""
    return _answer(lambda: obj.lock_slow_interruptible(ctx))


@spelled("dma_resv_reserve_fences")
@returns_errno
def dma_resv_reserve_fences(obj: Resv, num_fences: int) -> int:
    """0, -EINVAL or -ENOMEM."""
    obj.reserve_fences(num_fences)
    return 0


@spelled("dma_resv_copy_fences")
@returns_errno
def dma_resv_copy_fences(dst: Resv, src: Resv) -> int:
    """0 or -ENOMEM."""
    dst.copy_fences(src)
    return 0


@spelled("dma_resv_get_fences")
@returns_errno
def dma_resv_get_fences(
    obj: Resv, usage: Usage, num_fences: list[int], fences: list[list[Any] | None]
) -> int:
    """0 or -ENOMEM; `num_fences[0]` and `fences[0]` (None for no fences) are set."""
    num_fences[:1], fences[:1] = [0], [None]
    found = obj.get_fences(usage)
    num_fences[:1], fences[:1] = [len(found)], [found or None]
    return 0


@spelled("dma_resv_get_singleton")
@returns_errno
def dma_resv_get_singleton(obj: Resv, usage: Usage, fence: list[Any]) -> int:
    """0 or -ENOMEM; `fence[0]` is set."""
    fence[:1] = [obj.get_singleton(usage)]
    return 0


@spelled("dma_resv_wait_timeout")
@returns_errno
def dma_resv_wait_timeout(obj: Resv, usage: Usage, intr: bool, timeout: int) -> int:
    """Jiffies left (at least 1), 0 if the time ran out, -ERESTARTSYS."""
    left = obj.wait_ns(usage, to_ns(timeout), interruptible=intr)
    if left <= 0 or timeout >= MAX_SCHEDULE_TIMEOUT:
        return timeout if left > 0 else left
    return max(min(to_jiffies(left), timeout), 1)
