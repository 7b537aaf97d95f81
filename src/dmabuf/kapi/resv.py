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

from dmabuf.errors import AlreadyLocked, Interrupted, WouldDeadlock
from dmabuf.kapi.spell import spelled
from dmabuf.sync.ww_acquire import WwAcquire
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["ww_acquire_ctx"]


def ww_acquire_ctx() -> WwAcquire:
    """Memory for a context: `ww_acquire_init` makes it one."""
    return WwAcquire.__new__(WwAcquire)


def _answer(lock: Callable[[], object]) -> int:
    """0, -EDEADLK, -EALREADY or -EINTR."""
    try:
        lock()
    except (WouldDeadlock, AlreadyLocked) as error:
        return -(error.errno or 0)
    except Interrupted:
        return -errno.EINTR
    return 0


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
