"""Numbers of cameras, as far as buffers go into and out of them.

Mirrors: include/uapi/linux/videodev2.h

One plane a buffer, and capture only. `m` of a buffer is a union: an offset, an address, or a
descriptor, whichever `memory` says; a descriptor is its lower half, which is signed.

    >>> hex(VIDIOC_EXPBUF), v4l2_buffer.SIZE
    ('0xc0405610', 88)
    >>> v4l2_pix_format.unpack(v4l2_format(type=1).fmt.ljust(200, bytes(1))[:48]).width
    0
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOR, _IOW, _IOWR
from dmabuf.abi.layout import (
    Struct,
    char16,
    char32,
    format_union,
    ptr,
    s32,
    timecode,
    timeval,
    u8,
    u8x3,
    u32,
    u32x3,
    u32x11,
)

__all__ = [
    "V4L2_BUF_CAP_SUPPORTS_DMABUF",
    "V4L2_BUF_CAP_SUPPORTS_MMAP",
    "V4L2_BUF_FLAG_DONE",
    "V4L2_BUF_FLAG_ERROR",
    "V4L2_BUF_FLAG_MAPPED",
    "V4L2_BUF_FLAG_QUEUED",
    "V4L2_BUF_TYPE_VIDEO_CAPTURE",
    "V4L2_CAP_STREAMING",
    "V4L2_CAP_VIDEO_CAPTURE",
    "V4L2_MEMORY_DMABUF",
    "V4L2_MEMORY_MMAP",
    "VIDIOC_DQBUF",
    "VIDIOC_EXPBUF",
    "VIDIOC_G_FMT",
    "VIDIOC_QBUF",
    "VIDIOC_QUERYBUF",
    "VIDIOC_QUERYCAP",
    "VIDIOC_REQBUFS",
    "VIDIOC_STREAMOFF",
    "VIDIOC_STREAMON",
    "VIDIOC_S_FMT",
    "v4l2_buffer",
    "v4l2_capability",
    "v4l2_exportbuffer",
    "v4l2_format",
    "v4l2_pix_format",
    "v4l2_requestbuffers",
]

V4L2_BUF_TYPE_VIDEO_CAPTURE = 1
V4L2_MEMORY_MMAP = 1
V4L2_MEMORY_DMABUF = 4
V4L2_CAP_VIDEO_CAPTURE = 0x00000001
V4L2_CAP_STREAMING = 0x04000000
V4L2_BUF_CAP_SUPPORTS_MMAP = 1 << 0
V4L2_BUF_CAP_SUPPORTS_DMABUF = 1 << 2
V4L2_BUF_FLAG_MAPPED = 0x00000001
V4L2_BUF_FLAG_QUEUED = 0x00000002
V4L2_BUF_FLAG_DONE = 0x00000004
V4L2_BUF_FLAG_ERROR = 0x00000040


class v4l2_capability(Struct):
    """What a device is; `device_caps` are those of this node."""

    driver: char16 = b""
    card: char32 = b""
    bus_info: char32 = b""
    version: u32 = 0
    capabilities: u32 = 0
    device_caps: u32 = 0
    reserved: u32x3 = b""


class v4l2_pix_format(Struct):
    """A picture; `sizeimage` is how many bytes it takes."""

    width: u32 = 0
    height: u32 = 0
    pixelformat: u32 = 0
    field: u32 = 0
    bytesperline: u32 = 0
    sizeimage: u32 = 0
    colorspace: u32 = 0
    priv: u32 = 0
    flags: u32 = 0
    ycbcr_enc: u32 = 0
    quantization: u32 = 0
    xfer_func: u32 = 0


class v4l2_format(Struct):
    """What a node gives: for capture `fmt` begins with a `v4l2_pix_format`."""

    type: u32 = 0
    fmt: format_union = b""


class v4l2_requestbuffers(Struct):
    """How many slots; `count` (what there are) and `capabilities` are the answer."""

    count: u32 = 0
    type: u32 = 0
    memory: u32 = 0
    capabilities: u32 = 0
    flags: u8 = 0
    reserved: u8x3 = b""


class v4l2_buffer(Struct):
    """A slot, to be queued or as it is."""

    index: u32 = 0
    type: u32 = 0
    bytesused: u32 = 0
    flags: u32 = 0
    field: u32 = 0
    timestamp: timeval = b""
    timecode: timecode = b""
    sequence: u32 = 0
    memory: u32 = 0
    m: ptr = 0
    length: u32 = 0
    reserved2: u32 = 0
    request_fd: s32 = 0


class v4l2_exportbuffer(Struct):
    """A slot of the device's own memory as a dma-buf; `fd` is the answer."""

    type: u32 = 0
    index: u32 = 0
    plane: u32 = 0
    flags: u32 = 0
    fd: s32 = 0
    reserved: u32x11 = b""


_MAGIC = ord("V")
VIDIOC_QUERYCAP = _IOR(_MAGIC, 0, v4l2_capability.SIZE)
VIDIOC_G_FMT = _IOWR(_MAGIC, 4, v4l2_format.SIZE)
VIDIOC_S_FMT = _IOWR(_MAGIC, 5, v4l2_format.SIZE)
VIDIOC_REQBUFS = _IOWR(_MAGIC, 8, v4l2_requestbuffers.SIZE)
VIDIOC_QUERYBUF = _IOWR(_MAGIC, 9, v4l2_buffer.SIZE)
VIDIOC_QBUF = _IOWR(_MAGIC, 15, v4l2_buffer.SIZE)
VIDIOC_EXPBUF = _IOWR(_MAGIC, 16, v4l2_exportbuffer.SIZE)
VIDIOC_DQBUF = _IOWR(_MAGIC, 17, v4l2_buffer.SIZE)
VIDIOC_STREAMON = _IOW(_MAGIC, 18, 4)  # an int: the type
VIDIOC_STREAMOFF = _IOW(_MAGIC, 19, 4)
