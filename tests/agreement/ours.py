"""Our objects behind the face: a descriptor table, and each call on the object behind it.

What a layer of files will decide one day (which kind of file a number is, `flags` and `pad` of an
ioctl) is done here as plainly as possible and shows no row: states, results and errnos of the rows
come from the objects.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dmabuf.abi.dma_buf import DMA_BUF_SYNC_END
from dmabuf.core.counted_file import CountedFile
from dmabuf.core.dma_buf import Access, DmaBuf
from dmabuf.core.dma_buf_poll import Events
from dmabuf.core.dma_map import Device
from dmabuf.core.fd_table import FdTable
from dmabuf.core.heap import SystemHeap
from dmabuf.core.memfd import MemFd
from dmabuf.core.sw_sync import SwSync
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj_handles import SyncObjHandles
from dmabuf.core.udmabuf import Item, udmabuf_create, udmabuf_create_list
from dmabuf.drivers.v4l2 import VideoQueue
from dmabuf.drivers.vgem import VgemFile
from dmabuf.rt.ambient import ambient
from dmabuf.sync.eventfd import EventFd
from dmabuf.sync.irq_work import IrqWork
from tests.agreement.face import Entry, Info

SIZE_LIMIT_MB = 64
"""The parameter of the udmabuf module as a stock 6.12 has it."""

FRAME_SIZE = 320 * 180 * 2


def settle() -> None:
    """Let deferred irq work run, which there is over before a system call returns."""
    is_over = [False]
    while not is_over[-1]:
        last = IrqWork(lambda: None, "settle")
        last.fn = functools.partial(lambda line: is_over.append(not line.queued), last.line)
        last.queue()
        last.sync()


class _Open(CountedFile):
    """A buffer, an eventfd or a memfd as an open file: calls `release` once."""

    def __init__(self, obj: Any, release: Any) -> None:
        self.obj = obj
        self._release = release
        self._open(ambient(), "file")

    def release(self) -> None:
        """Closed."""
        self._release()


class _Vgem(CountedFile):
    """An open vgem device and the buffers that its handles keep."""

    def __init__(self) -> None:
        self._open(ambient(), "vgem")
        self.driver = VgemFile()
        self.buffers: dict[int, DmaBuf] = {}

    def handle(self, buf: DmaBuf) -> int:
        """A new handle, which keeps the buffer."""
        handle = self.driver.gem_handle(buf)
        self.buffers[handle] = buf
        return handle

    def release(self) -> None:
        """Closed: fences signal, buffers go."""
        with self.referenced():
            self.driver.close()
        for buf in self.buffers.values():
            buf.put()

    @contextmanager
    def referenced(self) -> Iterator[None]:
        """Keep all fences until irq work that signalling put off has run.

        There it runs on the signaller's own processor, before the call that signals goes on to put
        its reference, so it never puts the last one; here another thread does it, and might.
        """
        fences = [fence.get() for fence in self.driver.fences.values() if fence is not None]
        yield
        settle()
        for fence in fences:
            fence.put()


def _grey(buf: DmaBuf) -> None:
    buf.priv.memory.device_write(0, b"\x80" * FRAME_SIZE)


def _close_camera(queue: VideoQueue) -> None:
    queue.streamoff()
    queue.reqbufs_none()


class Ours:
    """Our objects, live on threads."""

    name = "ours"

    def __init__(self) -> None:
        self.files = FdTable(limit=1 << 20)
        self.heap = SystemHeap()
        self.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    # --- descriptors

    def _keep(self, file: Any) -> int:
        fd = self.files.get_unused()
        self.files.install(fd, file)
        return fd

    def _file(self, fd: int) -> Any:
        """What is behind a number, None if nothing is."""
        try:
            file = self.files.fget(fd)
        except OSError:
            return None
        file.put()  # the table's own reference keeps it
        return file.obj if isinstance(file, _Open) else file

    def _as(self, fd: int, kind: type) -> Any:
        file = self._file(fd)
        if not isinstance(file, kind):
            raise OSError(errno.ENOTTY, f"{fd} is no {kind.__name__}")
        return file

    def close(self, fd):
        """Release the object."""
        self.files.close(fd)

    def end(self):
        """Release all."""
        self.files.close_all()
        os.close(self.null)

    def poll(self, fd, events, timeout_ms=0):
        """A look, or a wait of one kind."""
        settle()
        file = self._file(fd)
        if isinstance(file, SyncFile):
            is_ready = file.wait(timeout_ms / 1000) if timeout_ms else file.poll()
            return select.POLLIN & events if is_ready else 0
        return int(file.poll(Events(events)))

    # --- buffers

    def _buffer(self, buf: DmaBuf) -> int:
        return self._keep(_Open(buf, buf.put))

    def heap_alloc(self, length, fd_flags=None, heap_flags=0, fd=0):
        """alloc."""
        fd_flags = os.O_RDWR | os.O_CLOEXEC if fd_flags is None else fd_flags
        if fd:
            raise OSError(errno.EINVAL, "the descriptor is the answer")
        return self._buffer(self.heap.alloc(length, fd_flags, heap_flags))

    def memfd(self, size, seals=None, *, sealing=True):
        """One of ours."""
        file = MemFd(size, "agreement", allow_sealing=sealing)
        if sealing:
            file.add_seals(fcntl.F_SEAL_SHRINK if seals is None else seals)
        return self._keep(_Open(file, file.close))

    def add_seals(self, fd, seals):
        """add_seals."""
        self._as(fd, MemFd).add_seals(seals)

    def memfd_bytes(self, fd, offset, data):
        """Read or write."""
        if isinstance(data, int):
            return self._as(fd, MemFd).read(offset, data)
        self._as(fd, MemFd).write(offset, data)
        return data

    def udmabuf_create(self, memfd, offset, size, flags=1):
        """udmabuf_create."""
        file = self._as_memfd(memfd)
        return self._buffer(udmabuf_create(file, offset, size, size_limit_mb=SIZE_LIMIT_MB))

    def _as_memfd(self, fd: int) -> Any:
        """A memfd of ours, or as real numbers what is none and what is not open."""
        file = self._file(fd)
        return file if isinstance(file, MemFd) else -1 if file is None else self.null

    def udmabuf_create_list(self, ranges, flags=1):
        """udmabuf_create_list."""
        items = [Item(self._as_memfd(memfd), offset, size) for memfd, offset, size in ranges]
        return self._buffer(udmabuf_create_list(items, size_limit_mb=SIZE_LIMIT_MB))

    def size(self, fd):
        """Its size."""
        return self._as(fd, DmaBuf).size

    def bytes_of(self, fd, offset, data):
        """The bytes."""
        memory = self._as(fd, DmaBuf).priv.memory
        if isinstance(data, int):
            return memory.read(offset, data)
        memory.write(offset, data)
        return data

    def sync(self, fd, flags):
        """begin_cpu_access or end_cpu_access."""
        buf, direction = self._as(fd, DmaBuf), Access(flags & ~DMA_BUF_SYNC_END).direction
        (buf.end_cpu_access if flags & DMA_BUF_SYNC_END else buf.begin_cpu_access)(direction)

    def set_name(self, fd, name):
        """set_name."""
        self._as(fd, DmaBuf).set_name(os.fsdecode(name))

    def get_name(self, fd):
        """The name."""
        return os.fsencode(self._as(fd, DmaBuf).name)

    def export_sync_file(self, fd, flags):
        """export_sync_file."""
        return self._keep(self._as(fd, DmaBuf).export_sync_file(Access(flags)))

    def import_sync_file(self, fd, sync_file, flags):
        """import_sync_file."""
        self._as(fd, DmaBuf).import_sync_file(self._file(sync_file), Access(flags))

    # --- sync files

    def merge(self, fd, fd2, name=b"", flags=0, pad=0):
        """merge."""
        file, other = self._as(fd, SyncFile), self._file(fd2)
        if flags or pad:
            raise OSError(errno.EINVAL, "flags and pad are 0")
        if not isinstance(other, SyncFile):
            raise OSError(errno.ENOENT, f"{fd2} is no sync file")
        return self._keep(file.merge(other, os.fsdecode(name)))

    def file_info(self, fd, room=None, flags=0, pad=0):
        """info, or status without room."""
        file = self._as(fd, SyncFile)
        info = file.info()
        count = len(info.fences)
        if flags or pad or (room is not None and 0 < room < count):
            raise OSError(errno.EINVAL, "flags, pad or room")
        if room == 0:
            return Info(os.fsencode(info.name), file.status, count, ())
        return Info(os.fsencode(info.name), info.status, count, tuple(map(_entry, info.fences)))

    def set_deadline(self, fd, deadline_ns, pad=0):
        """set_deadline."""
        file = self._as(fd, SyncFile)
        if pad:
            raise OSError(errno.EINVAL, "pad is 0")
        file.set_deadline(deadline_ns)

    # --- devices

    def vgem(self):
        """Open the driver."""
        return self._keep(_Vgem())

    def gpu(self):
        """Open a render node."""
        node = SyncObjHandles(self.files)
        return self._keep(_Open(node, node.release))

    def dumb_create(self, drm, width, height, bpp=32):
        """A buffer of the heap; whose handles are is not what is tested."""
        buf = self.heap.alloc(width * height * bpp // 8)
        return self._as(drm, _Vgem).handle(buf), buf.size

    def prime_export(self, drm, handle, flags=None):
        """Another descriptor of the buffer."""
        return self._buffer(self._as(drm, _Vgem).buffers[handle].get())

    def prime_import(self, drm, fd):
        """A handle of the buffer."""
        return self._as(drm, _Vgem).handle(self._as(fd, DmaBuf).get())

    def vgem_attach(self, drm, handle, flags=0, pad=0):
        """attach."""
        return self._as(drm, _Vgem).driver.attach(handle, flags, pad=pad)

    def vgem_signal(self, drm, fence, flags=0):
        """signal."""
        device = self._as(drm, _Vgem)
        with device.referenced():
            device.driver.signal(fence, flags)

    # --- timelines counted up by hand

    def sw_sync(self):
        """Named like the task, as there."""
        line = SwSync(Path("/proc/self/comm").read_text().strip())
        return self._keep(_Open(line, line.destroy))

    def sw_fence(self, line, value):
        """create_fence."""
        fence = self._as(line, SwSync).create_fence(value)
        file = self._keep(SyncFile(fence))
        fence.put()
        return file

    def sw_inc(self, line, steps):
        """inc."""
        self._as(line, SwSync).inc(steps)

    def sw_deadline(self, line, fence, pad=0, deadline_ns=0):
        """deadline_of."""
        timeline, file = self._as(line, SwSync), self._file(fence)
        if pad or deadline_ns or not isinstance(file, SyncFile):
            raise OSError(errno.EINVAL, "pad, deadline or descriptor")
        return timeline.deadline_of(file.fence) & ((1 << 64) - 1)

    # --- a camera

    def camera(self):
        """One whose frames are grey; it works when somebody waits for a frame."""
        queue = VideoQueue(Device("camera"), frame_size=FRAME_SIZE, fill=_grey)
        return self._keep(_Open(queue, functools.partial(_close_camera, queue)))

    def camera_frame_size(self, camera):
        """As it was made."""
        return self._as(camera, VideoQueue).frame_size

    def camera_reqbufs(self, camera, count, memory=4):
        """A slot is made by its first use; 0 lets go of all."""
        queue = self._as(camera, VideoQueue)
        if queue.is_streaming or not count:
            queue.reqbufs_none()
        return count

    def camera_qbuf(self, camera, index, fd, length=0):
        """qbuf."""
        queue, buf = self._as(camera, VideoQueue), self._file(fd)
        if not isinstance(buf, DmaBuf):
            raise OSError(errno.EINVAL, f"{fd} is no buffer")
        queue.qbuf(index, buf, length)

    def camera_dqbuf(self, camera):
        """dqbuf."""
        return self._as(camera, VideoQueue).dqbuf(nonblocking=True)

    def camera_frame(self, camera):
        """capture, then dqbuf."""
        self._as(camera, VideoQueue).capture()
        return self.camera_dqbuf(camera)

    def camera_streamon(self, camera):
        """streamon."""
        self._as(camera, VideoQueue).streamon()

    def camera_streamoff(self, camera):
        """streamoff."""
        self._as(camera, VideoQueue).streamoff()

    # --- sync objects

    def _node(self, drm: int) -> SyncObjHandles:
        return self._as(drm, SyncObjHandles)

    def syncobj_create(self, drm, flags=0):
        """create."""
        return self._node(drm).create(flags)

    def syncobj_destroy(self, drm, handle, pad=0):
        """destroy."""
        self._node(drm).destroy(handle, pad=pad)

    def syncobj_handle_to_fd(self, drm, handle, flags=0, pad=0, point=0):
        """handle_to_fd."""
        return self._node(drm).handle_to_fd(handle, flags, point, pad=pad)

    def syncobj_fd_to_handle(self, drm, fd, flags=0, handle=0, pad=0, point=0):
        """fd_to_handle."""
        return self._node(drm).fd_to_handle(fd, handle, flags, point, pad=pad)

    def syncobj_wait(self, drm, handles, timeout_ns=0, flags=0):
        """wait."""
        return self._node(drm).wait(handles, timeout_ns, flags)

    def syncobj_timeline_wait(self, drm, handles, points, timeout_ns=0, flags=0):
        """timeline_wait."""
        return self._node(drm).timeline_wait(handles, points, timeout_ns, flags)

    def syncobj_reset(self, drm, handles, pad=0):
        """reset."""
        self._node(drm).reset(handles, pad=pad)

    def syncobj_signal(self, drm, handles, pad=0):
        """signal."""
        self._node(drm).signal(handles, pad=pad)

    def syncobj_timeline_signal(self, drm, handles, points, flags=0):
        """timeline_signal."""
        self._node(drm).timeline_signal(handles, points, flags)

    def syncobj_query(self, drm, handles, flags=0):
        """query."""
        return self._node(drm).query(handles, flags)

    def syncobj_transfer(self, drm, source, target, source_point=0, target_point=0, flags=0, pad=0):
        """transfer."""
        node = self._node(drm)
        node.transfer(source, source_point, target, target_point, flags, pad=pad)

    def eventfd(self):
        """One of ours."""
        return self._keep(EventFd("event"))

    def eventfd_read(self, fd):
        """Without waiting."""
        settle()
        return self._as(fd, EventFd).read_nowait()

    def syncobj_eventfd(self, drm, handle, point, fd, flags=0, pad=0):
        """eventfd."""
        self._node(drm).eventfd(handle, fd, point, flags, pad=pad)


def _entry(one: Any) -> Entry:
    names = os.fsencode(one.obj_name), os.fsencode(one.driver_name)
    return Entry(*names, one.status, one.timestamp_ns != 0)
