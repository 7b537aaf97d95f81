"""Numbers of vgem, the DRM device without hardware, whose fences userspace signals.

Mirrors: include/uapi/drm/vgem_drm.h

    >>> hex(DRM_IOCTL_VGEM_FENCE_ATTACH)
    '0xc0106441'
"""

from __future__ import annotations

from dmabuf.abi.drm import DRM_COMMAND_BASE, DRM_IOW, DRM_IOWR
from dmabuf.abi.layout import Struct, u32

__all__ = [
    "DRM_IOCTL_VGEM_FENCE_ATTACH",
    "DRM_IOCTL_VGEM_FENCE_SIGNAL",
    "DRM_VGEM_FENCE_ATTACH",
    "DRM_VGEM_FENCE_SIGNAL",
    "VGEM_FENCE_WRITE",
    "drm_vgem_fence_attach",
    "drm_vgem_fence_signal",
]

DRM_VGEM_FENCE_ATTACH = 0x1
DRM_VGEM_FENCE_SIGNAL = 0x2
VGEM_FENCE_WRITE = 0x1


class drm_vgem_fence_attach(Struct):
    """A new fence on a buffer; `out_fence`, a number of the file's own, is the answer."""

    handle: u32 = 0
    flags: u32 = 0
    out_fence: u32 = 0
    pad: u32 = 0


class drm_vgem_fence_signal(Struct):
    """Signal that fence."""

    fence: u32 = 0
    flags: u32 = 0


DRM_IOCTL_VGEM_FENCE_ATTACH = DRM_IOWR(
    DRM_COMMAND_BASE + DRM_VGEM_FENCE_ATTACH, drm_vgem_fence_attach.SIZE
)
DRM_IOCTL_VGEM_FENCE_SIGNAL = DRM_IOW(
    DRM_COMMAND_BASE + DRM_VGEM_FENCE_SIGNAL, drm_vgem_fence_signal.SIZE
)
