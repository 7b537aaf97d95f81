"""Open files by number: what objects need of a process, and no more.

Mirrors: include/linux/file.h, fs/file.c

    >>> table = Descriptors()
    >>> fd = table.get_unused(); table.install(fd, "a file")
    >>> with table.opened(fd) as file:
    ...     fd, file
    (0, 'a file')

A number is taken first, before there is anything to put there, so that running out of numbers
leaves nothing to undo. Whoever has real processes brings a table of its own: `DescriptorTable`.
"""

from __future__ import annotations

import errno
import heapq
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.api import Runtime
from dmabuf.sync.spinlock import SpinLock

__all__ = ["Descriptors", "Numbers"]


class DescriptorTable(Protocol):
    """What objects ask of the open files of a process."""

    def get_unused(self) -> int:
        """Take a number. Raises OSError (EMFILE)."""
        ...

    def put_unused(self, fd: int) -> None:
        """Give back a number with nothing installed."""
        ...

    def install(self, fd: int, file: Any) -> None:
        """Let the number stand for `file`; closing the last one calls its `release`."""
        ...

    def opened(self, fd: int) -> AbstractContextManager[Any]:
        """What the number stands for, for as long as it is used. Raises OSError (EBADF)."""
        ...


class Numbers:
    """The lowest number that is free, from `first` on; for whoever holds a lock.

    Args:
        first: the least number.
        limit: how many there are; None for no end.
    """

    __slots__ = ("_first", "_freed", "_limit", "_next")

    def __init__(self, first: int, limit: int | None = None) -> None:
        self._first = first
        self._next = first
        self._limit = limit
        self._freed: list[int] = []

    @no_kernel("idr_alloc and alloc_fd, whose trees of bits Python has no use for")
    def take(self) -> int | None:
        """The lowest free number; None if all are taken."""
        if self._freed:
            return heapq.heappop(self._freed)
        if self._limit is not None and self._next - self._first >= self._limit:
            return None
        self._next += 1
        return self._next - 1

    @no_kernel("idr_remove and __put_unused_fd, of which it is a part")
    def give_back(self, number: int) -> None:
        """The number is free again."""
        heapq.heappush(self._freed, number)


class _OpenFile:
    """What numbers stand for, and how many of them and of users in between there are."""

    __slots__ = ("file", "references")

    def __init__(self, file: Any) -> None:
        self.file = file
        self.references = 1


@kernel("struct files_struct")
class Descriptors:
    """A table of open files.

    Args:
        limit: how many there may be, as RLIMIT_NOFILE says.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "_files", "_numbers", "lock", "name")

    def __init__(self, limit: int = 1024, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "files"
        self.lock = SpinLock(f"{self.name}.lock", rt=rt)
        self._numbers = Numbers(0, limit)
        self._files: dict[int, _OpenFile] = {}

    @kernel("get_unused_fd_flags", context="process")
    def get_unused(self) -> int:
        """Take the lowest number that is free. Context: process. Raises OSError (EMFILE)."""
        with self.lock:
            fd = self._numbers.take()
        if fd is None:
            raise OSError(errno.EMFILE, f"{self.name} is full")
        return fd

    @kernel("put_unused_fd")
    def put_unused(self, fd: int) -> None:
        """Give back a number with nothing installed. Context: process."""
        with self.lock:
            self._numbers.give_back(fd)

    @kernel("fd_install")
    def install(self, fd: int, file: Any) -> None:
        """Let the number stand for `file`, whose reference goes over. Context: process."""
        with self.lock:
            self._files[fd] = _OpenFile(file)

    @contextmanager
    @kernel("fdget", "fdput")
    def opened(self, fd: int) -> Generator[Any]:
        """What the number stands for; inside it stays open, though others may close the number.

        Context: process. Raises OSError (EBADF).
        """
        found = self._get(fd)
        try:
            yield found.file
        finally:
            self._put(found)

    def _get(self, fd: int) -> _OpenFile:
        with self.lock:
            found = self._files.get(fd)
            if found is None:
                raise OSError(errno.EBADF, f"{self.name} has nothing open at {fd}")
            found.references += 1
        return found

    def _put(self, opened: _OpenFile) -> None:
        with self.lock:
            opened.references -= 1
            is_last = not opened.references
        if is_last and hasattr(opened.file, "release"):
            opened.file.release()

    @kernel("f_dupfd", context="process")
    def dup(self, fd: int) -> int:
        """Another number for the same open file. Raises OSError: EBADF, EMFILE."""
        found = self._get(fd)
        try:
            other = self.get_unused()
        except OSError:
            self._put(found)
            raise
        with self.lock:
            self._files[other] = found
        return other

    @kernel("close_fd", context="process")
    def close(self, fd: int) -> None:
        """Free the number; `release()` is called of a file that none stands for any more.

        Context: process. Raises OSError (EBADF).
        """
        with self.lock:
            found = self._files.pop(fd, None)
            if found is not None:
                self._numbers.give_back(fd)
        if found is None:
            raise OSError(errno.EBADF, f"{self.name} has nothing open at {fd}")
        self._put(found)

    @no_kernel("for tests and reports, without a step")
    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<Descriptors {self.name}: {len(self._files)} open>"
