"""What chains and arrays have in common: a fence that stands for others, signalled late.

Mirrors: include/linux/dma-fence.h (dma_fence_is_container)

A container is a fence whose operations look at other fences. Its signal is put off to irq work,
because the last contained fence signals with its own lock held, under which the container's lock
must not be taken.

    >>> from dmabuf.core.timeline import Timeline
    >>> is_container(Timeline("gpu").fence())
    False

A container takes over one counted reference to each fence that it is given, as in the kernel. It
puts them when its own last one is put; live, where nobody counts, Python's references do.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.fence_steps import State
from dmabuf.core.timeline import introduce
from dmabuf.sync.context import allocate
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.irq_work import IrqWork

if TYPE_CHECKING:
    from dmabuf.rt.api import Runtime

__all__ = ["ContainerOps", "FenceContainer", "allocate_or_fail", "is_container", "was_put"]


@no_kernel("kmalloc(.., GFP_KERNEL) and the caller's -ENOMEM")
def allocate_or_fail(what: str, rt: Runtime) -> None:
    """Where the kernel allocates with GFP_KERNEL. Context: process.

    The kernel's functions answer NULL, of which every caller makes -ENOMEM; as a forgotten test
    for None would go unnoticed until much later, here the failure is raised at once.

    Raises:
        OSError: ENOMEM.
    """
    if not allocate(Gfp.KERNEL, what, runtime=rt):
        raise OSError(errno.ENOMEM, f"no memory for {what}")


class FenceContainer(Fence):
    """Base of `FenceChain` and `FenceArray`.

    Attributes:
        _work: explored, the irq work that signals it, which needs a name from the start; live it
            is made when it is needed, so that a container is small and refers to nothing that
            refers to it.
    """

    __slots__ = ("_work",)

    _work: IrqWork | None

    def _introduce(self) -> None:
        """Explored or observed: names in reports, and the irq work."""
        introduce(self)
        rt = self.timeline.rt
        if rt.explored:
            self._work = IrqWork(self._settle, f"{self.name}.work", rt=rt)

    def _settle(self) -> None:
        """What the irq work does. Context: irq."""
        raise NotImplementedError

    def _settle_soon(self) -> None:
        """Queue the irq work. Context: any; called with the lock of a contained fence held."""
        work = self._work or IrqWork(self._settle, f"{self.name}.work", rt=self.timeline.rt)
        work.queue()

    def _is_broken_promise(self) -> bool:
        """Is it collected while somebody waits for its signal?"""
        state = self._state
        return isinstance(state, State) and bool(state.callbacks) and state.references > 0

    def __del__(self) -> None:
        if self._is_broken_promise():
            self.timeline.rt.defer(self.release)


class ContainerOps(FenceOps):
    """The name that all containers answer for their timeline."""

    def get_timeline_name(self, fence: Fence) -> str:
        """A container belongs to no timeline of a driver."""
        del fence
        return "unbound"


@kernel("dma_fence_is_container")
def is_container(fence: Fence | None) -> bool:
    """Is it a chain or an array, signalled or not? Context: any."""
    return isinstance(fence, FenceContainer)


@no_kernel("a release that comes from the last dma_fence_put")
def was_put(fence: Fence) -> bool:
    """Was the last counted reference put, so that those of contained fences are to be put?"""
    state = fence._state
    return isinstance(state, State) and not state.references
