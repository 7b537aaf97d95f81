"""The real kernel behind the face: each call is one ioctl through `dmabuf.host`."""

from __future__ import annotations

import fcntl
import functools
import os
import select
from collections.abc import Sequence

from dmabuf.abi.videodev2 import V4L2_MEMORY_DMABUF
from dmabuf.host.dma_buf import DmaBufFd
from dmabuf.host.dma_heap import HeapFd
from dmabuf.host.drm import DrmFd
from dmabuf.host.owned import Owned
from dmabuf.host.sw_sync import SwSyncFd
from dmabuf.host.sync_file import SyncFileFd, poll_events
from dmabuf.host.syncobj import SyncobjFd
from dmabuf.host.udmabuf import UdmabufFd
from dmabuf.host.v4l2 import VideoFd
from dmabuf.host.vgem import VgemFd
from tests.agreement.face import Entry, Info

CAMERA_PIXELS = (320, 180)
CAMERA_PATIENCE_MS = 20_000


@functools.cache
def _borrowing(kind):
    """The class of that kind whose objects do not own their descriptor."""
    return type(f"Borrowed{kind.__name__}", (kind,), {"__slots__": (), "close": _leave_open})


def _leave_open(_file: Owned) -> None:
    """Closing is somebody else's business."""


class Kernel:
    """The kernel that runs this test."""

    name = "kernel"

    def __init__(self) -> None:
        self.files: dict[int, Owned] = {}
        self.heap: HeapFd | None = None
        self.udmabuf: UdmabufFd | None = None

    # --- descriptors

    def _keep(self, file: Owned) -> int:
        self.files[file.fileno()] = file
        return file.fileno()

    def _as(self, kind, fd: int):
        """Any descriptor as one of that kind, without owning it: wrong kinds get there too."""
        return _borrowing(kind)(fd)

    def close(self, fd: int) -> None:
        """Close it."""
        self.files.pop(fd).close()

    def poll(self, fd: int, events: int, timeout_ms: int = 0) -> int:
        """poll(2)."""
        return poll_events(fd, events, timeout_ms)

    def end(self) -> None:
        """Close all."""
        for file in [*self.files.values(), self.heap, self.udmabuf]:
            if file is not None:
                file.close()
        self.files.clear()

    # --- buffers

    def heap_alloc(self, length, fd_flags=None, heap_flags=0, fd=0):
        """Of the system heap."""
        self.heap = self.heap or HeapFd.open()
        fd_flags = os.O_RDWR | os.O_CLOEXEC if fd_flags is None else fd_flags
        return self._keep(self.heap.alloc(length, fd_flags, heap_flags, fd=fd))

    def memfd(self, size, seals=None, *, sealing=True):
        """A real one."""
        fd = os.memfd_create("agreement", os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if sealing else 0))
        os.ftruncate(fd, size)
        if sealing:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK if seals is None else seals)
        return self._keep(Owned(fd))

    def add_seals(self, fd, seals):
        """F_ADD_SEALS."""
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)

    def memfd_bytes(self, fd, offset, data):
        """pwrite or pread."""
        if isinstance(data, int):
            return os.pread(fd, data, offset)
        os.pwrite(fd, data, offset)
        return data

    def udmabuf_create(self, memfd, offset, size, flags=1):
        """UDMABUF_CREATE."""
        self.udmabuf = self.udmabuf or UdmabufFd.open()
        return self._keep(self.udmabuf.create(memfd, offset, size, flags))

    def udmabuf_create_list(self, ranges: Sequence[tuple[int, int, int]], flags=1):
        """UDMABUF_CREATE_LIST."""
        self.udmabuf = self.udmabuf or UdmabufFd.open()
        return self._keep(self.udmabuf.create_list(ranges, flags))

    def size(self, fd):
        """By lseek."""
        return self._as(DmaBufFd, fd).size

    def bytes_of(self, fd, offset, data):
        """Through a mapping."""
        with self._as(DmaBufFd, fd).map() as pages:
            if isinstance(data, int):
                return pages[offset : offset + data]
            pages[offset : offset + len(data)] = data
            return data

    def sync(self, fd, flags):
        """SYNC."""
        self._as(DmaBufFd, fd).sync(flags)

    def set_name(self, fd, name):
        """SET_NAME."""
        self._as(DmaBufFd, fd).set_name(name)

    def get_name(self, fd):
        """From the link."""
        return os.fsencode(self._as(DmaBufFd, fd).name)

    def export_sync_file(self, fd, flags):
        """EXPORT_SYNC_FILE."""
        return self._keep(self._as(DmaBufFd, fd).export_sync_file(flags))

    def import_sync_file(self, fd, sync_file, flags):
        """IMPORT_SYNC_FILE."""
        self._as(DmaBufFd, fd).import_sync_file(sync_file, flags)

    # --- sync files

    def merge(self, fd, fd2, name=b"", flags=0, pad=0):
        """MERGE."""
        return self._keep(self._as(SyncFileFd, fd).merge(fd2, name, flags=flags, pad=pad))

    def file_info(self, fd, room=None, flags=0, pad=0):
        """FILE_INFO."""
        got = self._as(SyncFileFd, fd).info(room, flags=flags, pad=pad)
        fences = tuple(
            Entry(one.obj_name, one.driver_name, one.status, one.timestamp_ns != 0)
            for one in got.fences
        )
        return Info(got.name, got.status, got.num_fences, fences)

    def set_deadline(self, fd, deadline_ns, pad=0):
        """SET_DEADLINE."""
        self._as(SyncFileFd, fd).set_deadline(deadline_ns, pad=pad)

    # --- devices

    def vgem(self):
        """A new open file."""
        return self._keep(VgemFd.open())

    def gpu(self):
        """A new open file of virtio-gpu."""
        return self._keep(SyncobjFd.open())

    def dumb_create(self, drm, width, height, bpp=32):
        """CREATE_DUMB."""
        made = self._as(DrmFd, drm).create_dumb(width, height, bpp)
        return made.handle, made.size

    def prime_export(self, drm, handle, flags=None):
        """HANDLE_TO_FD."""
        flags = os.O_CLOEXEC | os.O_RDWR if flags is None else flags
        return self._keep(self._as(DrmFd, drm).export(handle, flags))

    def prime_import(self, drm, fd):
        """FD_TO_HANDLE."""
        return self._as(DrmFd, drm).import_handle(fd)

    def gem_close(self, drm, handle):
        """GEM_CLOSE."""
        self._as(DrmFd, drm).close_handle(handle)

    def vgem_attach(self, drm, handle, flags=0, pad=0):
        """FENCE_ATTACH."""
        return self._as(VgemFd, drm).attach(handle, flags, pad=pad)

    def vgem_signal(self, drm, fence, flags=0):
        """FENCE_SIGNAL."""
        self._as(VgemFd, drm).signal(fence, flags=flags)

    # --- timelines counted up by hand

    def sw_sync(self):
        """A new timeline in debugfs."""
        return self._keep(SwSyncFd.open())

    def sw_fence(self, line, value):
        """CREATE_FENCE."""
        return self._keep(self._as(SwSyncFd, line).create_fence(value))

    def sw_inc(self, line, steps):
        """INC."""
        self._as(SwSyncFd, line).inc(steps)

    def sw_deadline(self, line, fence, pad=0, deadline_ns=0):
        """GET_DEADLINE."""
        return self._as(SwSyncFd, line).deadline(fence, pad=pad, deadline_ns=deadline_ns)

    # --- a camera

    def camera(self):
        """The first of vivid."""
        camera = VideoFd.open()
        camera.set_size(*CAMERA_PIXELS)
        return self._keep(camera)

    def camera_frame_size(self, camera):
        """G_FMT."""
        return self._as(VideoFd, camera).frame_size()

    def camera_reqbufs(self, camera, count, memory=V4L2_MEMORY_DMABUF):
        """REQBUFS."""
        return self._as(VideoFd, camera).reqbufs(count, memory)

    def camera_qbuf(self, camera, index, fd, length=0):
        """QBUF."""
        self._as(VideoFd, camera).qbuf(index, fd, length)

    def camera_dqbuf(self, camera):
        """DQBUF."""
        return self._as(VideoFd, camera).dqbuf().index

    def camera_frame(self, camera):
        """poll(2), then DQBUF."""
        poll_events(camera, select.POLLIN, CAMERA_PATIENCE_MS)
        return self.camera_dqbuf(camera)

    def camera_expbuf(self, camera, index, **how):
        """EXPBUF, which no object of ours decides."""
        return self._keep(self._as(VideoFd, camera).expbuf(index, **how))

    def camera_streamon(self, camera):
        """STREAMON."""
        self._as(VideoFd, camera).streamon()

    def camera_streamoff(self, camera):
        """STREAMOFF."""
        self._as(VideoFd, camera).streamoff()

    # --- sync objects

    def syncobj_create(self, drm, flags=0):
        """CREATE."""
        return self._as(SyncobjFd, drm).create(flags)

    def syncobj_destroy(self, drm, handle, pad=0):
        """DESTROY."""
        self._as(SyncobjFd, drm).destroy(handle, pad=pad)

    def syncobj_handle_to_fd(self, drm, handle, flags=0, pad=0, point=0):
        """HANDLE_TO_FD."""
        device = self._as(SyncobjFd, drm)
        return self._keep(Owned(device.handle_to_fd(handle, flags, pad=pad, point=point)))

    def syncobj_fd_to_handle(self, drm, fd, flags=0, handle=0, pad=0, point=0):
        """FD_TO_HANDLE."""
        device = self._as(SyncobjFd, drm)
        return device.fd_to_handle(fd, flags, handle=handle, pad=pad, point=point)

    def syncobj_wait(self, drm, handles, timeout_ns=0, flags=0):
        """WAIT."""
        return self._as(SyncobjFd, drm).wait(handles, timeout_ns, flags)

    def syncobj_timeline_wait(self, drm, handles, points, timeout_ns=0, flags=0):
        """TIMELINE_WAIT."""
        return self._as(SyncobjFd, drm).timeline_wait(handles, points, timeout_ns, flags)

    def syncobj_reset(self, drm, handles, pad=0):
        """RESET."""
        self._as(SyncobjFd, drm).reset(handles, pad=pad)

    def syncobj_signal(self, drm, handles, pad=0):
        """SIGNAL."""
        self._as(SyncobjFd, drm).signal(handles, pad=pad)

    def syncobj_timeline_signal(self, drm, handles, points, flags=0):
        """TIMELINE_SIGNAL."""
        self._as(SyncobjFd, drm).timeline_signal(handles, points, flags)

    def syncobj_query(self, drm, handles, flags=0):
        """QUERY."""
        return self._as(SyncobjFd, drm).query(handles, flags)

    def syncobj_transfer(self, drm, source, target, source_point=0, target_point=0, flags=0, pad=0):
        """TRANSFER."""
        device = self._as(SyncobjFd, drm)
        device.transfer(source, target, source_point, target_point, flags, pad=pad)

    def eventfd(self):
        """A real one."""
        return self._keep(Owned(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)))

    def eventfd_read(self, fd):
        """0 instead of EAGAIN."""
        return os.eventfd_read(fd) if poll_events(fd, select.POLLIN) else 0

    def syncobj_eventfd(self, drm, handle, point, fd, flags=0, pad=0):
        """EVENTFD."""
        self._as(SyncobjFd, drm).eventfd(handle, point, fd, flags, pad=pad)
