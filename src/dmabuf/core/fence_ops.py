"""What a driver supplies for its fences, and the numbers of fence contexts.

Mirrors: include/linux/dma-fence.h (struct dma_fence_ops, dma_fence_context_alloc)

    >>> class MyOps(FenceOps):
    ...     def get_driver_name(self, fence): return "mydrv"
    ...     def get_timeline_name(self, fence): return "ring0"
    >>> check_names(MyOps())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["HOOKED", "FenceOps", "NamedOps", "check_names", "context_alloc"]

_CONTEXTS = "dma_fence contexts"
HOOKED = "dma_fence enable hooks"
"""In the `extras` of a runtime where some driver has to be asked to turn signalling on."""


@kernel("dma_fence_context_alloc")
def context_alloc(num: int = 1, *, rt: Runtime | None = None) -> int:
    """The first of `num` consecutive new fence contexts; counting starts at 1. Context: any.

    Zero contexts is a caller's mistake: it warns and answers the next number.
    """
    rt = rt or ambient()
    if num <= 0:
        warn_on(rt, f"context_alloc({num}): at least one context is needed")
    with rt.mutex:
        first: int = rt.extras.get(_CONTEXTS, 1)
        rt.extras[_CONTEXTS] = first + max(num, 0)
    return first


@kernel("struct dma_fence_ops")
class FenceOps:
    """What a driver supplies for its fences; subclass it. Both names are mandatory.

    The other hooks are optional; a class that lacks one leaves it None:

    * ``enable_signaling(fence) -> bool``: called at most once, fence lock held, irqs off;
      False means "signalled already".
    * ``signaled(fence) -> bool``: a true answer signals the fence.
    * ``wait(fence, interruptible, timeout_ns) -> int``: instead of the default wait.
    * ``release(fence)``: the last reference is gone.
    * ``set_deadline(fence, deadline_ns)``: called without the lock, any number of times.
    """

    enable_signaling: Any = None
    signaled: Any = None
    wait: Any = None
    release: Any = None
    set_deadline: Any = None

    @no_kernel("ops->get_driver_name, a member of struct dma_fence_ops")
    def get_driver_name(self, fence: Fence) -> str:
        """Name of the driver."""
        raise NotImplementedError

    @no_kernel("ops->get_timeline_name, a member of struct dma_fence_ops")
    def get_timeline_name(self, fence: Fence) -> str:
        """Name of the timeline."""
        raise NotImplementedError


class NamedOps(FenceOps):
    """Operations of a timeline that was given names and nothing else."""

    def get_driver_name(self, fence: Fence) -> str:
        """The name given to the timeline for its driver."""
        return fence.timeline.driver

    def get_timeline_name(self, fence: Fence) -> str:
        """The name given to the timeline."""
        return fence.timeline.name


def check_names(ops: FenceOps) -> None:
    """Both name hooks are mandatory (the kernel stops hard without them): TypeError."""
    for mandatory in ("get_driver_name", "get_timeline_name"):
        if getattr(type(ops), mandatory) is getattr(FenceOps, mandatory):
            raise TypeError(
                f"{type(ops).__name__} lacks {mandatory}, which fence operations must have"
            )
