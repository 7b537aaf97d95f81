"""Taking a reference to a fence that others may replace and put at any moment.

Mirrors: include/linux/dma-fence.h (dma_fence_get_rcu_safe)

    >>> from dmabuf.core.timeline import Timeline
    >>> from dmabuf.sync.shared import Shared
    >>> fence = Timeline("gpu").fence()
    >>> get_rcu_safe(Shared(fence, "slot")) is fence
    True
"""

from __future__ import annotations

from typing import Protocol

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence

__all__ = ["Slot", "get_rcu_safe"]


class Slot(Protocol):
    """A cell that others write while it is read."""

    @no_kernel("rcu_dereference of the slot")
    def read(self) -> Fence | None:
        """What it points to now."""
        ...


@kernel("dma_fence_get_rcu_safe")
def get_rcu_safe(slot: Slot) -> Fence | None:
    """A counted reference to the fence that `slot` points to. Context: any, under RCU.

    The fence may be put for the last time, or its memory be used for another one, between
    reading the slot and taking the reference; so the slot is read again, and if it points
    elsewhere by then everything starts anew.

    Returns None if the slot is empty.
    """
    while True:
        fence = slot.read()
        if fence is None:
            return None
        if fence.get() is None:
            continue
        if slot.read() is fence:
            return fence
        fence.put()
