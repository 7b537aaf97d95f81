"""Numbers of the timelines that userspace advances, debugfs sync/sw_sync.

Mirrors: drivers/dma-buf/sw_sync.c

No header has them: programs bring their own copy.

    >>> sw_sync_create_fence_data(value=3).pack()[:4].hex()
    '03000000'
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOW, _IOWR
from dmabuf.abi.layout import Struct, char32, s32, u32, u64

__all__ = [
    "SW_SYNC_GET_DEADLINE",
    "SW_SYNC_IOC_CREATE_FENCE",
    "SW_SYNC_IOC_INC",
    "SW_SYNC_IOC_MAGIC",
    "sw_sync_create_fence_data",
    "sw_sync_get_deadline",
]


class sw_sync_create_fence_data(Struct):
    """A fence that signals when the timeline reaches `value`; its descriptor is the answer."""

    value: u32 = 0
    name: char32 = b""
    fence: s32 = 0


class sw_sync_get_deadline(Struct):
    """The earliest deadline set on the fence of `fence_fd`. Not in 6.1."""

    deadline_ns: u64 = 0
    pad: u32 = 0
    fence_fd: s32 = 0


SW_SYNC_IOC_MAGIC = ord("W")
SW_SYNC_IOC_CREATE_FENCE = _IOWR(SW_SYNC_IOC_MAGIC, 0, sw_sync_create_fence_data.SIZE)
SW_SYNC_IOC_INC = _IOW(SW_SYNC_IOC_MAGIC, 1, 4)  # a u32
SW_SYNC_GET_DEADLINE = _IOWR(SW_SYNC_IOC_MAGIC, 2, sw_sync_get_deadline.SIZE)
