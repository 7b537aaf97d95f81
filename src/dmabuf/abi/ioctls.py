"""Every ioctl of these modules with the layout of its argument.

Mirrors: include/uapi

For who gets a number from elsewhere and wants to know what it is. `_IOC_TYPE` and `_IOC_NR` tell
those of one kind of file apart (drivers number their own ones alike: vgem's FENCE_ATTACH is
virtio-gpu's MAP); the size depends on how old the headers were that the caller was built with.

    >>> from dmabuf.abi.ioc import _IOC_NR, _IOC_TYPE
    >>> [one.name for one in IOCTLS if (_IOC_TYPE(one.number), _IOC_NR(one.number)) == (62, 3)]
    ['SYNC_IOC_MERGE']
"""

from __future__ import annotations

from typing import NamedTuple

from dmabuf.abi import dma_buf as b
from dmabuf.abi import dma_heap as h
from dmabuf.abi import drm as d
from dmabuf.abi import drm_mode as m
from dmabuf.abi import drm_syncobj as o
from dmabuf.abi import sw_sync as w
from dmabuf.abi import sync_file as f
from dmabuf.abi import udmabuf as u
from dmabuf.abi import vgem_drm as v
from dmabuf.abi import videodev2 as c
from dmabuf.abi import virtgpu_drm as g
from dmabuf.abi.layout import Struct

__all__ = ["IOCTLS", "Ioctl"]


class Ioctl(NamedTuple):
    """One ioctl. `argument` is None where it is no struct: a string (SET_NAME) or a u32 (INC)."""

    name: str
    number: int
    argument: type[Struct] | None


IOCTLS = (
    Ioctl("DMA_BUF_IOCTL_SYNC", b.DMA_BUF_IOCTL_SYNC, b.dma_buf_sync),
    Ioctl("DMA_BUF_SET_NAME", b.DMA_BUF_SET_NAME, None),
    Ioctl("DMA_BUF_SET_NAME_A", b.DMA_BUF_SET_NAME_A, None),
    Ioctl("DMA_BUF_SET_NAME_B", b.DMA_BUF_SET_NAME_B, None),
    Ioctl(
        "DMA_BUF_IOCTL_EXPORT_SYNC_FILE",
        b.DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
        b.dma_buf_export_sync_file,
    ),
    Ioctl(
        "DMA_BUF_IOCTL_IMPORT_SYNC_FILE",
        b.DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
        b.dma_buf_import_sync_file,
    ),
    Ioctl("DMA_HEAP_IOCTL_ALLOC", h.DMA_HEAP_IOCTL_ALLOC, h.dma_heap_allocation_data),
    Ioctl("UDMABUF_CREATE", u.UDMABUF_CREATE, u.udmabuf_create),
    Ioctl("UDMABUF_CREATE_LIST", u.UDMABUF_CREATE_LIST, u.udmabuf_create_list),
    Ioctl("SYNC_IOC_MERGE", f.SYNC_IOC_MERGE, f.sync_merge_data),
    Ioctl("SYNC_IOC_FILE_INFO", f.SYNC_IOC_FILE_INFO, f.sync_file_info),
    Ioctl("SYNC_IOC_SET_DEADLINE", f.SYNC_IOC_SET_DEADLINE, f.sync_set_deadline),
    Ioctl("SW_SYNC_IOC_CREATE_FENCE", w.SW_SYNC_IOC_CREATE_FENCE, w.sw_sync_create_fence_data),
    Ioctl("SW_SYNC_IOC_INC", w.SW_SYNC_IOC_INC, None),
    Ioctl("SW_SYNC_GET_DEADLINE", w.SW_SYNC_GET_DEADLINE, w.sw_sync_get_deadline),
    Ioctl("DRM_IOCTL_VERSION", d.DRM_IOCTL_VERSION, d.drm_version),
    Ioctl("DRM_IOCTL_GEM_CLOSE", d.DRM_IOCTL_GEM_CLOSE, d.drm_gem_close),
    Ioctl("DRM_IOCTL_GET_CAP", d.DRM_IOCTL_GET_CAP, d.drm_get_cap),
    Ioctl("DRM_IOCTL_PRIME_HANDLE_TO_FD", d.DRM_IOCTL_PRIME_HANDLE_TO_FD, d.drm_prime_handle),
    Ioctl("DRM_IOCTL_PRIME_FD_TO_HANDLE", d.DRM_IOCTL_PRIME_FD_TO_HANDLE, d.drm_prime_handle),
    Ioctl("DRM_IOCTL_MODE_CREATE_DUMB", m.DRM_IOCTL_MODE_CREATE_DUMB, m.drm_mode_create_dumb),
    Ioctl("DRM_IOCTL_MODE_MAP_DUMB", m.DRM_IOCTL_MODE_MAP_DUMB, m.drm_mode_map_dumb),
    Ioctl("DRM_IOCTL_MODE_DESTROY_DUMB", m.DRM_IOCTL_MODE_DESTROY_DUMB, m.drm_mode_destroy_dumb),
    Ioctl("DRM_IOCTL_SYNCOBJ_CREATE", o.DRM_IOCTL_SYNCOBJ_CREATE, o.drm_syncobj_create),
    Ioctl("DRM_IOCTL_SYNCOBJ_DESTROY", o.DRM_IOCTL_SYNCOBJ_DESTROY, o.drm_syncobj_destroy),
    Ioctl("DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD", o.DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, o.drm_syncobj_handle),
    Ioctl("DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE", o.DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, o.drm_syncobj_handle),
    Ioctl("DRM_IOCTL_SYNCOBJ_WAIT", o.DRM_IOCTL_SYNCOBJ_WAIT, o.drm_syncobj_wait),
    Ioctl("DRM_IOCTL_SYNCOBJ_RESET", o.DRM_IOCTL_SYNCOBJ_RESET, o.drm_syncobj_array),
    Ioctl("DRM_IOCTL_SYNCOBJ_SIGNAL", o.DRM_IOCTL_SYNCOBJ_SIGNAL, o.drm_syncobj_array),
    Ioctl(
        "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT",
        o.DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT,
        o.drm_syncobj_timeline_wait,
    ),
    Ioctl("DRM_IOCTL_SYNCOBJ_QUERY", o.DRM_IOCTL_SYNCOBJ_QUERY, o.drm_syncobj_timeline_array),
    Ioctl("DRM_IOCTL_SYNCOBJ_TRANSFER", o.DRM_IOCTL_SYNCOBJ_TRANSFER, o.drm_syncobj_transfer),
    Ioctl(
        "DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL",
        o.DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
        o.drm_syncobj_timeline_array,
    ),
    Ioctl("DRM_IOCTL_SYNCOBJ_EVENTFD", o.DRM_IOCTL_SYNCOBJ_EVENTFD, o.drm_syncobj_eventfd),
    Ioctl("DRM_IOCTL_VGEM_FENCE_ATTACH", v.DRM_IOCTL_VGEM_FENCE_ATTACH, v.drm_vgem_fence_attach),
    Ioctl("DRM_IOCTL_VGEM_FENCE_SIGNAL", v.DRM_IOCTL_VGEM_FENCE_SIGNAL, v.drm_vgem_fence_signal),
    Ioctl("DRM_IOCTL_VIRTGPU_MAP", g.DRM_IOCTL_VIRTGPU_MAP, g.drm_virtgpu_map),
    Ioctl("DRM_IOCTL_VIRTGPU_EXECBUFFER", g.DRM_IOCTL_VIRTGPU_EXECBUFFER, g.drm_virtgpu_execbuffer),
    Ioctl("DRM_IOCTL_VIRTGPU_GETPARAM", g.DRM_IOCTL_VIRTGPU_GETPARAM, g.drm_virtgpu_getparam),
    Ioctl("DRM_IOCTL_VIRTGPU_WAIT", g.DRM_IOCTL_VIRTGPU_WAIT, g.drm_virtgpu_3d_wait),
    Ioctl("VIDIOC_QUERYCAP", c.VIDIOC_QUERYCAP, c.v4l2_capability),
    Ioctl("VIDIOC_G_FMT", c.VIDIOC_G_FMT, c.v4l2_format),
    Ioctl("VIDIOC_S_FMT", c.VIDIOC_S_FMT, c.v4l2_format),
    Ioctl("VIDIOC_REQBUFS", c.VIDIOC_REQBUFS, c.v4l2_requestbuffers),
    Ioctl("VIDIOC_QUERYBUF", c.VIDIOC_QUERYBUF, c.v4l2_buffer),
    Ioctl("VIDIOC_QBUF", c.VIDIOC_QBUF, c.v4l2_buffer),
    Ioctl("VIDIOC_EXPBUF", c.VIDIOC_EXPBUF, c.v4l2_exportbuffer),
    Ioctl("VIDIOC_DQBUF", c.VIDIOC_DQBUF, c.v4l2_buffer),
    Ioctl("VIDIOC_STREAMON", c.VIDIOC_STREAMON, None),
    Ioctl("VIDIOC_STREAMOFF", c.VIDIOC_STREAMOFF, None),
)
