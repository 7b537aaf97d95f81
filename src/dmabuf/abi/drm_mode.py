"""Numbers of dumb buffers, which every display driver and vgem can make.

Mirrors: include/uapi/drm/drm_mode.h, include/uapi/drm/drm.h

    >>> drm_mode_create_dumb(height=1, width=1024, bpp=32).SIZE
    32
"""

from __future__ import annotations

from dmabuf.abi.drm import DRM_IOWR
from dmabuf.abi.layout import Struct, u32, u64

__all__ = [
    "DRM_IOCTL_MODE_CREATE_DUMB",
    "DRM_IOCTL_MODE_DESTROY_DUMB",
    "DRM_IOCTL_MODE_MAP_DUMB",
    "drm_mode_create_dumb",
    "drm_mode_destroy_dumb",
    "drm_mode_map_dumb",
]


class drm_mode_create_dumb(Struct):
    """What to make, `bpp` in bits; `handle`, `pitch` and `size` (bytes) are the answer."""

    height: u32 = 0
    width: u32 = 0
    bpp: u32 = 0
    flags: u32 = 0
    handle: u32 = 0
    pitch: u32 = 0
    size: u64 = 0


class drm_mode_map_dumb(Struct):
    """Where to map the buffer: `offset` is the answer."""

    handle: u32 = 0
    pad: u32 = 0
    offset: u64 = 0


class drm_mode_destroy_dumb(Struct):
    """Give the buffer's handle up."""

    handle: u32 = 0


DRM_IOCTL_MODE_CREATE_DUMB = DRM_IOWR(0xB2, drm_mode_create_dumb.SIZE)
DRM_IOCTL_MODE_MAP_DUMB = DRM_IOWR(0xB3, drm_mode_map_dumb.SIZE)
DRM_IOCTL_MODE_DESTROY_DUMB = DRM_IOWR(0xB4, drm_mode_destroy_dumb.SIZE)
