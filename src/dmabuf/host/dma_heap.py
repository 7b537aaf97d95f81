"""A real heap: buffers of the kernel's own memory.

Mirrors: include/uapi/linux/dma-heap.h

    with HeapFd.open() as heap, heap.alloc(1 << 20) as buffer:
        pixels = buffer.map()
"""

from __future__ import annotations

import os

from dmabuf.abi.dma_heap import DMA_HEAP_IOCTL_ALLOC, dma_heap_allocation_data
from dmabuf.host.dma_buf import DmaBufFd
from dmabuf.host.owned import Owned, call, open_device

__all__ = ["FOLDER", "REMEDY", "HeapFd"]

FOLDER = "/dev/dma_heap"
REMEDY = "a kernel with CONFIG_DMABUF_HEAPS_SYSTEM, and the right to open the node"


class HeapFd(Owned):
    """Owns a heap's device."""

    __slots__ = ()

    @classmethod
    def open(cls, name: str = "system") -> HeapFd:
        """The heap of that name.

        Raises:
            NotAvailable: it is not here.
        """
        return cls(open_device(f"{FOLDER}/{name}", REMEDY))

    def alloc(
        self,
        length: int,
        fd_flags: int = os.O_RDWR | os.O_CLOEXEC,
        heap_flags: int = 0,
        *,
        fd: int = 0,
    ) -> DmaBufFd:
        """A zeroed buffer of at least that many bytes.

        Raises:
            OSError: EINVAL, length, flags or fd; ENOMEM; EMFILE.
        """
        wanted = dma_heap_allocation_data(
            len=length, fd=fd, fd_flags=fd_flags, heap_flags=heap_flags
        )
        return DmaBufFd(call(self.fileno(), DMA_HEAP_IOCTL_ALLOC, wanted).fd)
