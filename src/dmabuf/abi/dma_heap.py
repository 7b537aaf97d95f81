"""Numbers of a dma-heap's device.

Mirrors: include/uapi/linux/dma-heap.h

    >>> dma_heap_allocation_data(len=4096, fd_flags=0o2000002).pack()[:2].hex()
    '0010'
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOWR
from dmabuf.abi.layout import Struct, u32, u64

__all__ = [
    "DMA_HEAP_IOCTL_ALLOC",
    "DMA_HEAP_IOC_MAGIC",
    "DMA_HEAP_VALID_FD_FLAGS",
    "DMA_HEAP_VALID_HEAP_FLAGS",
    "dma_heap_allocation_data",
]

DMA_HEAP_VALID_FD_FLAGS = 0o2000000 | 0o3  # O_CLOEXEC | O_ACCMODE
DMA_HEAP_VALID_HEAP_FLAGS = 0


class dma_heap_allocation_data(Struct):
    """What to allocate, in bytes; `fd` is the answer."""

    len: u64 = 0
    fd: u32 = 0
    fd_flags: u32 = 0
    heap_flags: u64 = 0


DMA_HEAP_IOC_MAGIC = ord("H")
DMA_HEAP_IOCTL_ALLOC = _IOWR(DMA_HEAP_IOC_MAGIC, 0x0, dma_heap_allocation_data.SIZE)
