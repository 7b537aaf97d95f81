"""Real timelines that userspace counts up, in debugfs.

Mirrors: drivers/dma-buf/sw_sync.c

    with SwSyncFd.open() as timeline, timeline.create_fence(1) as fence:
        timeline.inc(1)
"""

from __future__ import annotations

import fcntl

from dmabuf.abi.layout import pack_numbers
from dmabuf.abi.sw_sync import (
    SW_SYNC_GET_DEADLINE,
    SW_SYNC_IOC_CREATE_FENCE,
    SW_SYNC_IOC_INC,
    sw_sync_create_fence_data,
    sw_sync_get_deadline,
)
from dmabuf.host.owned import Owned, call, open_device
from dmabuf.host.sync_file import SyncFileFd

__all__ = ["PATH", "REMEDY", "SwSyncFd"]

PATH = "/sys/kernel/debug/sync/sw_sync"
REMEDY = (
    "a kernel with CONFIG_SW_SYNC (stock kernels lack it, the VM runner builds it), "
    "debugfs mounted, and root"
)


class SwSyncFd(Owned):
    """Owns one timeline; closing it signals its fences with an error."""

    __slots__ = ()

    @classmethod
    def open(cls) -> SwSyncFd:
        """A new timeline at 0.

        Raises:
            NotAvailable: the kernel has none.
        """
        return cls(open_device(PATH, REMEDY))

    def create_fence(self, value: int, name: bytes = b"") -> SyncFileFd:
        """A fence that signals when the timeline comes to `value`."""
        wanted = sw_sync_create_fence_data(value=value, name=name)
        return SyncFileFd(call(self.fileno(), SW_SYNC_IOC_CREATE_FENCE, wanted).fence)

    def inc(self, steps: int) -> None:
        """Count up."""
        fcntl.ioctl(self.fileno(), SW_SYNC_IOC_INC, pack_numbers("u32", [steps]))

    def deadline(self, fence: int, *, pad: int = 0, deadline_ns: int = 0) -> int:
        """The earliest deadline set on the fence of that descriptor, in ns.

        Raises:
            OSError: ENOENT, none was; EINVAL, no fence of such a timeline, or not 0 what must be.
        """
        wanted = sw_sync_get_deadline(fence_fd=fence, pad=pad, deadline_ns=deadline_ns)
        return call(self.fileno(), SW_SYNC_GET_DEADLINE, wanted).deadline_ns
