"""Numbers of sync objects.

Mirrors: include/uapi/drm/drm.h

Three structs have grown; the numbers here are those of the newest sizes. A program built with older
headers calls with `DRM_IOWR(_IOC_NR(number), older_size)`:

    >>> from dmabuf.abi.ioc import _IOC_NR
    >>> hex(DRM_IOCTL_SYNCOBJ_WAIT)
    '0xc02864c3'
    >>> [hex(DRM_IOWR(_IOC_NR(DRM_IOCTL_SYNCOBJ_WAIT), n)) for n in drm_syncobj_wait.OLDER_SIZES]
    ['0xc02064c3']

Handles and points are arrays behind pointers: `layout.pack_numbers("u32", handles)`.
"""

from __future__ import annotations

from dmabuf.abi.drm import DRM_IOWR
from dmabuf.abi.layout import Struct, s32, s64, u32, u64

__all__ = [
    "DRM_IOCTL_SYNCOBJ_CREATE",
    "DRM_IOCTL_SYNCOBJ_DESTROY",
    "DRM_IOCTL_SYNCOBJ_EVENTFD",
    "DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE",
    "DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD",
    "DRM_IOCTL_SYNCOBJ_QUERY",
    "DRM_IOCTL_SYNCOBJ_RESET",
    "DRM_IOCTL_SYNCOBJ_SIGNAL",
    "DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL",
    "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT",
    "DRM_IOCTL_SYNCOBJ_TRANSFER",
    "DRM_IOCTL_SYNCOBJ_WAIT",
    "DRM_SYNCOBJ_CREATE_SIGNALED",
    "DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE",
    "DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE",
    "DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE",
    "DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE",
    "DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED",
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL",
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE",
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE",
    "DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT",
    "drm_syncobj_array",
    "drm_syncobj_create",
    "drm_syncobj_destroy",
    "drm_syncobj_eventfd",
    "drm_syncobj_handle",
    "drm_syncobj_timeline_array",
    "drm_syncobj_timeline_wait",
    "drm_syncobj_transfer",
    "drm_syncobj_wait",
]

DRM_SYNCOBJ_CREATE_SIGNALED = 1 << 0


class drm_syncobj_create(Struct):
    """A new object; `handle` is the answer."""

    handle: u32 = 0
    flags: u32 = 0


class drm_syncobj_destroy(Struct):
    """Give the handle up."""

    handle: u32 = 0
    pad: u32 = 0


DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE = 1 << 0
DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE = 1 << 1
"""Newer than 6.12."""
DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE = 1 << 0
DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE = 1 << 1
"""Newer than 6.12."""


class drm_syncobj_handle(Struct):
    """Handle to descriptor or back; one of them is the answer. `point` is newer than 6.12."""

    OLDER_SIZES = (16,)

    handle: u32 = 0
    flags: u32 = 0
    fd: s32 = 0
    pad: u32 = 0
    point: u64 = 0


class drm_syncobj_transfer(Struct):
    """The fence of one object, or of its point, into another."""

    src_handle: u32 = 0
    dst_handle: u32 = 0
    src_point: u64 = 0
    dst_point: u64 = 0
    flags: u32 = 0
    pad: u32 = 0


DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL = 1 << 0
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT = 1 << 1
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE = 1 << 2
DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE = 1 << 3
"""Not in 6.1."""


class drm_syncobj_wait(Struct):
    """Wait for any or all; times in ns of CLOCK_MONOTONIC. `deadline_nsec` is newer than 6.1."""

    OLDER_SIZES = (32,)

    handles: u64 = 0
    timeout_nsec: s64 = 0
    count_handles: u32 = 0
    flags: u32 = 0
    first_signaled: u32 = 0
    pad: u32 = 0
    deadline_nsec: u64 = 0


class drm_syncobj_timeline_wait(Struct):
    """Wait for points; as `drm_syncobj_wait` otherwise."""

    OLDER_SIZES = (40,)

    handles: u64 = 0
    points: u64 = 0
    timeout_nsec: s64 = 0
    count_handles: u32 = 0
    flags: u32 = 0
    first_signaled: u32 = 0
    pad: u32 = 0
    deadline_nsec: u64 = 0


class drm_syncobj_eventfd(Struct):
    """Have an eventfd written when the point is there or signals. Not in 6.1."""

    handle: u32 = 0
    flags: u32 = 0
    point: u64 = 0
    fd: s32 = 0
    pad: u32 = 0


class drm_syncobj_array(Struct):
    """Objects to reset or signal."""

    handles: u64 = 0
    count_handles: u32 = 0
    pad: u32 = 0


DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED = 1 << 0


class drm_syncobj_timeline_array(Struct):
    """Points to signal, or room for the points that a query answers."""

    handles: u64 = 0
    points: u64 = 0
    count_handles: u32 = 0
    flags: u32 = 0


DRM_IOCTL_SYNCOBJ_CREATE = DRM_IOWR(0xBF, drm_syncobj_create.SIZE)
DRM_IOCTL_SYNCOBJ_DESTROY = DRM_IOWR(0xC0, drm_syncobj_destroy.SIZE)
DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD = DRM_IOWR(0xC1, drm_syncobj_handle.SIZE)
DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE = DRM_IOWR(0xC2, drm_syncobj_handle.SIZE)
DRM_IOCTL_SYNCOBJ_WAIT = DRM_IOWR(0xC3, drm_syncobj_wait.SIZE)
DRM_IOCTL_SYNCOBJ_RESET = DRM_IOWR(0xC4, drm_syncobj_array.SIZE)
DRM_IOCTL_SYNCOBJ_SIGNAL = DRM_IOWR(0xC5, drm_syncobj_array.SIZE)
DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT = DRM_IOWR(0xCA, drm_syncobj_timeline_wait.SIZE)
DRM_IOCTL_SYNCOBJ_QUERY = DRM_IOWR(0xCB, drm_syncobj_timeline_array.SIZE)
DRM_IOCTL_SYNCOBJ_TRANSFER = DRM_IOWR(0xCC, drm_syncobj_transfer.SIZE)
DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL = DRM_IOWR(0xCD, drm_syncobj_timeline_array.SIZE)
DRM_IOCTL_SYNCOBJ_EVENTFD = DRM_IOWR(0xCF, drm_syncobj_eventfd.SIZE)
