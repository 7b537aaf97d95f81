"""Numbers of a sync_file.

Mirrors: include/uapi/linux/sync_file.h

    >>> sync_file_info.unpack(sync_file_info(name=b"gpu-0", num_fences=1).pack()).name
    b'gpu-0'
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOW, _IOWR
from dmabuf.abi.layout import Struct, char32, s32, u32, u64

__all__ = [
    "SYNC_IOC_FILE_INFO",
    "SYNC_IOC_MAGIC",
    "SYNC_IOC_MERGE",
    "SYNC_IOC_SET_DEADLINE",
    "sync_fence_info",
    "sync_file_info",
    "sync_merge_data",
    "sync_set_deadline",
]


class sync_merge_data(Struct):
    """The file and `fd2` into a new one; its descriptor `fence` is the answer."""

    name: char32 = b""
    fd2: s32 = 0
    fence: s32 = 0
    flags: u32 = 0
    pad: u32 = 0


class sync_fence_info(Struct):
    """One fence of a file, `obj_name` its timeline; status 0 active, 1 signalled, < 0 error."""

    obj_name: char32 = b""
    driver_name: char32 = b""
    status: s32 = 0
    flags: u32 = 0
    timestamp_ns: u64 = 0


class sync_file_info(Struct):
    """The file. `sync_fence_info` is the address of `num_fences` structs of that name."""

    name: char32 = b""
    status: s32 = 0
    flags: u32 = 0
    num_fences: u32 = 0
    pad: u32 = 0
    sync_fence_info: u64 = 0


class sync_set_deadline(Struct):
    """When the caller would like the fence to signal, in ns of CLOCK_MONOTONIC. Not in 6.1."""

    deadline_ns: u64 = 0
    pad: u64 = 0


SYNC_IOC_MAGIC = ord(">")
# 0 to 2 were used by the ABI before this one and stay unused.
SYNC_IOC_MERGE = _IOWR(SYNC_IOC_MAGIC, 3, sync_merge_data.SIZE)
SYNC_IOC_FILE_INFO = _IOWR(SYNC_IOC_MAGIC, 4, sync_file_info.SIZE)
SYNC_IOC_SET_DEADLINE = _IOW(SYNC_IOC_MAGIC, 5, sync_set_deadline.SIZE)
