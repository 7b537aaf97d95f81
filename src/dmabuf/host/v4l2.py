"""A real camera: buffers go in empty and come out with frames.

Mirrors: include/uapi/linux/videodev2.h

    with VideoFd.open() as camera, HeapFd.open() as heap:
        frame = heap.alloc(camera.frame_size())
        camera.reqbufs(2)
        camera.qbuf(0, frame.fileno())
        camera.streamon()

Formats of one plane. The kernel puts no fence on a buffer of a camera, so that only `dqbuf` says
when a frame is done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self

from dmabuf.abi.layout import pack_numbers
from dmabuf.abi.videodev2 import (
    V4L2_BUF_TYPE_VIDEO_CAPTURE,
    V4L2_CAP_STREAMING,
    V4L2_CAP_VIDEO_CAPTURE,
    V4L2_MEMORY_DMABUF,
    VIDIOC_DQBUF,
    VIDIOC_EXPBUF,
    VIDIOC_G_FMT,
    VIDIOC_QBUF,
    VIDIOC_QUERYCAP,
    VIDIOC_REQBUFS,
    VIDIOC_S_FMT,
    VIDIOC_STREAMOFF,
    VIDIOC_STREAMON,
    v4l2_buffer,
    v4l2_capability,
    v4l2_exportbuffer,
    v4l2_format,
    v4l2_pix_format,
    v4l2_requestbuffers,
)
from dmabuf.errors import NotAvailable
from dmabuf.host.dma_buf import DmaBufFd
from dmabuf.host.owned import Owned, call, open_device

__all__ = ["FOLDER", "REMEDY", "VideoFd"]

FOLDER = "/dev"
REMEDY = "load the module vivid, and have the right to open /dev/video*"

_CAPTURE = V4L2_BUF_TYPE_VIDEO_CAPTURE
_NEEDED = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING
_U32 = (1 << 32) - 1


class VideoFd(Owned):
    """Owns an open camera with its queue. The descriptor never blocks."""

    __slots__ = ()

    @classmethod
    def open(cls, driver: str = "vivid") -> Self:
        """The first camera of that driver that takes buffers of others.

        Raises:
            NotAvailable: there is none.
        """
        nodes = sorted(Path(FOLDER).glob("video*"), key=lambda path: (len(path.name), path.name))
        for path in nodes:
            with contextlib.suppress(OSError), cls(_open(path)) as camera:
                found = camera.capability()
                if found.driver == driver.encode() and found.device_caps & _NEEDED == _NEEDED:
                    return cls(camera.detach_fd())
        raise NotAvailable(f"no camera of the driver {driver} is here: {REMEDY}")

    def capability(self) -> v4l2_capability:
        """What it is."""
        return call(self.fileno(), VIDIOC_QUERYCAP, v4l2_capability())

    def frame_size(self) -> int:
        """Bytes of a frame."""
        return _pix(call(self.fileno(), VIDIOC_G_FMT, v4l2_format(type=_CAPTURE))).sizeimage

    def set_size(self, width: int, height: int) -> int:
        """Ask for frames of about that many pixels; answers the bytes of one.

        Raises:
            OSError: EBUSY, there are buffers.
        """
        current = call(self.fileno(), VIDIOC_G_FMT, v4l2_format(type=_CAPTURE))
        pix = _pix(current)
        pix.width, pix.height, pix.bytesperline = width, height, 0
        current.fmt = pix.pack() + current.fmt[v4l2_pix_format.SIZE :]
        return _pix(call(self.fileno(), VIDIOC_S_FMT, current)).sizeimage

    def reqbufs(self, count: int, memory: int = V4L2_MEMORY_DMABUF) -> int:
        """Ask for so many slots, 0 lets go of all; answers how many there are.

        Raises:
            OSError: EBUSY, it is streaming; EINVAL, the kind of memory.
        """
        asked = v4l2_requestbuffers(count=count, type=_CAPTURE, memory=memory)
        return call(self.fileno(), VIDIOC_REQBUFS, asked).count

    def qbuf(
        self, index: int, fd: int, length: int = 0, *, memory: int = V4L2_MEMORY_DMABUF
    ) -> None:
        """Give a slot to the camera, with the dma-buf of that descriptor.

        Args:
            index: of the slot.
            fd: of the buffer.
            length: how much of it; 0 is all.
            memory: as in `reqbufs`.

        Raises:
            OSError: EINVAL, the slot, the descriptor or too small a length; EFAULT, too large.
        """
        asked = v4l2_buffer(index=index, type=_CAPTURE, memory=memory, m=fd & _U32, length=length)
        call(self.fileno(), VIDIOC_QBUF, asked)

    def dqbuf(self, memory: int = V4L2_MEMORY_DMABUF) -> v4l2_buffer:
        """The next slot that has a frame.

        Raises:
            OSError: EAGAIN, there is none yet; EINVAL, it is not streaming.
        """
        asked = v4l2_buffer(type=_CAPTURE, memory=memory)
        return call(self.fileno(), VIDIOC_DQBUF, asked)

    def streamon(self) -> None:
        """From now on frames are captured."""
        fcntl.ioctl(self.fileno(), VIDIOC_STREAMON, pack_numbers("s32", [_CAPTURE]))

    def streamoff(self) -> None:
        """Take all buffers back, with or without a frame."""
        fcntl.ioctl(self.fileno(), VIDIOC_STREAMOFF, pack_numbers("s32", [_CAPTURE]))

    def expbuf(
        self, index: int, *, plane: int = 0, flags: int = os.O_CLOEXEC | os.O_RDWR
    ) -> DmaBufFd:
        """A slot of the camera's own memory (V4L2_MEMORY_MMAP) as a dma-buf.

        Raises:
            OSError: EINVAL, the slot, the plane, the flags or the kind of memory.
        """
        asked = v4l2_exportbuffer(type=_CAPTURE, index=index, plane=plane, flags=flags)
        return DmaBufFd(call(self.fileno(), VIDIOC_EXPBUF, asked).fd)


def _open(path: Path) -> int:
    return open_device(str(path), REMEDY, os.O_RDWR | os.O_NONBLOCK)


def _pix(found: v4l2_format) -> v4l2_pix_format:
    """The picture in it, whose last bytes are lost when they are zero."""
    whole = found.fmt.ljust(v4l2_pix_format.SIZE, b"\0")
    return v4l2_pix_format.unpack(whole[: v4l2_pix_format.SIZE])
