"""The wait of a fence whose driver brings none of its own.

Mirrors: drivers/dma-buf/dma-fence.c (dma_fence_default_wait)
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.fence_free import check_use
from dmabuf.core.fence_steps import LOOK, SETTLE, WAIT
from dmabuf.errors import Interrupted
from dmabuf.rt.api import Outcome
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["checked_ns", "default_wait"]


@no_kernel("the WARN_ON of a negative timeout")
def checked_ns(fence: Fence, timeout: float) -> int:
    """A timeout in seconds as ns. Raises OSError (EINVAL) if it is negative, after a warning."""
    if timeout < 0:
        warn_on(fence.timeline.rt, f"wait for {fence.name} with timeout {timeout}")
        raise OSError(errno.EINVAL, f"a timeout is not negative: {timeout}")
    return to_ns(timeout)


@no_kernel("dma_fence_default_wait in nanoseconds")
def default_wait(fence: Fence, limit: int | None, *, interruptible: bool) -> int:
    """Wait at most `limit` ns; the time left, at least 1, or 0 if it ran out. Context: process.

    Raises Interrupted if a signal was pending before the fence was signalled.
    """
    rt = fence.timeline.rt
    if limit == 0:
        return _look(fence, interruptible)
    deadline = None if limit is None else rt.now() + limit
    outcome = rt.step(WAIT, fence, deadline=deadline, interruptible=interruptible)
    lock_was_free = rt.current().value if outcome is Outcome.DONE else False
    check_use(fence, "waits for")
    if not lock_was_free:
        rt.step(SETTLE, fence)
    if outcome is Outcome.INTERRUPTED:
        raise Interrupted(f"wait for {fence.name}")
    if outcome is Outcome.TIMED_OUT:
        return 0
    return 1 if deadline is None else max(deadline - rt.now(), 1)


def _look(fence: Fence, interruptible: bool) -> int:
    """What a wait without time answers: 1 or 0."""
    rt = fence.timeline.rt
    rt.step(LOOK, fence, interruptible)
    outcome = rt.current().value
    check_use(fence, "looks at")
    if outcome is Outcome.INTERRUPTED:
        raise Interrupted(f"wait for {fence.name}")
    if outcome is Outcome.TIMED_OUT:
        return 0
    rt.step(SETTLE, fence)
    return 1
