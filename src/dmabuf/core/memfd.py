r"""A file of anonymous memory, with seals: what a udmabuf is made of.

Mirrors: mm/memfd.c, include/uapi/linux/memfd.h

    >>> file = MemFd(2 * PAGE_SIZE, "frame")
    >>> file.write(3, b"abc"); file.read(0, 6)
    b'\x00\x00\x00abc'
    >>> file.add_seals(F_SEAL_SHRINK)
    >>> file.truncate(0)
    Traceback (most recent call last):
    PermissionError: [Errno 1] frame is sealed against shrinking
    >>> file.close()

Live it is a real memfd, explored a model of one. Descriptors from elsewhere are used as they are,
as numbers; this object is for designs, and for tests of both worlds.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.pages import PAGE_SIZE, SIZE_MAX, ScatteredPages
from dmabuf.errors import NotAvailable
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Runtime, Task

__all__ = [
    "F_SEAL_FUTURE_WRITE",
    "F_SEAL_GROW",
    "F_SEAL_SEAL",
    "F_SEAL_SHRINK",
    "F_SEAL_WRITE",
    "MemFd",
]

F_SEAL_SEAL = fcntl.F_SEAL_SEAL
F_SEAL_SHRINK = fcntl.F_SEAL_SHRINK
F_SEAL_GROW = fcntl.F_SEAL_GROW
F_SEAL_WRITE = fcntl.F_SEAL_WRITE
F_SEAL_FUTURE_WRITE = 0x10
F_SEAL_EXEC = 0x20

_ALL_SEALS = (
    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
)
_NO_WRITES = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE


class _Real:
    """A memfd of the system."""

    __slots__ = ("fd",)

    def __init__(self, size: int, name: str, allow_sealing: bool) -> None:
        flags = os.MFD_CLOEXEC | (os.MFD_ALLOW_SEALING if allow_sealing else 0)
        self.fd = -1  # also if there is no descriptor left
        self.fd = os.memfd_create(name, flags)
        try:
            os.ftruncate(self.fd, size)
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.fd, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        os.pwrite(self.fd, data, offset)

    def truncate(self, size: int) -> None:
        os.ftruncate(self.fd, size)

    def add_seals(self, seals: int) -> None:
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)

    def get_seals(self) -> int:
        return fcntl.fcntl(self.fd, fcntl.F_GET_SEALS)

    def get_size(self) -> int:
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class _Model:
    """The same of plain bytes.

    Bytes that a udmabuf uses must stay where they are, so a file that grows gets a new chunk.

    Attributes:
        pins: how many buffers use its pages.
    """

    __slots__ = ("chunks", "name", "pins", "seals", "size")

    def __init__(self, size: int, name: str, allow_sealing: bool) -> None:
        self.name = name
        self.size = 0
        self.seals = 0 if allow_sealing else F_SEAL_SEAL
        self.pins = 0
        self.chunks: list[bytearray] = []
        self.truncate(size)

    def pieces(self, offset: int, length: int) -> list[memoryview]:
        """The bytes of a range that is inside, chunk by chunk."""
        with_bounds = ScatteredPages([memoryview(chunk) for chunk in self.chunks], ())
        return with_bounds.between(offset, offset + length)

    def read(self, offset: int, length: int) -> bytes:
        length = max(min(length, self.size - offset), 0)
        return b"".join(self.pieces(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        if data and self.seals & _NO_WRITES:
            raise self._sealed("writing")
        if offset + len(data) > self.size:
            self.truncate(offset + len(data))
        done = 0
        for piece in self.pieces(offset, len(data)):
            piece[:] = data[done : done + len(piece)]
            done += len(piece)

    def truncate(self, size: int) -> None:
        if not 0 <= size <= SIZE_MAX:
            raise OSError(errno.EINVAL, f"no size of a file: {size}")
        if size < self.size:
            if self.seals & F_SEAL_SHRINK:
                raise self._sealed("shrinking")
            for piece in self.pieces(size, self.size - size):
                piece[:] = bytes(len(piece))
        elif size > self.size:
            if self.seals & F_SEAL_GROW:
                raise self._sealed("growing")
            missing = size - sum(map(len, self.chunks))
            if missing > 0:
                self.chunks.append(bytearray(-(-missing // PAGE_SIZE) * PAGE_SIZE))
        self.size = size

    def _sealed(self, against: str) -> OSError:
        return OSError(errno.EPERM, f"{self.name} is sealed against {against}")

    def add_seals(self, seals: int) -> None:
        if seals & ~_ALL_SEALS:
            raise OSError(errno.EINVAL, f"no seals: {seals:#x}")
        if self.seals & F_SEAL_SEAL:
            raise self._sealed("more seals")
        if seals & F_SEAL_WRITE & ~self.seals and self.pins:
            raise OSError(errno.EBUSY, f"pages of {self.name} are in use")
        self.seals |= seals

    def get_seals(self) -> int:
        return self.seals

    def get_size(self) -> int:
        return self.size

    def close(self) -> None:
        """The buffers that use its bytes keep them."""


def _of_file(memfd: MemFd, task: Task) -> Any:
    """Do `name(*arguments)` with the file: (what it answered, or None; the error, or None)."""
    name, arguments = task.arg
    if memfd.is_closed:
        return None, OSError(errno.EBADF, f"{memfd.name} is closed")
    try:
        return getattr(memfd.file, name)(*arguments), None
    except OSError as error:
        return None, error


def _close(memfd: MemFd, _task: Task) -> None:
    if not memfd.is_closed:
        memfd.is_closed = True
        memfd.file.close()


ASK = Op("memfd.ask", action=_of_file, access=READ, says="reads {}")
CHANGE = Op("memfd.change", action=_of_file, says="changes {}")
CLOSE = Op("memfd.close", action=_close, says="closes {}")


@kernel("memfd_create")
class MemFd:
    """A memfd; bytes that were never written are 0.

    Args:
        size: in bytes, need not be whole pages.
        name: for reports and the list of a process's mappings.
        allow_sealing: without it the file is born sealed against seals.
        rt: the runtime it belongs to; the ambient one if not given.

    Raises:
        OSError: EINVAL, the size; ENOMEM, EMFILE, ENFILE.

    Attributes:
        file: the system's file, or the model of one.
        is_closed: was it closed? Buffers made of it keep its bytes.
    """

    __slots__ = ("__weakref__", "file", "is_closed", "name", "rt")

    def __init__(
        self,
        size: int = 0,
        name: str = "memfd",
        *,
        allow_sealing: bool = True,
        rt: Runtime | None = None,
    ) -> None:
        self.name = name
        self.rt = rt = rt or ambient()
        self.is_closed = False
        if not 0 <= size <= SIZE_MAX:
            raise OSError(errno.EINVAL, f"no size of a file: {size}")
        try:
            self.file: Any = (_Model if rt.explored else _Real)(size, name, allow_sealing)
        except (MemoryError, OverflowError):
            raise OSError(errno.ENOMEM, f"no memory for {size} bytes") from None
        rt.adopt(self, name)

    @no_kernel("pread of the descriptor")
    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer where the file ends. Context: process."""
        data: bytes = self._do(ASK, "read", offset, length)
        return data

    @no_kernel("pwrite of the descriptor")
    def write(self, offset: int, data: bytes) -> None:
        """Store `data`; the file grows if need be. Context: process.

        Raises:
            OSError: EPERM, it is sealed.
        """
        self._do(CHANGE, "write", offset, data)

    @no_kernel("ftruncate of the descriptor")
    def truncate(self, size: int) -> None:
        """Let the file be as large as that. Context: process.

        Raises:
            OSError: EINVAL, no such size; EPERM, it is sealed.
        """
        self._do(CHANGE, "truncate", size)

    @property
    @no_kernel("fstat of the descriptor")
    def size(self) -> int:
        """In bytes."""
        found: int = self._do(ASK, "get_size")
        return found

    @property
    @no_kernel("F_GET_SEALS, a static function there")
    def seals(self) -> int:
        """The seals that it has."""
        found: int = self._do(ASK, "get_seals")
        return found

    @no_kernel("F_ADD_SEALS, a static function there")
    def add_seals(self, seals: int) -> None:
        """Add seals, which never go. Context: process.

        Raises:
            OSError: EINVAL, no such seal; EPERM, it is sealed against seals; EBUSY, F_SEAL_WRITE
                while a buffer is made of it.
        """
        self._do(CHANGE, "add_seals", seals)

    @no_kernel("the descriptor")
    def fileno(self) -> int:
        """The real descriptor, owned by this object. Raises NotAvailable where it is explored."""
        if self.rt.explored:
            raise NotAvailable(f"{self.name} is explored and has no descriptor")
        fd: int = self.file.fd
        return fd

    @no_kernel("close of the descriptor")
    def close(self) -> None:
        """Close it; twice is once. Context: process."""
        self.rt.step(CLOSE, self)

    def _do(self, op: Op, name: str, *arguments: Any) -> Any:
        self.rt.step(op, self, (name, arguments))
        value, error = self.rt.current().value
        if error is not None:
            raise error
        return value

    def __enter__(self) -> MemFd:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MemFd {self.name}{' closed' if self.is_closed else ''}>"
