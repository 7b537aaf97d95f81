"""What userspace can do, as one face that both systems have: our objects, and the real kernel.

Descriptors, handles and fence numbers are plain integers, results are plain values, and what goes
wrong is an `OSError` with the kernel's errno, so that a test cannot tell which system it speaks to.
What differs from boot to boot (context numbers, inodes, times) is left out of the results.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tests.support import errno_of

__all__ = ["FOREVER", "Entry", "Info", "System", "errno_of", "soon"]

FOREVER = (1 << 63) - 1
"""An absolute timeout that never comes."""


class Entry(NamedTuple):
    """One fence of a sync_file."""

    timeline: bytes
    driver: bytes
    status: int
    has_timestamp: bool


class Info(NamedTuple):
    """What FILE_INFO answers; `fences` are those that there was room for."""

    name: bytes
    status: int
    num_fences: int
    fences: tuple[Entry, ...]


class System(Protocol):
    """The face. `drm` is a descriptor of `vgem()` or `gpu()`."""

    name: str

    # --- descriptors

    def close(self, fd: int) -> None:
        """Close any descriptor that this face gave out."""
        ...

    def poll(self, fd: int, events: int, timeout_ms: int = 0) -> int:
        """What poll(2) answers, of `events`."""
        ...

    def end(self) -> None:
        """Close all that is open."""
        ...

    # --- buffers

    def heap_alloc(
        self, length: int, fd_flags: int | None = None, heap_flags: int = 0, fd: int = 0
    ) -> int:
        """A buffer of the system heap."""
        ...

    def memfd(self, size: int, seals: int | None = None, *, sealing: bool = True) -> int:
        """A memfd, sealed against shrinking unless told otherwise."""
        ...

    def add_seals(self, fd: int, seals: int) -> None:
        """F_ADD_SEALS of a memfd."""
        ...

    def memfd_bytes(self, fd: int, offset: int, data: bytes | int) -> bytes:
        """Write bytes into a memfd, or (an int) read that many."""
        ...

    def udmabuf_create(self, memfd: int, offset: int, size: int, flags: int = 1) -> int:
        """A buffer of one range of a memfd."""
        ...

    def udmabuf_create_list(self, ranges: Sequence[tuple[int, int, int]], flags: int = 1) -> int:
        """A buffer of several (memfd, offset, size)."""
        ...

    def size(self, fd: int) -> int:
        """Of a buffer, in bytes."""
        ...

    def bytes_of(self, fd: int, offset: int, data: bytes | int) -> bytes:
        """Write bytes into a buffer, or (an int) read that many; without a bracket."""
        ...

    def sync(self, fd: int, flags: int) -> None:
        """DMA_BUF_IOCTL_SYNC."""
        ...

    def set_name(self, fd: int, name: bytes) -> None:
        """DMA_BUF_SET_NAME."""
        ...

    def get_name(self, fd: int) -> bytes:
        """The buffer's name, empty if it has none."""
        ...

    def export_sync_file(self, fd: int, flags: int) -> int:
        """DMA_BUF_IOCTL_EXPORT_SYNC_FILE."""
        ...

    def import_sync_file(self, fd: int, sync_file: int, flags: int) -> None:
        """DMA_BUF_IOCTL_IMPORT_SYNC_FILE."""
        ...

    # --- sync files

    def merge(self, fd: int, fd2: int, name: bytes = b"", flags: int = 0, pad: int = 0) -> int:
        """SYNC_IOC_MERGE."""
        ...

    def file_info(self, fd: int, room: int | None = None, flags: int = 0, pad: int = 0) -> Info:
        """SYNC_IOC_FILE_INFO; with room for all if not told otherwise."""
        ...

    def set_deadline(self, fd: int, deadline_ns: int, pad: int = 0) -> None:
        """SYNC_IOC_SET_DEADLINE."""
        ...

    # --- devices

    def vgem(self) -> int:
        """Open vgem."""
        ...

    def gpu(self) -> int:
        """Open a device that has sync objects."""
        ...

    def dumb_create(self, drm: int, width: int, height: int, bpp: int = 32) -> tuple[int, int]:
        """DRM_IOCTL_MODE_CREATE_DUMB: handle and size."""
        ...

    def prime_export(self, drm: int, handle: int, flags: int | None = None) -> int:
        """DRM_IOCTL_PRIME_HANDLE_TO_FD."""
        ...

    def prime_import(self, drm: int, fd: int) -> int:
        """DRM_IOCTL_PRIME_FD_TO_HANDLE."""
        ...

    def gem_close(self, drm: int, handle: int) -> None:
        """DRM_IOCTL_GEM_CLOSE."""
        ...

    def vgem_attach(self, drm: int, handle: int, flags: int = 0, pad: int = 0) -> int:
        """DRM_IOCTL_VGEM_FENCE_ATTACH."""
        ...

    def vgem_signal(self, drm: int, fence: int, flags: int = 0) -> None:
        """DRM_IOCTL_VGEM_FENCE_SIGNAL."""
        ...

    # --- timelines counted up by hand

    def sw_sync(self) -> int:
        """Open a timeline of sw_sync."""
        ...

    def sw_fence(self, line: int, value: int) -> int:
        """SW_SYNC_IOC_CREATE_FENCE: a sync_file."""
        ...

    def sw_inc(self, line: int, steps: int) -> None:
        """SW_SYNC_IOC_INC."""
        ...

    def sw_deadline(self, line: int, fence: int, pad: int = 0, deadline_ns: int = 0) -> int:
        """SW_SYNC_GET_DEADLINE of a sync_file."""
        ...

    # --- a camera

    def camera(self) -> int:
        """Open a camera with small frames."""
        ...

    def camera_frame_size(self, camera: int) -> int:
        """Bytes of a frame, no multiple of a page."""
        ...

    def camera_reqbufs(self, camera: int, count: int, memory: int = 4) -> int:
        """VIDIOC_REQBUFS; of dma-bufs if not told otherwise."""
        ...

    def camera_qbuf(self, camera: int, index: int, fd: int, length: int = 0) -> None:
        """VIDIOC_QBUF of a dma-buf."""
        ...

    def camera_dqbuf(self, camera: int) -> int:
        """VIDIOC_DQBUF without waiting: the slot."""
        ...

    def camera_frame(self, camera: int) -> int:
        """Wait for a frame: the slot."""
        ...

    def camera_streamon(self, camera: int) -> None:
        """VIDIOC_STREAMON."""
        ...

    def camera_streamoff(self, camera: int) -> None:
        """VIDIOC_STREAMOFF."""
        ...

    # --- sync objects

    def syncobj_create(self, drm: int, flags: int = 0) -> int:
        """DRM_IOCTL_SYNCOBJ_CREATE."""
        ...

    def syncobj_destroy(self, drm: int, handle: int, pad: int = 0) -> None:
        """DRM_IOCTL_SYNCOBJ_DESTROY."""
        ...

    def syncobj_handle_to_fd(
        self, drm: int, handle: int, flags: int = 0, pad: int = 0, point: int = 0
    ) -> int:
        """DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD."""
        ...

    def syncobj_fd_to_handle(
        self, drm: int, fd: int, flags: int = 0, handle: int = 0, pad: int = 0, point: int = 0
    ) -> int:
        """DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE."""
        ...

    def syncobj_wait(
        self, drm: int, handles: Sequence[int], timeout_ns: int = 0, flags: int = 0
    ) -> int:
        """DRM_IOCTL_SYNCOBJ_WAIT: first_signaled."""
        ...

    def syncobj_timeline_wait(
        self,
        drm: int,
        handles: Sequence[int],
        points: Sequence[int] | None,
        timeout_ns: int = 0,
        flags: int = 0,
    ) -> int:
        """DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT: first_signaled."""
        ...

    def syncobj_reset(self, drm: int, handles: Sequence[int], pad: int = 0) -> None:
        """DRM_IOCTL_SYNCOBJ_RESET."""
        ...

    def syncobj_signal(self, drm: int, handles: Sequence[int], pad: int = 0) -> None:
        """DRM_IOCTL_SYNCOBJ_SIGNAL."""
        ...

    def syncobj_timeline_signal(
        self, drm: int, handles: Sequence[int], points: Sequence[int] | None, flags: int = 0
    ) -> None:
        """DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL."""
        ...

    def syncobj_query(self, drm: int, handles: Sequence[int], flags: int = 0) -> list[int]:
        """DRM_IOCTL_SYNCOBJ_QUERY."""
        ...

    def syncobj_transfer(
        self,
        drm: int,
        source: int,
        target: int,
        source_point: int = 0,
        target_point: int = 0,
        flags: int = 0,
        pad: int = 0,
    ) -> None:
        """DRM_IOCTL_SYNCOBJ_TRANSFER."""
        ...

    def eventfd(self) -> int:
        """An eventfd that never blocks."""
        ...

    def eventfd_read(self, fd: int) -> int:
        """Its counter, which becomes 0."""
        ...

    def syncobj_eventfd(
        self, drm: int, handle: int, point: int, fd: int, flags: int = 0, pad: int = 0
    ) -> None:
        """DRM_IOCTL_SYNCOBJ_EVENTFD."""
        ...


def soon(after_ms: int) -> int:
    """The absolute time in that many milliseconds, in ns of CLOCK_MONOTONIC."""
    return time.monotonic_ns() + after_ms * 1_000_000
