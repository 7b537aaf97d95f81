"""A fence as a file: what userspace holds, names, merges and polls.

Mirrors: include/linux/sync_file.h, drivers/dma-buf/sync_file.c

    >>> from dmabuf.core.timeline import Timeline
    >>> gpu, display = Timeline("ring0", driver="gpu"), Timeline("crtc0", driver="display")
    >>> one = SyncFile(gpu.fence())
    >>> both = one.merge(SyncFile(display.fence()), "frame")
    >>> both.info().name, [entry.driver_name for entry in both.info().fences]
    ('frame', ['gpu', 'display'])

The object behind the descriptor: descriptors themselves belong to a layer above. It holds one
counted reference to its fence until it is released.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from dmabuf._names import kernel, no_kernel
from dmabuf.core.counted_file import CountedFile
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_names import driver_name, timeline_name
from dmabuf.core.fence_steps import PUBLICATIONS, PUBLISHED, Callback, state_of
from dmabuf.core.fence_unwrap import merge, unwrap
from dmabuf.rt.api import Op, Task
from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["FenceInfo", "FileInfo", "SyncFile"]

NAME_MAX = 31
"""Bytes of a name; one more ends it."""


def _cut(name: str) -> str:
    """What is left of a name in the 32 bytes of a struct: up to a zero byte, and at most 31.

    Any other byte is kept, as in the kernel; what is no UTF-8 is told as Python tells file names.
    """
    kept = name.encode("utf-8", "surrogateescape").partition(b"\0")[0][:NAME_MAX]
    return kept.decode("utf-8", "surrogateescape")


def _arm(file: SyncFile, _task: Task) -> bool:
    """Set the flag; was it set before?"""
    before, file._is_armed = file._is_armed, True
    return before


def _disarm(file: SyncFile, _task: Task) -> Callback | None:
    """The file is gone: nothing may come for it any more. Returns the callback to remove."""
    callback, file._callback = file._callback, None
    return callback


def _published(fence: Fence) -> None:
    """Others find the fence from here: a step only where somebody asks which ones they find."""
    rt = fence.timeline.rt
    if PUBLICATIONS in rt.extras:
        fence.publish()
    elif rt.explored:
        state_of(fence).flags |= PUBLISHED


ARM = Op("sync_file.arm", action=_arm, says="arms {}")
DISARM = Op("sync_file.disarm", action=_disarm, says="disarms {}")


@dataclass(frozen=True, slots=True)
class FenceInfo:
    """One fence inside a sync file (struct sync_fence_info).

    Attributes:
        obj_name: its timeline; a signalled fence has lost its names.
        driver_name: its driver.
        status: 0 pending, 1 signalled, negative errno.
        timestamp_ns: when it signalled, 0 while pending.
    """

    obj_name: str
    driver_name: str
    status: int
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a sync file is (struct sync_file_info).

    Attributes:
        name: the user's, or one made of driver, timeline, context and number.
        status: folded over `fences`: 1, or the first that is not; without room for them, the
            status of the fence as a whole.
        fences: the plain fences inside; none without room for them.
        num_fences: how many there are inside.
    """

    name: str
    status: int
    fences: tuple[FenceInfo, ...]
    num_fences: int


@kernel("struct sync_file", "sync_file_create", context="process")
class SyncFile(CountedFile):
    """A sync file: created of a fence, whose reference it takes in addition to the caller's.

    Args:
        fence: any fence; a container counts as what is inside.
    """

    __slots__ = ("__weakref__", "_callback", "_is_armed", "_queue", "fence", "user_name")

    def __init__(self, fence: Fence) -> None:
        allocate_or_fail("a sync_file", fence.timeline.rt)
        fence.get()
        self._set_up(fence, "")

    def _set_up(self, fence: Fence, user_name: str) -> None:
        self.fence = fence
        self.user_name = _cut(user_name)
        self._is_armed = False
        self._callback: Callback | None = None
        self._open(fence.timeline.rt, f"sync_file {fence.name}")
        self._queue = WaitQueue(f"sync_file {fence.name}", rt=self.rt)
        _published(fence)

    @kernel("sync_file_get_fence")
    def get_fence(self) -> Fence:
        """Its fence, with a counted reference for the caller. Context: any."""
        self._check_open("takes the fence of")
        self.fence.get()
        return self.fence

    @property
    @kernel("sync_file_get_name")
    def name(self) -> str:
        """The user's name, else driver-timeline with the context, dash, number. Context: any."""
        if self.user_name:
            return self.user_name
        fence = self.fence
        number = _signed(fence.seqno)
        return _cut(f"{driver_name(fence)}-{timeline_name(fence)}{fence.context}-{number}")

    @no_kernel("SYNC_IOC_MERGE, a static function there")
    def merge(self, other: SyncFile, name: str = "") -> SyncFile:
        """A new sync file that is signalled when both are; both stay valid. Context: process.

        Args:
            other: of the same runtime; the same one is fine.
            name: cut to 31 bytes; a name is generated if it is empty.

        Raises:
            OSError: ENOMEM.
        """
        for one in (self, other):
            one._check_open("merges")
        allocate_or_fail("a sync_file", self.rt)
        made = SyncFile.__new__(SyncFile)
        made._set_up(merge(self.fence, other.fence, rt=self.rt), name)
        return made

    @no_kernel("SYNC_IOC_FILE_INFO, a static function there")
    def info(self, room: int | None = None) -> FileInfo:
        """Name, status and the plain fences inside. Context: process. Asking may signal.

        Args:
            room: for how many fences; more than there are is fine, 0 asks for none. Without it
                there is room for all.

        Raises:
            OSError: EINVAL, there are more fences than room; ENOMEM.
        """
        self._check_open("asks about")
        count = sum(1 for _fence in unwrap(self.fence))
        if room == 0:
            status = self.status  # first, as a fence found signalled loses its names
            return FileInfo(self.name, status, (), count)
        if room is not None and not count <= room:
            raise OSError(errno.EINVAL, f"{count} fences of {self.name} are more than {room}")
        allocate_or_fail(f"the infos of {count} fences", self.rt)
        fences = tuple(_info_of(fence) for fence in unwrap(self.fence))
        status = next((one.status for one in fences if one.status <= 0), 1)
        return FileInfo(self.name, status, fences, len(fences))

    @property
    @no_kernel("SYNC_IOC_FILE_INFO without room for fences")
    def status(self) -> int:
        """The status of the fence as a whole: 0, 1 or a negative errno. Asking may signal."""
        return self.fence.status

    @no_kernel("SYNC_IOC_SET_DEADLINE, a static function there")
    def set_deadline(self, deadline_ns: int) -> None:
        """Pass a deadline on; a past one, or one for a signalled fence, is no error.

        Args:
            deadline_ns: on the runtime's clock; of 64 bits, which the kernel takes as signed.
        """
        self._check_open("sets a deadline of")
        self.fence.set_deadline(_signed(deadline_ns))

    @no_kernel("sync_file_poll, a static function there")
    def poll(self) -> bool:
        """Is it readable: signalled, with or without an error? Never blocks. Context: process.

        The first call arms the one callback that wakes `wait`, which turns signalling on.
        """
        self._check_open("polls")
        self.rt.step(ARM, self)
        if not self.rt.current().value:
            self._callback = self.fence.add_callback(self._wake)
            if self._callback is None:
                self._queue.wake_up_all()
        return self.fence.is_signaled()

    def _check_open(self, does: str) -> None:
        """Report (DF004) a task that does something to a file that is closed."""
        if not self._is_open():
            rt = self.rt
            rt.report("DF004", f"{rt.current().name} {does} {self.name}, which is closed")

    def _wake(self, _fence: Fence) -> None:
        self._queue.wake_up_all()

    @no_kernel("poll(2) of the descriptor")
    def wait(self, timeout: float | None = None, *, interruptible: bool = True) -> bool:
        """Wait until it is readable. Context: process, may sleep.

        Args:
            timeout: seconds, None for ever.
            interruptible: a pending signal ends the wait (raises Interrupted).

        Returns False if the time ran out.
        """
        if self.poll():
            return True
        return self._queue.wait_event(self.fence.is_signaled, timeout, interruptible=interruptible)

    @no_kernel("sync_file_release, a static function there")
    def release(self) -> None:
        """The last descriptor is closed: the callback goes, and the reference. Context: process."""
        self.rt.step(DISARM, self)
        callback: Callback | None = self.rt.current().value
        if callback is not None:
            self.fence.remove_callback(callback)
        self.fence.put()

    def __enter__(self) -> SyncFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<SyncFile {self.user_name or 'of'} {self.fence!r}>"


def _info_of(fence: Fence) -> FenceInfo:
    """What userspace is told about a plain fence."""
    status = fence.status
    timestamp = fence.timestamp if status else 0
    return FenceInfo(timeline_name(fence), driver_name(fence), status, timestamp)


def _signed(seqno: int) -> int:
    """A number as names show it: of 64 bits, with a sign."""
    return (seqno + (1 << 63)) % (1 << 64) - (1 << 63)
