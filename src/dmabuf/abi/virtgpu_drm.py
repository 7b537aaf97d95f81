"""Numbers of virtio-gpu, as far as fences and sync objects go through it.

Mirrors: include/uapi/drm/virtgpu_drm.h

Submission takes sync_files or sync objects in and gives them out; the 3D resources of the same
header are left out.

    >>> hex(DRM_IOCTL_VIRTGPU_EXECBUFFER)
    '0xc0406442'
"""

from __future__ import annotations

from dmabuf.abi.drm import DRM_COMMAND_BASE, DRM_IOWR
from dmabuf.abi.layout import Struct, s32, u32, u64

__all__ = [
    "DRM_IOCTL_VIRTGPU_EXECBUFFER",
    "DRM_IOCTL_VIRTGPU_GETPARAM",
    "DRM_IOCTL_VIRTGPU_MAP",
    "DRM_IOCTL_VIRTGPU_WAIT",
    "DRM_VIRTGPU_EXECBUFFER",
    "DRM_VIRTGPU_GETPARAM",
    "DRM_VIRTGPU_MAP",
    "DRM_VIRTGPU_WAIT",
    "VIRTGPU_EXECBUF_FENCE_FD_IN",
    "VIRTGPU_EXECBUF_FENCE_FD_OUT",
    "VIRTGPU_EXECBUF_RING_IDX",
    "VIRTGPU_EXECBUF_SYNCOBJ_RESET",
    "VIRTGPU_PARAM_3D_FEATURES",
    "VIRTGPU_WAIT_NOWAIT",
    "drm_virtgpu_3d_wait",
    "drm_virtgpu_execbuffer",
    "drm_virtgpu_execbuffer_syncobj",
    "drm_virtgpu_getparam",
    "drm_virtgpu_map",
]

DRM_VIRTGPU_MAP = 0x01
DRM_VIRTGPU_EXECBUFFER = 0x02
DRM_VIRTGPU_GETPARAM = 0x03
DRM_VIRTGPU_WAIT = 0x08

VIRTGPU_EXECBUF_FENCE_FD_IN = 0x01
VIRTGPU_EXECBUF_FENCE_FD_OUT = 0x02
VIRTGPU_EXECBUF_RING_IDX = 0x04
VIRTGPU_EXECBUF_SYNCOBJ_RESET = 0x01
VIRTGPU_PARAM_3D_FEATURES = 1
VIRTGPU_WAIT_NOWAIT = 1


class drm_virtgpu_map(Struct):
    """Where to map the buffer: `offset` is the answer."""

    offset: u64 = 0
    handle: u32 = 0
    pad: u32 = 0


class drm_virtgpu_execbuffer_syncobj(Struct):
    """A sync object that a submission waits for or signals."""

    handle: u32 = 0
    flags: u32 = 0
    point: u64 = 0


class drm_virtgpu_execbuffer(Struct):
    """A submission, `size` bytes at `command`. The sync objects are newer than 6.1."""

    OLDER_SIZES = (32, 40)  # in the second one, `syncobj_stride` was `pad`

    flags: u32 = 0
    size: u32 = 0
    command: u64 = 0
    bo_handles: u64 = 0
    num_bo_handles: u32 = 0
    fence_fd: s32 = 0
    ring_idx: u32 = 0
    syncobj_stride: u32 = 0
    num_in_syncobjs: u32 = 0
    num_out_syncobjs: u32 = 0
    in_syncobjs: u64 = 0
    out_syncobjs: u64 = 0


class drm_virtgpu_getparam(Struct):
    """What the device can do; `value` is an address, where the answer goes."""

    param: u64 = 0
    value: u64 = 0


class drm_virtgpu_3d_wait(Struct):
    """Wait until the buffer is idle."""

    handle: u32 = 0
    flags: u32 = 0


DRM_IOCTL_VIRTGPU_MAP = DRM_IOWR(DRM_COMMAND_BASE + DRM_VIRTGPU_MAP, drm_virtgpu_map.SIZE)
DRM_IOCTL_VIRTGPU_EXECBUFFER = DRM_IOWR(
    DRM_COMMAND_BASE + DRM_VIRTGPU_EXECBUFFER, drm_virtgpu_execbuffer.SIZE
)
DRM_IOCTL_VIRTGPU_GETPARAM = DRM_IOWR(
    DRM_COMMAND_BASE + DRM_VIRTGPU_GETPARAM, drm_virtgpu_getparam.SIZE
)
DRM_IOCTL_VIRTGPU_WAIT = DRM_IOWR(DRM_COMMAND_BASE + DRM_VIRTGPU_WAIT, drm_virtgpu_3d_wait.SIZE)
