"""A counter that others add to and one reads: what an eventfd is behind its descriptor.

Mirrors: include/linux/eventfd.h, fs/eventfd.c

    >>> ready = EventFd("ready")
    >>> ready.signal(); ready.signal()
    >>> ready.read(), ready.read_nowait()
    (2, 0)

A live program that waits with `select` or an event loop uses a real one: `RealEventFd`.
"""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep

__all__ = ["EventFd", "RealEventFd"]

COUNT_MAX = (1 << 64) - 1


def _signal(counter: EventFd, _task: Task) -> None:
    counter.count = min(counter.count + 1, COUNT_MAX)


def _has_some(counter: EventFd, _task: Task) -> bool:
    return counter.count > 0


def _take(counter: EventFd, _task: Task) -> int:
    taken = min(counter.count, 1) if counter.semaphore else counter.count
    counter.count -= taken
    return taken


SIGNAL = Op("eventfd.signal", action=_signal, wakes=True, says="signals {}")
TAKE = Op("eventfd.read", guard=_has_some, action=_take, says="waits for {}")
LOOK = Op("eventfd.look", action=_take, says="looks at {}")
POLL = Op("eventfd.poll", action=_has_some, access=READ, says="asks whether {} is readable")


@kernel("struct eventfd_ctx")
class EventFd:
    """A counter of 64 bits.

    Args:
        name: for reports.
        initval: what it counts from.
        semaphore: a read takes 1 instead of all.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "count", "name", "rt", "semaphore")

    def __init__(
        self,
        name: str = "",
        initval: int = 0,
        *,
        semaphore: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        self.name = name or "eventfd"
        self.count = initval
        self.semaphore = semaphore
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("eventfd_signal", "eventfd_signal_mask")
    def signal(self) -> None:
        """Count up by 1, at most to 2^64 - 1, and wake who reads. Context: any."""
        self.rt.step(SIGNAL, self)

    @no_kernel("eventfd_read, a static function there")
    def read(self, timeout: float | None = None, *, interruptible: bool = True) -> int:
        """Wait until the count is not 0, and take it. Context: process, may sleep.

        Args:
            timeout: seconds, None for ever.
            interruptible: a pending signal ends the wait (raises Interrupted).

        Returns 0 if the time ran out.
        """
        rt = self.rt
        might_sleep(f"read of {rt.label(self)}", runtime=rt)
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        end = rt.step(TAKE, self, deadline=deadline, interruptible=interruptible)
        if end is Outcome.INTERRUPTED:
            raise Interrupted(f"read of {self.name}")
        return int(rt.current().value) if end is Outcome.DONE else 0

    @no_kernel("eventfd_read with O_NONBLOCK; 0 stands for EAGAIN")
    def read_nowait(self) -> int:
        """Take the count, 0 if there is none. Context: any."""
        self.rt.step(LOOK, self)
        return int(self.rt.current().value)

    @no_kernel("eventfd_poll, a static function there")
    def is_readable(self) -> bool:
        """Is the count not 0? Context: any."""
        self.rt.step(POLL, self)
        return bool(self.rt.current().value)

    @no_kernel("kref_get of an eventfd_ctx, and get_file; nobody counts those here")
    def get_file(self) -> bool:
        """For a descriptor, or whoever is to signal it. Nothing to do here. Context: any."""
        return True

    @kernel("eventfd_ctx_put")
    def put(self) -> None:
        """The end of what `get_file` began. Nothing to do here. Context: any."""

    def __repr__(self) -> str:
        return f"<EventFd {self.name} at {self.count}>"


@kernel("eventfd_ctx_fdget", "eventfd_ctx_fileget", context="process")
class RealEventFd:
    """A real eventfd, on live runtimes: what signals it here wakes whoever polls it there.

    Args:
        fd: its descriptor; the caller may close it, this has one of its own.
        rt: the runtime it belongs to; the ambient one if not given.

    Raises:
        OSError: EBADF, it is not open; EINVAL, it is no eventfd; EMFILE.
    """

    __slots__ = ("_fd", "_references", "rt")

    def __init__(self, fd: int, *, rt: Runtime | None = None) -> None:
        self._fd = -1
        self._references = 1
        self.rt = rt or ambient()
        own = os.dup(fd)
        if str(Path(f"/proc/self/fd/{own}").readlink()) != "anon_inode:[eventfd]":
            os.close(own)
            raise OSError(errno.EINVAL, f"descriptor {fd} is no eventfd")
        self._fd = own

    @no_kernel("eventfd_signal of a real one")
    def signal(self) -> None:
        """Count up by 1; a counter that is full stays so, as nobody may sleep. Context: any."""
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        if poller.poll(0):
            os.eventfd_write(self._fd, 1)

    @no_kernel("kref_get of a real one")
    def get_file(self) -> bool:
        """Take a reference; False if there was none left. Context: any."""
        with self.rt.mutex:
            self._references += bool(self._references)
            return self._references > 0

    @no_kernel("eventfd_ctx_put of a real one")
    def put(self) -> None:
        """Put a reference; after the last one the descriptor is closed. Context: any."""
        with self.rt.mutex:
            self._references = max(self._references - 1, 0)
            if not self._references:
                self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self._close()

    def __repr__(self) -> str:
        return f"<RealEventFd {self._fd}>"
