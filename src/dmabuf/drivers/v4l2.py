"""A static importer: a camera's queue of frames, which knows no fences.

Mirrors: drivers/media/common/videobuf2/videobuf2-core.c (as far as imported buffers go)

    >>> from dmabuf.drivers.carveout import Carveout
    >>> queue = VideoQueue(Device("camera"))
    >>> queue.qbuf(0, Carveout("frame").buf)
    >>> queue.streamon(); queue.capture(); queue.dqbuf()
    True
    0
    >>> queue.streamoff(); queue.reqbufs_none()

A slot keeps attachment, mapping and a reference from its first use until it gets another buffer
or the queue is closed: for as long as the storage cannot move. No fence is put on the buffer, so
whoever shares it has to be told by other means when a frame is done.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.rt.api import Runtime
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["VideoQueue"]


class _Slot:
    """One plane of one buffer of the queue."""

    def __init__(self, buf: DmaBuf, dev: Device) -> None:
        self.buf = buf.get()
        try:
            self.attachment: Attachment = buf.attach(dev)
            try:
                self.table: SgTable = self.attachment.map_unlocked(Direction.FROM_DEVICE)
            except OSError:
                self.attachment.detach()
                raise
        except OSError:
            buf.put()
            raise

    def close(self) -> None:
        self.attachment.unmap_unlocked(self.table)
        self.attachment.detach()
        self.buf.put()


class VideoQueue:
    """A queue of imported buffers that a camera fills, in order of queueing.

    Args:
        dev: the camera.
        frame_size: bytes of a frame.
        fill: what the camera does to a buffer for a frame, while its access goes on.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    def __init__(
        self,
        dev: Device,
        *,
        frame_size: int = 0,
        fill: Callable[[DmaBuf], None] | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.dev = dev
        self.fill = fill
        self.frame_size = frame_size
        self.mutex = Mutex(f"{dev.name} queue", rt=rt)
        self.lock = SpinLock(f"{dev.name} frames", rt=rt)
        self.wanted = Completion(f"{dev.name} frames wanted", rt=rt)
        self.done = Completion(f"{dev.name} frames done", rt=rt)
        self.idle = WaitQueue(f"{dev.name} idle", rt=rt)
        self.slots: dict[int, _Slot] = {}
        self.queued: deque[int] = deque()
        self.filled: deque[int] = deque()
        self.is_streaming = False
        self.active: int | None = None

    def qbuf(self, index: int, buf: DmaBuf, length: int = 0) -> None:
        """Give the camera a buffer to fill. Context: process, may sleep.

        Args:
            index: of the slot.
            buf: the buffer.
            length: how many bytes of it; 0 is all.

        Raises:
            OSError: EINVAL, the slot is queued already or the length too small for a frame;
                EFAULT, the buffer is shorter than that; what attaching and mapping answer.
        """
        with self.mutex:
            with self.lock.irqsave():
                is_taken = index in (*self.queued, *self.filled, self.active)
            if is_taken:
                raise OSError(errno.EINVAL, f"slot {index} is queued already")
            if (length or buf.size) < self.frame_size:
                raise OSError(errno.EINVAL, f"{buf.label} is too small for a frame")
            if length > buf.size:
                raise OSError(errno.EFAULT, f"{buf.label} has no {length} bytes")
            known = self.slots.get(index)
            if known is None or known.buf is not buf:
                if known is not None:
                    self.slots.pop(index).close()
                self.slots[index] = _Slot(buf, self.dev)
            with self.lock.irqsave():
                self.queued.append(index)
                starts = self.is_streaming
        if starts:
            self.wanted.complete()

    def streamon(self) -> None:
        """From now on frames are captured; nothing if they are. Context: process, may sleep."""
        with self.mutex:
            if self.is_streaming:
                return
            self.done.reinit()
            with self.lock.irqsave():
                self.is_streaming = True
                count = len(self.queued)
            for _ in range(count):
                self.wanted.complete()

    def streamoff(self) -> None:
        """Take all buffers back, after the frame under way. Context: process, may sleep."""
        with self.mutex:
            with self.lock.irqsave():
                self.is_streaming = False
                self.queued.clear()
            self.idle.wait_event(self._is_idle, interruptible=False)
            with self.lock.irqsave():
                self.filled.clear()
            self.done.complete_all()  # who waits for a frame gets none

    def _is_idle(self) -> bool:
        with self.lock.irqsave():
            return self.active is None

    def dqbuf(self, *, nonblocking: bool = False) -> int:
        """Wait for a frame; the slot that has it. Context: process, may sleep.

        Raises:
            OSError: EINVAL, it is not streaming, or no more; EAGAIN, there is no frame yet and
                the caller does not wait.
        """
        with self.lock.irqsave():
            is_streaming = self.is_streaming
        if is_streaming and nonblocking and not self.done.try_wait():
            raise OSError(errno.EAGAIN, f"{self.dev.name} has no frame yet")
        if is_streaming and not nonblocking:
            self.done.wait()
        with self.lock.irqsave():
            if self.is_streaming and self.filled:
                return self.filled.popleft()
        raise OSError(errno.EINVAL, f"{self.dev.name} is not streaming")

    def capture(self) -> bool:
        """What the camera does for one frame: wait until one is wanted, and fill it.

        Returns False if streaming ended meanwhile.
        """
        self.wanted.wait()
        with self.lock.irqsave():
            if not self.is_streaming or not self.queued:
                return False
            index = self.queued.popleft()
            self.active = index
        slot = self.slots[index]
        with slot.attachment.device_access(slot.table, write=True):
            if self.fill is not None:
                self.fill(slot.buf)
        with self.lock.irqsave():
            self.active = None
            is_kept = self.is_streaming
            if is_kept:
                self.filled.append(index)
        if is_kept:
            self.done.complete()
        self.idle.wake_up_all()
        return is_kept

    def reqbufs_none(self) -> None:
        """Let go of all buffers (VIDIOC_REQBUFS with count 0). Context: process, may sleep.

        Raises:
            OSError: EBUSY, it is streaming.
        """
        with self.mutex:
            if self.is_streaming:
                raise OSError(errno.EBUSY, f"{self.dev.name} is streaming")
            while self.slots:
                self.slots.popitem()[1].close()
            self.queued.clear()
