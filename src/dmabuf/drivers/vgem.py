"""Fences that a program attaches to a buffer and signals itself, within ten seconds.

Mirrors: drivers/gpu/drm/vgem/vgem_fence.c

    >>> class Buffer:
    ...     resv = Resv("buffer")
    >>> file = VgemFile()
    >>> handle = file.gem_handle(Buffer())
    >>> fence = file.attach(handle, VGEM_FENCE_WRITE)
    >>> Buffer.resv.test_signaled(Usage.WRITE)
    False
    >>> file.signal(fence); Buffer.resv.test_signaled(Usage.WRITE)
    True

Userspace controls these fences, which no dma_fence may depend on; what makes them bearable is the
timer, which signals for a program that does not. It says nothing of that: an expired fence has no
error, and only who signals it too late is told.
"""

from __future__ import annotations

import errno
from typing import Protocol

from dmabuf.abi.vgem_drm import VGEM_FENCE_WRITE
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.idr import Idr
from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.timer import Timer

__all__ = ["FENCE_TIMEOUT_S", "VgemFile"]

FENCE_TIMEOUT_S = 10.0
"""After so many seconds a fence signals of itself."""


class HasResv(Protocol):
    """A buffer: what fences are attached to."""

    @property
    def resv(self) -> Resv:
        """Its reservation object."""
        ...


class _Ops(FenceOps):
    """What vgem_fence_ops do for one fence, which has a timer."""

    def __init__(self, rt: Runtime) -> None:
        self.fence: Fence | None = None
        self.timer = Timer(self._expire, "vgem fence", irqsafe=True, rt=rt)

    def get_driver_name(self, fence: Fence) -> str:
        """The driver's name."""
        del fence
        return "vgem"

    def get_timeline_name(self, fence: Fence) -> str:
        """Each fence is alone on its timeline."""
        del fence
        return "unbound"

    def _expire(self) -> None:
        """The time is over. Context: softirq."""
        if self.fence is not None:
            self.fence.signal()

    def release(self, fence: Fence) -> None:
        """The last reference is put: the timer goes, too."""
        del fence
        self.timer.delete_sync()
        self.fence = None


class VgemFile:
    """One opened vgem device: handles of buffers, and fences by number.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        fences: by number; None for one that was signalled by the program.
        fence_mutex: for changes of these.
    """

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.rt = rt or ambient()
        self.name = name or "vgem"
        self.fences: dict[int, Fence | None] = {}
        self.fence_mutex = Mutex(f"{self.name}.fence_mutex", rt=self.rt)
        self._objects: dict[int, HasResv] = {}
        self._handles = Idr(1)
        self._lock = SpinLock(f"{self.name}.table_lock", rt=self.rt)

    def gem_handle(self, obj: HasResv) -> int:
        """A handle for a buffer, the lowest free one from 1 on. Context: process."""
        with self._lock:
            handle = self._handles.alloc()
            self._objects[handle] = obj
        return handle

    def gem_close(self, handle: int) -> None:
        """Free a handle; fences stay. Context: process. Raises OSError (EINVAL)."""
        with self._lock:
            if self._objects.pop(handle, None) is None:
                raise OSError(errno.EINVAL, f"{self.name} has no buffer {handle}")
            self._handles.remove(handle)

    def attach(self, handle: int, flags: int = 0, *, pad: int = 0) -> int:
        """Attach a new fence, for reading or VGEM_FENCE_WRITE. Context: process, may sleep.

        Whether another one is in the way is looked at before the lock is taken, so of two
        programs that write at the same moment both may get one.

        Returns its number: they count from 1, and none is given twice.

        Raises:
            OSError: EINVAL for flags and `pad`; ENOENT, no such handle; EBUSY, a writer is in
                the way, or for a writer anybody; ENOMEM.
        """
        if flags & ~VGEM_FENCE_WRITE or pad:
            raise OSError(errno.EINVAL, f"flags {flags:#x} and pad {pad} are not known")
        with self._lock:
            obj = self._objects.get(handle)
        if obj is None:
            raise OSError(errno.ENOENT, f"{self.name} has no buffer {handle}")
        fence = self._create()
        try:
            self._expose(obj.resv, fence, write=bool(flags))
            with self.fence_mutex:
                allocate_or_fail("the number of a vgem fence", self.rt)
                number = len(self.fences) + 1
                self.fences[number] = fence
        except OSError:
            fence.signal()
            fence.put()
            raise
        return number

    def _create(self) -> Fence:
        allocate_or_fail("a vgem fence", self.rt)
        ops = _Ops(self.rt)
        fence = Timeline("unbound", driver="vgem", ops=ops, rt=self.rt).fence_at(1)
        ops.fence = fence
        ops.timer.mod(FENCE_TIMEOUT_S)
        return fence

    def _expose(self, resv: Resv, fence: Fence, *, write: bool) -> None:
        if not resv.test_signaled(usage_rw(write=write)):
            raise OSError(errno.EBUSY, f"{resv.name} is in use")
        with resv:
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.WRITE if write else Usage.READ)

    def signal(self, number: int, flags: int = 0) -> None:
        """Signal a fence and forget its number. Context: process, may sleep.

        Raises:
            OSError: EINVAL for flags; ENOENT, no such fence, or a second time; ETIMEDOUT, it had
                expired, and is forgotten all the same.
        """
        if flags:
            raise OSError(errno.EINVAL, f"flags {flags:#x} are not known")
        with self.fence_mutex:
            fence = self.fences.get(number)
            if fence is not None:
                self.fences[number] = None
        if fence is None:
            raise OSError(errno.ENOENT, f"{self.name} has no fence {number}")
        has_expired = fence.is_signaled()
        fence.signal()
        fence.put()
        if has_expired:
            raise OSError(errno.ETIMEDOUT, f"fence {number} of {self.name} had expired")

    def close(self) -> None:
        """The device is closed: all fences signal. Context: process."""
        fences, self.fences = self.fences, {}
        for fence in fences.values():
            if fence is not None:
                fence.signal()
                fence.put()

    def __enter__(self) -> VgemFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        pending = sum(fence is not None for fence in self.fences.values())
        return f"<VgemFile {self.name}: {pending} fences>"
