"""Heaps: where userspace gets buffers that no device has made.

Mirrors: include/linux/dma-heap.h, drivers/dma-buf/dma-heap.c, drivers/dma-buf/heaps/system_heap.c

    >>> heap = SystemHeap()
    >>> frame = heap.alloc(1920 * 1080 * 4)
    >>> with frame.cpu_access(Access.WRITE) as view:
    ...     view[:4] = b"RGBA"
    >>> frame.exp_name, frame.size % 4096
    ('system', 0)
    >>> frame.put()

The kernel's heap has the memory at once, and ends in the OOM killer where there is not enough.
Here pages come when they are first used, and what can never be there is ENOMEM.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from dmabuf._names import kernel, no_kernel
from dmabuf.abi.dma_heap import DMA_HEAP_VALID_FD_FLAGS, DMA_HEAP_VALID_HEAP_FLAGS
from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_memory import CHUNK_PAGES, Backing, MemoryOps
from dmabuf.core.dma_map import Access
from dmabuf.core.memory import Memory
from dmabuf.core.pages import PAGE_SIZE, SIZE_MAX
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime

__all__ = ["Access", "DmaHeap", "SystemHeap"]

_U64 = (1 << 64) - 1
_OPS = MemoryOps()


@kernel("struct dma_heap", "dma_heap_add")
class DmaHeap:
    """A heap.

    Args:
        name: what the exporter of its buffers is called.
        coherent: does the CPU see at once what a device writes, and the other way round?
        chunk_pages: in which pieces its memory comes, in pages, the largest first.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("_name", "chunk_pages", "coherent", "rt")

    def __init__(
        self,
        name: str,
        *,
        coherent: bool = True,
        chunk_pages: Sequence[int] = CHUNK_PAGES,
        rt: Runtime | None = None,
    ) -> None:
        self._name = name
        self.coherent = coherent
        self.chunk_pages = tuple(chunk_pages)
        self.rt = rt or ambient()

    @property
    @kernel("dma_heap_get_name")
    def name(self) -> str:
        """Its name. Context: any."""
        return self._name

    @no_kernel("DMA_HEAP_IOCTL_ALLOC, a static function there")
    def alloc(
        self,
        length: int,
        fd_flags: int = os.O_RDWR | os.O_CLOEXEC,
        heap_flags: int = 0,
        *,
        name: str = "",
    ) -> DmaBuf:
        """A buffer of zeros. Context: process, may sleep.

        Args:
            length: bytes, rounded up to pages.
            fd_flags: of the descriptor: access mode and O_CLOEXEC.
            heap_flags: none are defined.
            name: of the buffer.

        Raises:
            OSError: EINVAL, fd_flags, heap_flags or length, looked at in this order; ENOMEM;
                live, EMFILE or ENFILE.
        """
        if fd_flags & ~DMA_HEAP_VALID_FD_FLAGS:
            raise OSError(errno.EINVAL, f"no flags of a heap's descriptor: {fd_flags:#o}")
        if heap_flags & ~DMA_HEAP_VALID_HEAP_FLAGS:
            raise OSError(errno.EINVAL, f"no flags of a heap: {heap_flags:#x}")
        size = _rounded(length)
        memory = Memory(size, name or self.name, coherent=self.coherent, rt=self.rt)
        try:
            backing = Backing(memory, self.chunk_pages)
            return export(_OPS, size, priv=backing, exp_name=self.name, name=name, rt=self.rt)
        except BaseException:
            memory.close()
            raise

    def __repr__(self) -> str:
        return f"<DmaHeap {self.name}{'' if self.coherent else ', not coherent'}>"


def _rounded(length: int) -> int:
    """Whole pages, in 64 bits as the kernel counts them."""
    size = (length + PAGE_SIZE - 1 & -PAGE_SIZE) & _U64
    if not 0 <= length <= _U64 or not size:
        raise OSError(errno.EINVAL, f"no length of a buffer: {length}")
    if size > SIZE_MAX:
        raise OSError(errno.ENOMEM, f"no memory for {length} bytes")
    return size


class SystemHeap(DmaHeap):
    """The heap "system": any pages, in pieces of up to 1 MiB that do not lie side by side.

    Args:
        coherent: does the CPU see at once what a device writes, and the other way round?
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ()

    def __init__(self, *, coherent: bool = True, rt: Runtime | None = None) -> None:
        super().__init__("system", coherent=coherent, rt=rt)
