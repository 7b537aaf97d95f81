"""A real dma-buf: a buffer of the kernel's as a descriptor.

Mirrors: include/uapi/linux/dma-buf.h

    with DmaBufFd(fd) as buffer:
        buffer.begin(DMA_BUF_SYNC_READ)
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

from dmabuf.abi.dma_buf import (
    DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
    DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
    DMA_BUF_IOCTL_SYNC,
    DMA_BUF_SET_NAME_B,
    DMA_BUF_SYNC_END,
    DMA_BUF_SYNC_START,
    dma_buf_export_sync_file,
    dma_buf_import_sync_file,
    dma_buf_sync,
)
from dmabuf.host.owned import Owned, call
from dmabuf.host.sync_file import SyncFileFd, poll_events

__all__ = ["DmaBufFd"]

_LINK = "/dmabuf:"


class DmaBufFd(Owned):
    """Owns a dma-buf's descriptor."""

    __slots__ = ()

    @property
    def size(self) -> int:
        """In bytes."""
        return os.lseek(self.fileno(), 0, os.SEEK_END)

    @property
    def name(self) -> str:
        """As set last, empty if never; read from the descriptor's link."""
        # A Path would tidy up the slashes that names may have.
        link = os.readlink(f"/proc/self/fd/{self.fileno()}")  # noqa: PTH115
        return link.removeprefix(_LINK)

    def set_name(self, name: bytes) -> None:
        """Name it, at most 31 bytes.

        Raises:
            OSError: EINVAL, too long.
        """
        # The argument is the string itself; Python passes the address of its copy.
        fcntl.ioctl(self.fileno(), DMA_BUF_SET_NAME_B, name + b"\0")

    def sync(self, flags: int) -> None:
        """Begin or end access by the CPU; the beginning waits for fences.

        Args:
            flags: DMA_BUF_SYNC_*.

        Raises:
            OSError: EINVAL.
        """
        call(self.fileno(), DMA_BUF_IOCTL_SYNC, dma_buf_sync(flags=flags))

    def begin(self, access: int) -> None:
        """Begin access: DMA_BUF_SYNC_READ, WRITE or both."""
        self.sync(DMA_BUF_SYNC_START | access)

    def end(self, access: int) -> None:
        """End it."""
        self.sync(DMA_BUF_SYNC_END | access)

    def export_sync_file(self, flags: int) -> SyncFileFd:
        """What an access of that kind has to wait for, as a fence.

        Raises:
            OSError: EINVAL, flags; EMFILE.
        """
        wanted = dma_buf_export_sync_file(flags=flags, fd=-1)
        return SyncFileFd(call(self.fileno(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, wanted).fd)

    def import_sync_file(self, fence: int, flags: int) -> None:
        """Others have to wait for that fence; `fence` is a descriptor.

        Raises:
            OSError: EINVAL, flags, or no sync_file.
        """
        wanted = dma_buf_import_sync_file(flags=flags, fd=fence)
        call(self.fileno(), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, wanted)

    def poll(self, events: int, timeout_ms: int = 0) -> int:
        """POLLIN: may be read, POLLOUT: may be written; what of `events` holds."""
        return poll_events(self.fileno(), events, timeout_ms)

    def map(self, length: int = 0, *, access: int = mmap.ACCESS_DEFAULT) -> mmap.mmap:
        """Its bytes; all of them if no length is given.

        Raises:
            OSError: EINVAL, longer than it is; EACCES, the descriptor does not allow it.
        """
        return mmap.mmap(self.fileno(), length or self.size, access=access)

    def fdinfo(self) -> dict[str, str]:
        """What /proc says about the descriptor, word -> text."""
        lines = Path(f"/proc/self/fdinfo/{self.fileno()}").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
