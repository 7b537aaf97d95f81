"""Descriptors as C spells them: those of the calling process, which C code has from its task.

Mirrors: include/linux/file.h, include/linux/fdtable.h

    >>> from dmabuf import kapi
    >>> number = kapi.get_unused_fd_flags(0)
    >>> kapi.fget(number) is None
    True
    >>> kapi.put_unused_fd(number)

They are numbers of a table that runs everywhere, explored too; `DmaBuf.fileno` is a real one.
"""

from __future__ import annotations

import os
from typing import Any

from dmabuf.core.fd_table import FdTable
from dmabuf.kapi.spell import returns_errno, spelled
from dmabuf.rt.ambient import ambient

__all__ = ["files"]


def files() -> FdTable:
    """The descriptors of the calling process."""
    rt = ambient()
    table: FdTable = rt.once("kapi.files", lambda: FdTable("files", rt=rt))
    return table


@spelled("get_unused_fd_flags")
@returns_errno
def get_unused_fd_flags(flags: int) -> int:
    """A reserved number of the calling process, or -EMFILE."""
    return files().get_unused(cloexec=bool(flags & os.O_CLOEXEC))


@spelled("put_unused_fd")
def put_unused_fd(number: int) -> None:
    """Give a reserved number back."""
    files().put_unused(number)


@spelled("fd_install")
def fd_install(number: int, file: Any) -> None:
    """Put a file behind a reserved number."""
    files().install(number, file)


@spelled("fget")
def fget(number: int) -> Any:
    """The file behind a number, with a reference; None if there is none."""
    try:
        return files().fget(number)
    except OSError:
        return None


@spelled("close_fd")
@returns_errno
def close_fd(number: int) -> int:
    """0 or -EBADF."""
    files().close(number)
    return 0
