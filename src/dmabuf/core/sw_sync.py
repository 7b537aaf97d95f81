"""A timeline that a program counts up by hand: fences for tests, never for a real device.

Mirrors: drivers/dma-buf/sw_sync.c

    >>> timeline = SwSync("test")
    >>> first, third = timeline.create_fence(1), timeline.create_fence(3)
    >>> timeline.inc(2)
    >>> first.is_signaled(), third.is_signaled()
    (True, False)
    >>> timeline.destroy(); third.status == -errno.ENOENT
    True

Userspace controls these fences, which is just what the contract forbids a dma_fence to depend on;
the kernel hides the interface in debugfs, and taints itself when it is used.
"""

from __future__ import annotations

import bisect
import errno

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.timeline import Timeline
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock

__all__ = ["SwSync", "SyncPt"]

_U32 = (1 << 32) - 1
INT_MAX = (1 << 31) - 1
TASK_NAME_MAX = 15


class _Ops(FenceOps):
    """What the kernel's timeline_fence_ops do."""

    def __init__(self, timeline: SwSync) -> None:
        self.timeline = timeline

    def get_driver_name(self, fence: Fence) -> str:
        """The driver's name."""
        del fence
        return "sw_sync"

    def get_timeline_name(self, fence: Fence) -> str:
        """The name of the task that opened the timeline."""
        del fence
        return self.timeline.name

    def signaled(self, fence: Fence) -> bool:
        """Has the counter come to its number? Read without the lock."""
        return _has_come(fence.seqno, self.timeline.value.read())

    def set_deadline(self, fence: Fence, deadline_ns: int) -> None:
        """The earliest one is kept, also when the fence has signalled."""
        assert isinstance(fence, SyncPt)
        with self.timeline.lock.irqsave():
            known = fence.deadline
            fence.deadline = deadline_ns if known is None else min(known, deadline_ns)

    def release(self, fence: Fence) -> None:
        """A fence whose last reference is put leaves the timeline."""
        if self.timeline.pending.get(fence.seqno) is fence:
            self.timeline.forget(fence)


def _has_come(seqno: int, value: int) -> bool:
    """Is `seqno` not after `value`? More than 2^31-1 ahead counts as passed, as in the kernel."""
    ahead = (seqno - value) & _U32
    return not 0 < ahead <= INT_MAX


@kernel("struct sync_pt")
class SyncPt(Fence):
    """A fence of such a timeline.

    Attributes:
        deadline: the earliest one it was given, in ns; None without one.
    """

    __slots__ = ("deadline",)

    deadline: int | None


@kernel("struct sync_timeline", "sync_timeline_create", context="process")
class SwSync:
    """One opened timeline: a counter and the fences that wait for it.

    Args:
        name: of the task that opens it; cut to 15 characters.
        rt: the runtime its fences belong to; the ambient one if not given.

    Attributes:
        value: the counter, 32 bits.
        pending: fences that the counter has not come to, by number from now on.
    """

    __slots__ = (
        "__weakref__",
        "lock",
        "name",
        "order",
        "pending",
        "timeline",
        "value",
    )

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        rt = rt or ambient()
        allocate_or_fail("a sw_sync timeline", rt)
        self.name = (name or "sw_sync")[:TASK_NAME_MAX]
        self.lock = SpinLock(f"{self.name} lock", rt=rt)
        self.value = Shared(0, f"{self.name} value", rt=rt)
        self.timeline = Timeline(self.name, driver="sw_sync", ops=_Ops(self), lock=self.lock, rt=rt)
        self.order: list[int] = []
        self.pending: dict[int, SyncPt] = {}

    @kernel("sync_pt_create", context="process")
    def create_fence(self, value: int) -> SyncPt:
        """A fence that signals when the counter comes to `value`; at once if it has already.

        Two pending fences of the same number are one object, of which the second caller gets a
        counted reference. Context: process.

        Raises:
            OSError: EINVAL, the number does not fit into 32 bits; ENOMEM.
        """
        if not 0 <= value <= _U32:
            raise OSError(errno.EINVAL, f"a number of a sw_sync timeline has 32 bits: {value}")
        allocate_or_fail("a sw_sync fence", self.timeline.rt)
        fence = SyncPt()
        fence.deadline = None
        self.timeline.init(fence, value)
        with self.lock.irqsave():
            if fence.is_signaled():
                return fence
            known = self.pending.get(value)
            if known is not None and known.get() is not None:
                return known
            self.pending[value] = fence
            if known is None:
                now = self.value.read()
                bisect.insort(self.order, value, key=lambda one: (one - now) & _U32)
        return fence

    @kernel("sync_timeline_signal")
    def inc(self, steps: int) -> None:
        """Count up, modulo 2^32, and signal in order what the counter comes to. Context: any.

        Raises:
            OSError: EINVAL, the step does not fit into 32 bits.
        """
        if not 0 <= steps <= _U32:
            raise OSError(errno.EINVAL, f"a step of a sw_sync timeline has 32 bits: {steps}")
        while steps > INT_MAX:
            self._advance(INT_MAX)
            steps -= INT_MAX
        self._advance(steps)

    def _advance(self, steps: int) -> None:
        with self.lock.irqsave():
            value = (self.value.read() + steps) & _U32
            self.value.write(value)
            while self.order and _has_come(self.order[0], value):
                self._take_first().signal_locked()

    def _take_first(self) -> SyncPt:
        seqno = self.order.pop(0)
        return self.pending.pop(seqno)

    @no_kernel("timeline_fence_release, a static function there")
    def forget(self, fence: Fence) -> None:
        """Take a fence out that nobody refers to any more. Context: any."""
        with self.lock.irqsave():
            if self.pending.get(fence.seqno) is fence:
                self.order.remove(fence.seqno)
                del self.pending[fence.seqno]

    @no_kernel("sw_sync_ioctl_get_deadline, a static function there")
    def deadline_of(self, fence: Fence) -> int:
        """The earliest deadline that a fence was given, in ns. Context: any.

        Args:
            fence: of this or of any other such timeline, as in the kernel.

        Raises:
            OSError: EINVAL, it is no fence of a sw_sync timeline; ENOENT, it was given none.
        """
        if not isinstance(fence, SyncPt):
            raise OSError(errno.EINVAL, f"{fence.name} is no fence of a sw_sync timeline")
        with fence.lock.irqsave():
            deadline = fence.deadline
        if deadline is None:
            raise OSError(errno.ENOENT, f"{fence.name} has no deadline")
        return deadline

    @no_kernel("sw_sync_debugfs_release, a static function there")
    def destroy(self) -> None:
        """The timeline is closed: what is pending signals with the error -ENOENT. Context: any."""
        with self.lock.irqsave():
            while self.order:
                fence = self._take_first()
                fence.set_error(-errno.ENOENT)
                fence.signal_locked()

    def __enter__(self) -> SwSync:
        return self

    def __exit__(self, *_error: object) -> None:
        self.destroy()

    def __repr__(self) -> str:
        return f"<SwSync {self.name} at {self.value._value}: {len(self.order)} pending>"
