"""A fence's names: its driver's while it is pending, the kernel's own answers afterwards.

Mirrors: drivers/dma-buf/dma-fence.c (dma_fence_driver_name, dma_fence_timeline_name)

    >>> from dmabuf.core.timeline import Timeline
    >>> fence = Timeline("gpu", driver="drv").fence()
    >>> driver_name(fence)
    'drv'
    >>> fence.signal(); driver_name(fence), timeline_name(fence)
    ('detached-driver', 'signaled-timeline')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core import fence_steps as steps
from dmabuf.core.fence_free import check_use
from dmabuf.sync.context import warn_on
from dmabuf.sync.rcu import rcu_read_lock_held

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["check_rcu", "driver_name", "timeline_name"]

DETACHED_DRIVER = "detached-driver"
SIGNALED_TIMELINE = "signaled-timeline"


@no_kernel("dma_fence_driver_name for a caller known to be a reader")
def driver_name(fence: Fence) -> str:
    """The driver's name. Context: any."""
    if steps.is_flagged(fence):
        return DETACHED_DRIVER
    return fence.timeline.ops.get_driver_name(fence)


@no_kernel("dma_fence_timeline_name for a caller known to be a reader")
def timeline_name(fence: Fence) -> str:
    """The timeline's name. Context: any."""
    if steps.is_flagged(fence):
        return SIGNALED_TIMELINE
    return fence.timeline.ops.get_timeline_name(fence)


@no_kernel("RCU_LOCKDEP_WARN of reading a name")
def check_rcu(fence: Fence, what: str) -> None:
    """Warn (DF004) of reading a name of a pending fence outside `rcu_read_lock`.

    The fence may signal and its driver go while the caller looks at the driver's string. Checked
    where somebody looks for mistakes, that is, explored or with an observer: a Python string
    stays, so a live program may print names as it likes.
    """
    rt = fence.timeline.rt
    if not (rt.explored or rt.observed):
        return
    rt.step(steps.TEST, fence)
    signaled = rt.current().value
    check_use(fence, f"reads {what} of")
    if not signaled and not rcu_read_lock_held(rt):
        warn_on(rt, f"{rt.current().name} reads {what} of {fence.name} outside rcu_read_lock")
