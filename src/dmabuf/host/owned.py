"""A descriptor with one owner, and the ioctls of it.

Mirrors: include/uapi/asm-generic/ioctl.h

    >>> import os
    >>> reading, writing = os.pipe()
    >>> os.close(writing)
    >>> with Owned(reading) as pipe:
    ...     pipe.fileno() == reading
    True
    >>> pipe.closed
    True
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
from pathlib import Path
from typing import Self, TypeVar

from dmabuf.abi.layout import Struct
from dmabuf.errors import NotAvailable

__all__ = ["Owned", "address_of", "call", "open_device"]

S = TypeVar("S", bound=Struct)


def call(fd: int, number: int, argument: S) -> S:
    """One ioctl with a struct; answers the struct as the kernel left it.

    Raises:
        OSError: with the kernel's errno; nothing is tried again.
    """
    data = bytearray(argument.pack())
    fcntl.ioctl(fd, number, data, True)
    return type(argument).unpack(bytes(data))


def address_of(data: array.array[int]) -> int:
    """The address of an array's bytes, 0 of an empty one; the array must outlive its use."""
    return data.buffer_info()[0] if data else 0


def open_device(path: str, remedy: str, flags: int = os.O_RDWR) -> int:
    """A descriptor of a device node, closed on exec.

    Raises:
        NotAvailable: there is no such node, or it may not be opened; `remedy` says what to do.
    """
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EPERM):
            why = "may not be opened" if Path(path).exists() else "is not here"
            raise NotAvailable(f"{path} {why}: {remedy}") from error
        raise


class Owned:
    """Owns a descriptor: closes it when told, at the end of its `with`, or when collected.

    Args:
        fd: now belongs to this object.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The number, which stays ours.

        Raises:
            ValueError: it was closed or given away.
        """
        if self._fd < 0:
            raise ValueError(f"{type(self).__name__} is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        """Was it closed or given away?"""
        return self._fd < 0

    def detach_fd(self) -> int:
        """Give the descriptor away: the caller closes it."""
        fd = self.fileno()
        self._fd = -1
        return fd

    def close(self) -> None:
        """Close it; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.closed else self._fd}>"
