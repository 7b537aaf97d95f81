"""Telling an eventfd when a point of a sync object is reached, or submitted.

Mirrors: drivers/gpu/drm/drm_syncobj.c (drm_syncobj_eventfd_ioctl)

    >>> line, ready = SyncObj("timeline"), EventFd("ready")
    >>> add_eventfd(line, ready, 3)
    >>> line.add_point(stub(), 3)
    >>> ready.read()
    1

Each registration adds 1 once. One whose point is not submitted when the object is freed is dropped
in silence; one whose point is submitted waits for its fence whatever becomes of the object.
"""

from __future__ import annotations

from typing import Protocol

from dmabuf._names import no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_wait import stub
from dmabuf.core.syncobj import SyncObj, checked_point
from dmabuf.sync.eventfd import EventFd, RealEventFd

__all__ = ["add_eventfd", "stub"]


class Signals(Protocol):
    """An `EventFd` or a `RealEventFd`."""

    def get_file(self) -> bool:
        """Keep it."""
        ...

    def signal(self) -> None:
        """Add 1."""
        ...

    def put(self) -> None:
        """No more signals will come from here."""
        ...


class _Entry:
    """One registration."""

    __slots__ = ("available", "eventfd", "point")

    def __init__(self, eventfd: Signals, point: int, available: bool) -> None:
        self.eventfd = eventfd
        self.point = point
        self.available = available

    @no_kernel("the end of syncobj_eventfd_entry_func, a static function there")
    def hand(self, fence: Fence) -> None:
        """The point has been submitted; takes over `fence`. Context: the object's lock is held."""
        if self.available or fence.add_callback(self._reached) is None:
            self._reached(fence)

    def _reached(self, fence: Fence) -> None:
        """The fence's callback, in the signaller's context with the fence's lock held; or not."""
        self.eventfd.signal()
        self.eventfd.put()
        fence.put()

    @no_kernel("syncobj_eventfd_entry_free, a static function there")
    def drop(self) -> None:
        """The object is freed. Context: any."""
        self.eventfd.put()


@no_kernel("drm_syncobj_add_eventfd, a static function there")
def add_eventfd(
    obj: SyncObj, eventfd: EventFd | RealEventFd | int, point: int = 0, *, available: bool = False
) -> None:
    """Have `eventfd` count up by 1 when `point` is reached. Context: process.

    Args:
        obj: the sync object; who keeps it alive is up to the caller.
        eventfd: one of this package, or live the number of a real one.
        point: of a timeline; 0 for whatever fence there is, or will be.
        available: when the point is submitted, signalled or not.

    Raises:
        OSError: EINVAL, the point does not fit or the descriptor is no eventfd; EBADF; EMFILE
            (a real one is held by a number of its own); ENOMEM.
    """
    checked_point(point)
    signals: Signals
    if isinstance(eventfd, int):
        signals = RealEventFd(eventfd, rt=obj.rt)
    else:
        signals = eventfd
        signals.get_file()
    try:
        allocate_or_fail("a registration of an eventfd", obj.rt)
    except OSError:
        signals.put()
        raise
    obj.register(_Entry(signals, point, available))
