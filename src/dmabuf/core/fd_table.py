"""The descriptors of a process: numbers, and the files behind them.

Mirrors: include/linux/fdtable.h, include/linux/file.h

    >>> table = FdTable(limit=2)
    >>> table.get_unused(), table.get_unused()
    (0, 1)
    >>> table.put_unused(0); table.get_unused()
    0

A number is reserved before there is a file for it, so that what can fail fails first; from
`install` on others can use it. The table owns one reference to each file.
"""

from __future__ import annotations

import errno
from typing import Any, Protocol

from dmabuf._names import kernel, no_kernel
from dmabuf.core.idr import Idr
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Runtime, Task
from dmabuf.sync.context import warn_on

__all__ = ["FdTable", "OpenFile"]

_LIMIT = 1024


class OpenFile(Protocol):
    """What can be behind a descriptor: counted references."""

    @no_kernel("get_file_rcu")
    def get_file(self) -> bool:
        """Take a reference; False if there was none left."""
        ...

    @no_kernel("fput")
    def put(self) -> None:
        """Put a reference."""
        ...


class _Reserved:
    """Stands for a file that is still to come."""


_RESERVED = _Reserved()


def _unused(table: FdTable, task: Task) -> int | None:
    """Reserve the lowest free number, closed on exec or not as `arg` says."""
    if len(table.files) >= table.limit:
        return None
    number = table.numbers.alloc()
    table.files[number] = _RESERVED
    if task.arg:
        table.cloexec.add(number)
    return number


def _install(table: FdTable, task: Task) -> bool:
    number, file = task.arg
    if table.files.get(number) is not _RESERVED:
        return False
    table.files[number] = file
    return True


def _look(table: FdTable, task: Task) -> Any:
    found = table.files.get(task.arg)
    return None if found is _RESERVED else found


def _forget(table: FdTable, task: Task) -> Any:
    """Take a number with a file off the table, or one without as the second of `arg` says."""
    number, reserved = task.arg
    found = table.files.get(number)
    if found is None or (found is _RESERVED) is not reserved:
        return None
    del table.files[number]
    table.numbers.remove(number)
    table.cloexec.discard(number)
    return found


UNUSED = Op("fd_table.unused", action=_unused, says="reserves a descriptor of {}")
INSTALL = Op("fd_table.install", action=_install, says="installs a file in {}")
FGET = Op("fd_table.fget", action=_look, access=READ, says="looks a descriptor of {} up")
CLOSE = Op("fd_table.close", action=_forget, says="closes a descriptor of {}")


@kernel("struct files_struct")
class FdTable:
    """The descriptors of one process.

    Args:
        name: for reports.
        limit: how many there may be (RLIMIT_NOFILE).
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        files: what is behind each number.
        cloexec: the numbers that exec closes.
        numbers: which are free.
    """

    __slots__ = ("__weakref__", "cloexec", "files", "limit", "name", "numbers", "rt")

    def __init__(self, name: str = "", *, limit: int = _LIMIT, rt: Runtime | None = None) -> None:
        self.name = name or "files"
        self.limit = limit
        self.files: dict[int, Any] = {}
        self.cloexec: set[int] = set()
        self.numbers = Idr()
        self.rt = rt or ambient()
        self.rt.adopt(self, self.name)

    @kernel("get_unused_fd_flags")
    def get_unused(self, *, cloexec: bool = True) -> int:
        """Reserve the lowest free number. Context: process. Raises OSError (EMFILE)."""
        self.rt.step(UNUSED, self, cloexec)
        number: int | None = self.rt.current().value
        if number is None:
            raise OSError(errno.EMFILE, f"{self.name} has {self.limit} descriptors already")
        return number

    @kernel("put_unused_fd")
    def put_unused(self, number: int) -> None:
        """Give a reserved number back. Context: process."""
        self.rt.step(CLOSE, self, (number, True))

    @kernel("fd_install")
    def install(self, number: int, file: OpenFile) -> None:
        """Put a file behind a reserved number; its reference is the table's from here.

        Context: process. Warns (DF004) if the number was not reserved.
        """
        self.rt.step(INSTALL, self, (number, file))
        if not self.rt.current().value:
            who = self.rt.current().name
            warn_on(self.rt, f"{who} installs descriptor {number}, which it has not reserved")

    @kernel("fget")
    def fget(self, number: int) -> Any:
        """The file behind a number, with a reference. Context: any. Raises OSError (EBADF)."""
        while True:
            self.rt.step(FGET, self, number)
            file = self.rt.current().value
            if file is None:
                raise OSError(errno.EBADF, f"no descriptor of {self.name}: {number}")
            if file.get_file():
                return file

    @kernel("close_fd")
    def close(self, number: int) -> None:
        """Close a number: the table puts its reference. Context: process.

        Raises:
            OSError: EBADF, there is no such descriptor.
        """
        self.rt.step(CLOSE, self, (number, False))
        file = self.rt.current().value
        if file is None:
            raise OSError(errno.EBADF, f"no descriptor of {self.name}: {number}")
        file.put()

    @no_kernel("close_files, when the process ends")
    def close_all(self) -> None:
        """Close every descriptor. Context: process."""
        for number in sorted(self.files):
            if self.files.get(number) is _RESERVED:
                self.put_unused(number)
            else:
                self.close(number)

    def __repr__(self) -> str:
        return f"<FdTable {self.name} with {len(self.files)} of {self.limit}>"
