"""The functions of dma-fence.h whose C signature is not that of the method behind it.

Mirrors: include/linux/dma-fence.h
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any

from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.fence_steps import Callback
from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.kapi.spell import (
    MAX_SCHEDULE_TIMEOUT,
    returns_errno,
    spelled,
    to_jiffies,
    to_ns,
)
from dmabuf.rt.ambient import ambient
from dmabuf.rt.clock import NS_PER_S
from dmabuf.sync.context import warn_on
from dmabuf.sync.spinlock import SpinLock

__all__ = ["dma_fence", "dma_fence_cb"]


def dma_fence() -> Fence:
    """Memory for a fence, as kzalloc gives it: `dma_fence_init` makes it one."""
    return Fence()


class dma_fence_cb:  # noqa: N801 - C spells it so
    """Memory for a callback; subclass it to embed it in something larger, as C does.

    Attributes:
        queued: what `add_callback` returned, None while it is on no list.
    """

    __slots__ = ("queued",)

    def __init__(self) -> None:
        self.queued: Callback | None = None


# -- making, counting --------------------------------------------------------------------------


@spelled("dma_fence_init")
def dma_fence_init(
    fence: Fence, ops: FenceOps, lock: SpinLock | None, context: int, seqno: int
) -> None:
    """Make `fence` a pending fence of a context; without a lock it has its own."""
    _init(fence, ops, lock, context, seqno, wide=False)


@spelled("dma_fence_init64")
def dma_fence_init64(
    fence: Fence, ops: FenceOps, lock: SpinLock | None, context: int, seqno: int
) -> None:
    """The same with seqnos compared as 64 bit."""
    _init(fence, ops, lock, context, seqno, wide=True)


def _init(
    fence: Fence, ops: FenceOps, lock: SpinLock | None, context: int, seqno: int, *, wide: bool
) -> None:
    name = type(ops).__name__
    timeline = Timeline(name, driver=name, ops=ops, lock=lock, context=context, wide=wide)
    timeline.init(fence, seqno)


@spelled("dma_fence_get")
def dma_fence_get(fence: Fence | None) -> Fence | None:
    """Take a reference; NULL stays NULL."""
    if fence is not None:
        fence.get()
    return fence


@spelled("dma_fence_get_rcu")
def dma_fence_get_rcu(fence: Fence) -> Fence | None:
    """Take a reference unless the last one is gone."""
    return fence.get()


@spelled("dma_fence_put")
def dma_fence_put(fence: Fence | None) -> None:
    """Put a reference; NULL is fine."""
    if fence is not None:
        fence.put()


# -- signalling --------------------------------------------------------------------------------


@spelled("dma_fence_signal")
def dma_fence_signal(fence: Fence) -> None:
    """Signal the fence and run its callbacks; a second time does nothing."""
    fence.signal()


@spelled("dma_fence_signal_locked")
def dma_fence_signal_locked(fence: Fence) -> None:
    """The same for a caller that holds the fence's lock."""
    fence.signal_locked()


@spelled("dma_fence_signal_timestamp")
def dma_fence_signal_timestamp(fence: Fence, timestamp: int) -> None:
    """Signal with a time in ns; no signalling section of its own."""
    fence.signal(timestamp=timestamp)


@spelled("dma_fence_signal_timestamp_locked")
def dma_fence_signal_timestamp_locked(fence: Fence, timestamp: int) -> None:
    """The same for a caller that holds the fence's lock."""
    fence.signal_locked(timestamp=timestamp)


@spelled("dma_fence_add_callback")
@returns_errno
def dma_fence_add_callback(
    fence: Fence | None, cb: dma_fence_cb | None, func: Callable[[Fence, Any], object] | None
) -> int:
    """Call `func(fence, cb)` at the signal; 0, -ENOENT if signalled, -EINVAL for NULL."""
    if fence is None or cb is None or func is None:
        warn_on(ambient(), "dma_fence_add_callback without a fence, a callback or a function")
        return -errno.EINVAL
    cb.queued = None
    queued = fence.add_callback(lambda signaled: func(signaled, cb))
    if queued is None:
        return -errno.ENOENT
    cb.queued = queued
    return 0


@spelled("dma_fence_remove_callback")
def dma_fence_remove_callback(fence: Fence, cb: dma_fence_cb) -> bool:
    """True if it was still queued."""
    return cb.queued is not None and fence.remove_callback(cb.queued)


# -- waiting -----------------------------------------------------------------------------------


@spelled("dma_fence_wait_timeout")
@returns_errno
def dma_fence_wait_timeout(fence: Fence, intr: bool, timeout: int) -> int:
    """Jiffies left (at least 1) if signalled, 0 if the time ran out, -ERESTARTSYS, -EINVAL."""
    if timeout < 0:
        warn_on(fence.timeline.rt, f"dma_fence_wait_timeout with timeout {timeout}")
        return -errno.EINVAL
    return _left(fence.wait_ns(to_ns(timeout), interruptible=intr), timeout)


@spelled("dma_fence_default_wait")
@returns_errno
def dma_fence_default_wait(fence: Fence, intr: bool, timeout: int) -> int:
    """What `dma_fence_wait_timeout` does for a driver without a wait of its own."""
    return _left(fence.default_wait_ns(to_ns(timeout), interruptible=intr), timeout)


def _left(ns: int, timeout: int) -> int:
    """Jiffies left, of those that were given."""
    if not ns:
        return 0
    return timeout if timeout >= MAX_SCHEDULE_TIMEOUT else max(min(to_jiffies(ns), timeout), 1)


@spelled("dma_fence_wait")
def dma_fence_wait(fence: Fence, intr: bool) -> int:
    """Wait for ever: 0 or -ERESTARTSYS."""
    return min(int(dma_fence_wait_timeout(fence, intr, MAX_SCHEDULE_TIMEOUT)), 0)


@spelled("dma_fence_wait_any_timeout")
@returns_errno
def dma_fence_wait_any_timeout(
    fences: Sequence[Fence], count: int, intr: bool, timeout: int, idx: list[int] | None
) -> int:
    """Jiffies left if one is signalled (`idx[0]` says which), 0, -ERESTARTSYS, -EINVAL."""
    limit = to_ns(timeout) if timeout >= 0 else -1
    rt = fences[0].timeline.rt if fences else ambient()
    started = rt.now() if limit else 0
    found = wait_any(
        fences[:count],
        None if limit is None else limit / NS_PER_S,
        interruptible=intr,
    )
    if found is None:
        return 0
    if idx is not None:
        idx[:1] = [found]
    if not limit:
        return timeout or 1
    return _left(max(limit - (rt.now() - started), 1), timeout)
