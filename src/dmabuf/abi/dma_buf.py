"""Numbers of a dma-buf's file.

Mirrors: include/uapi/linux/dma-buf.h

    >>> dma_buf_export_sync_file(flags=DMA_BUF_SYNC_READ, fd=-1).pack().hex()
    '01000000ffffffff'
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOW, _IOWR
from dmabuf.abi.layout import Struct, s32, u32, u64

__all__ = [
    "DMA_BUF_BASE",
    "DMA_BUF_IOCTL_EXPORT_SYNC_FILE",
    "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
    "DMA_BUF_IOCTL_SYNC",
    "DMA_BUF_NAME_LEN",
    "DMA_BUF_SET_NAME",
    "DMA_BUF_SET_NAME_A",
    "DMA_BUF_SET_NAME_B",
    "DMA_BUF_SYNC_END",
    "DMA_BUF_SYNC_READ",
    "DMA_BUF_SYNC_RW",
    "DMA_BUF_SYNC_START",
    "DMA_BUF_SYNC_VALID_FLAGS_MASK",
    "DMA_BUF_SYNC_WRITE",
    "dma_buf_export_sync_file",
    "dma_buf_import_sync_file",
    "dma_buf_sync",
]


class dma_buf_sync(Struct):
    """Begin or end of CPU access."""

    flags: u64 = 0


DMA_BUF_SYNC_READ = 1 << 0
DMA_BUF_SYNC_WRITE = 2 << 0
DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE
DMA_BUF_SYNC_START = 0 << 2
DMA_BUF_SYNC_END = 1 << 2
DMA_BUF_SYNC_VALID_FLAGS_MASK = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END

DMA_BUF_NAME_LEN = 32
"""With the NUL."""


class dma_buf_export_sync_file(Struct):
    """Fences of the buffer as a sync_file; `fd` is the answer."""

    flags: u32 = 0
    fd: s32 = 0


class dma_buf_import_sync_file(Struct):
    """The sync_file `fd` into the buffer's fences."""

    flags: u32 = 0
    fd: s32 = 0


DMA_BUF_BASE = ord("b")
DMA_BUF_IOCTL_SYNC = _IOW(DMA_BUF_BASE, 0, dma_buf_sync.SIZE)
DMA_BUF_SET_NAME = _IOW(DMA_BUF_BASE, 1, 8)  # const char *
DMA_BUF_SET_NAME_A = _IOW(DMA_BUF_BASE, 1, 4)
"""As 32-bit programs spell it."""
DMA_BUF_SET_NAME_B = _IOW(DMA_BUF_BASE, 1, 8)
DMA_BUF_IOCTL_EXPORT_SYNC_FILE = _IOWR(DMA_BUF_BASE, 2, dma_buf_export_sync_file.SIZE)
DMA_BUF_IOCTL_IMPORT_SYNC_FILE = _IOW(DMA_BUF_BASE, 3, dma_buf_import_sync_file.SIZE)
