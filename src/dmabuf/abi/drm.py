"""Numbers of a DRM device: what every driver answers, as far as buffers and fences need it.

Mirrors: include/uapi/drm/drm.h

The sync objects of the same header are in `drm_syncobj`. A DRM ioctl is found by `_IOC_NR` alone;
what the caller's struct is shorter counts as zeros, what it is longer is ignored.

    >>> hex(DRM_IOCTL_PRIME_HANDLE_TO_FD)
    '0xc00c642d'
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IO, _IOR, _IOW, _IOWR
from dmabuf.abi.layout import Struct, ptr, s32, size_t, u32, u64

__all__ = [
    "DRM_CAP_DUMB_BUFFER",
    "DRM_CAP_PRIME",
    "DRM_CAP_SYNCOBJ",
    "DRM_CAP_SYNCOBJ_TIMELINE",
    "DRM_CAP_TIMESTAMP_MONOTONIC",
    "DRM_CLOEXEC",
    "DRM_COMMAND_BASE",
    "DRM_COMMAND_END",
    "DRM_IO",
    "DRM_IOCTL_BASE",
    "DRM_IOCTL_GEM_CLOSE",
    "DRM_IOCTL_GET_CAP",
    "DRM_IOCTL_PRIME_FD_TO_HANDLE",
    "DRM_IOCTL_PRIME_HANDLE_TO_FD",
    "DRM_IOCTL_VERSION",
    "DRM_IOR",
    "DRM_IOW",
    "DRM_IOWR",
    "DRM_PRIME_CAP_EXPORT",
    "DRM_PRIME_CAP_IMPORT",
    "DRM_RDWR",
    "drm_gem_close",
    "drm_get_cap",
    "drm_prime_handle",
    "drm_version",
]

DRM_IOCTL_BASE = ord("d")
DRM_COMMAND_BASE = 0x40
"""Numbers from here to `DRM_COMMAND_END` are the driver's own."""
DRM_COMMAND_END = 0xA0


def DRM_IO(nr: int) -> int:  # noqa: N802 - C's name
    """An ioctl without argument."""
    return _IO(DRM_IOCTL_BASE, nr)


def DRM_IOR(nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that fills its argument."""
    return _IOR(DRM_IOCTL_BASE, nr, size)


def DRM_IOW(nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that reads its argument."""
    return _IOW(DRM_IOCTL_BASE, nr, size)


def DRM_IOWR(nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that reads its argument and writes it back."""
    return _IOWR(DRM_IOCTL_BASE, nr, size)


class drm_version(Struct):
    """Which driver it is. Lengths are the room behind the pointers, then what it takes."""

    version_major: s32 = 0
    version_minor: s32 = 0
    version_patchlevel: s32 = 0
    name_len: size_t = 0
    name: ptr = 0
    date_len: size_t = 0
    date: ptr = 0
    desc_len: size_t = 0
    desc: ptr = 0


class drm_gem_close(Struct):
    """Give a buffer's handle up."""

    handle: u32 = 0
    pad: u32 = 0


DRM_CAP_DUMB_BUFFER = 0x1
DRM_CAP_PRIME = 0x5
DRM_PRIME_CAP_IMPORT = 0x1
DRM_PRIME_CAP_EXPORT = 0x2
DRM_CAP_TIMESTAMP_MONOTONIC = 0x6
DRM_CAP_SYNCOBJ = 0x13
DRM_CAP_SYNCOBJ_TIMELINE = 0x14


class drm_get_cap(Struct):
    """What the device can do; `value` is the answer."""

    capability: u64 = 0
    value: u64 = 0


DRM_RDWR = 0o2  # O_RDWR
DRM_CLOEXEC = 0o2000000  # O_CLOEXEC


class drm_prime_handle(Struct):
    """A buffer's handle and the descriptor of its dma-buf; one of them is the answer."""

    handle: u32 = 0
    flags: u32 = 0
    fd: s32 = 0


DRM_IOCTL_VERSION = DRM_IOWR(0x00, drm_version.SIZE)
DRM_IOCTL_GEM_CLOSE = DRM_IOW(0x09, drm_gem_close.SIZE)
DRM_IOCTL_GET_CAP = DRM_IOWR(0x0C, drm_get_cap.SIZE)
DRM_IOCTL_PRIME_HANDLE_TO_FD = DRM_IOWR(0x2D, drm_prime_handle.SIZE)
DRM_IOCTL_PRIME_FD_TO_HANDLE = DRM_IOWR(0x2E, drm_prime_handle.SIZE)
