"""A real sync_file: a fence of the kernel's as a descriptor.

Mirrors: include/uapi/linux/sync_file.h

    with SyncFileFd(fd) as fence:
        print(fence.info().status)
"""

from __future__ import annotations

import array
import select
from typing import NamedTuple

from dmabuf.abi.sync_file import (
    SYNC_IOC_FILE_INFO,
    SYNC_IOC_MERGE,
    SYNC_IOC_SET_DEADLINE,
    sync_fence_info,
    sync_file_info,
    sync_merge_data,
    sync_set_deadline,
)
from dmabuf.host.owned import Owned, address_of, call

__all__ = ["SyncFileFd", "SyncFileInfo", "poll_events"]


class SyncFileInfo(NamedTuple):
    """What FILE_INFO answers: the file, how many fences it has, those there was room for."""

    name: bytes
    status: int
    num_fences: int
    fences: tuple[sync_fence_info, ...]


def poll_events(fd: int, events: int, timeout_ms: int = 0) -> int:
    """What poll(2) answers for one descriptor, 0 if nothing came in time."""
    poller = select.poll()
    poller.register(fd, events)
    found = poller.poll(timeout_ms)
    return found[0][1] if found else 0


class SyncFileFd(Owned):
    """Owns a sync_file."""

    __slots__ = ()

    def merge(self, other: int, name: bytes = b"", *, flags: int = 0, pad: int = 0) -> SyncFileFd:
        """A new file that is signalled when both are; `other` is a descriptor.

        Raises:
            OSError: ENOENT, `other` is no sync_file; EINVAL, flags or pad; EMFILE.
        """
        wanted = sync_merge_data(name=name, fd2=other, flags=flags, pad=pad)
        return SyncFileFd(call(self.fileno(), SYNC_IOC_MERGE, wanted).fence)

    def info(
        self, room: int | None = None, *, flags: int = 0, pad: int = 0, address: int | None = None
    ) -> SyncFileInfo:
        """Name, status and fences.

        Args:
            room: for how many fences; as many as there are if not given.
            flags: must be 0.
            pad: must be 0.
            address: instead of that of the room.

        Raises:
            OSError: EINVAL, there are more than there is room for; EFAULT, a bad address.
        """
        fd = self.fileno()
        if room is None:
            room = call(fd, SYNC_IOC_FILE_INFO, sync_file_info()).num_fences
        space = array.array("B", bytes(room * sync_fence_info.SIZE))
        asked = sync_file_info(
            flags=flags,
            pad=pad,
            num_fences=room,
            sync_fence_info=address_of(space) if address is None else address,
        )
        got = call(fd, SYNC_IOC_FILE_INFO, asked)
        there = min(room, got.num_fences) * sync_fence_info.SIZE
        fences = sync_fence_info.unpack_array(space.tobytes()[:there])
        return SyncFileInfo(got.name, got.status, got.num_fences, tuple(fences))

    def set_deadline(self, deadline_ns: int, *, pad: int = 0) -> None:
        """Say when it should signal, in ns of CLOCK_MONOTONIC.

        Raises:
            OSError: EINVAL, pad; ENOTTY, kernels up to 6.1.
        """
        wanted = sync_set_deadline(deadline_ns=deadline_ns, pad=pad)
        call(self.fileno(), SYNC_IOC_SET_DEADLINE, wanted)

    def poll(self, timeout_ms: int = 0) -> int:
        """POLLIN once signalled, else 0; at most `timeout_ms` are waited."""
        return poll_events(self.fileno(), select.POLLIN, timeout_ms)
