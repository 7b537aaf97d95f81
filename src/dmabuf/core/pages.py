r"""Where bytes live: the pages of a mapped memfd, or plain bytes where a run is explored.

Mirrors: include/linux/mm.h (struct page, PAGE_ALIGN)

    >>> pages = PlainPages(PAGE_SIZE)
    >>> pages.write(4, b"abc"); pages.read(3, 5)
    b'\x00abc\x00'
    >>> pages.close()

Three stores with one face. `MappedPages` are real memory: another process that is sent the
descriptor maps the same bytes. One range of addresses may be put together of several files, as a
udmabuf is. `PlainPages` cost no descriptor and no system call. `ScatteredPages` are pieces of
other stores, so that what is explored can share bytes as well.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import mmap
import os
from collections.abc import Callable, Sequence

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import NotAvailable

__all__ = [
    "PAGE_SIZE",
    "MappedPages",
    "Pages",
    "PlainPages",
    "ScatteredPages",
    "page_align",
]

PAGE_SIZE = mmap.PAGESIZE
SIZE_MAX = (1 << 63) - 1
"""What a file can be large: loff_t."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
"""The size of a buffer never changes: a truncated one would end its users with SIGBUS."""

_MAP_FIXED = 0x10
_NAME_BYTES_MAX = 200


@kernel("PAGE_ALIGN")
def page_align(size: int) -> int:
    """Round up to whole pages. Context: any.

    Raises:
        OSError: EINVAL, the size is 0, negative, or larger than a file can be.
    """
    aligned = (size + PAGE_SIZE - 1) // PAGE_SIZE * PAGE_SIZE
    if not 0 < aligned <= SIZE_MAX or size <= 0:
        raise OSError(errno.EINVAL, f"a buffer has at least one byte, at most 2**63 - 1: {size}")
    return aligned


class Pages:
    """The face of a store: bytes at offsets that the caller has checked.

    Attributes:
        size: in bytes.
        fd: the descriptor of the file that the pages belong to; -1 if there is none.
        shared_with: explored, the objects that the bytes belong to, if it is not this one.
    """

    __slots__ = ("__weakref__", "fd", "shared_with", "size")

    def __init__(self, size: int, shared_with: tuple[object, ...] = ()) -> None:
        self.size = size
        self.fd = -1
        self.shared_with = shared_with

    @no_kernel("a copy out of the pages")
    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes."""
        with self.view() as view:
            return bytes(view[offset : offset + length])

    @no_kernel("a copy into the pages")
    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put `data` there."""
        with self.view() as view:
            view[offset : offset + len(data)] = data

    @no_kernel("memcpy between the pages of two")
    def copy_to(self, target: Pages, offset: int, length: int) -> None:
        """Put `length` bytes into another store, at the same offset."""
        with self.view() as view, view[offset : offset + length] as part:
            target.write(offset, part)

    @no_kernel("a mapping, as Python knows it")
    def view(self) -> memoryview:
        """All bytes, writable. Raises NotAvailable where they are not in one place."""
        raise NotImplementedError

    @no_kernel("put_page of each")
    def close(self) -> None:
        """Give the pages back, once. Raises BufferError while somebody has a view of them."""
        raise NotImplementedError


class PlainPages(Pages):
    """Zeroed bytes of this process."""

    __slots__ = ("data",)

    def __init__(self, size: int) -> None:
        super().__init__(size)
        try:
            self.data = bytearray(size)
        except (MemoryError, OverflowError):
            raise OSError(errno.ENOMEM, f"no memory for {size} bytes") from None

    @no_kernel("a copy out of the pages")
    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes."""
        return bytes(memoryview(self.data)[offset : offset + length])

    @no_kernel("a copy into the pages")
    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put `data` there."""
        memoryview(self.data)[offset : offset + len(data)] = data

    @no_kernel("a mapping, as Python knows it")
    def view(self) -> memoryview:
        """All bytes, writable."""
        return memoryview(self.data)

    @no_kernel("put_page of each")
    def close(self) -> None:
        """Give the bytes back. Raises BufferError while somebody has a view of them."""
        self.data.clear()


class ScatteredPages(Pages):
    """Pieces of other bytes, one after the other.

    Args:
        pieces: views, which this store releases when it is closed.
        owners: the objects that the bytes belong to.
    """

    __slots__ = ("pieces",)

    def __init__(self, pieces: Sequence[memoryview], owners: tuple[object, ...]) -> None:
        super().__init__(sum(map(len, pieces)), owners)
        self.pieces = list(pieces)

    @no_kernel("a copy out of the pages")
    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes."""
        return b"".join(bytes(view) for view in self.between(offset, offset + length))

    @no_kernel("a copy into the pages")
    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put `data` there."""
        done = 0
        for view in self.between(offset, offset + len(data)):
            view[:] = data[done : done + len(view)]
            done += len(view)

    @no_kernel("memcpy between the pages of two")
    def copy_to(self, target: Pages, offset: int, length: int) -> None:
        """Put `length` bytes into another store, at the same offset."""
        target.write(offset, self.read(offset, length))

    @no_kernel("the pages of a range")
    def between(self, start: int, stop: int) -> list[memoryview]:
        """The pieces of a range that is inside."""
        found: list[memoryview] = []
        base = 0
        for piece in self.pieces:
            inside = piece[max(start - base, 0) : max(stop - base, 0)]
            if inside:
                found.append(inside)
            base += len(piece)
        return found

    @no_kernel("a mapping, as Python knows it")
    def view(self) -> memoryview:
        """All bytes, writable. Raises NotAvailable if there is more than one piece."""
        if len(self.pieces) != 1:
            raise NotAvailable("one view of bytes in several places: read and write instead")
        return memoryview(self.pieces[0])

    @no_kernel("put_page of each")
    def close(self) -> None:
        """Let go of the pieces. Raises BufferError while somebody has a view of them."""
        while self.pieces:
            self.pieces[-1].release()
            self.pieces.pop()


class MappedPages(Pages):
    """Real memory: a shared mapping of a file of its own, or of ranges of other files.

    The addresses are reserved by one anonymous `mmap` object, over which the files are mapped;
    so no descriptor is spent on the mapping, and Python itself refuses to unmap under a view.

    Args:
        size: in bytes, whole pages.
        name: for the list of a process's mappings.
        parts: (descriptor, offset, length) of the files to map; without them a new memfd.
    """

    __slots__ = ("_map",)

    def __init__(
        self, size: int, name: str = "", parts: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        super().__init__(size)
        self._map: mmap.mmap | None = None
        if size > _physical_memory():
            raise OSError(errno.ENOMEM, f"no memory for {size} bytes")
        try:
            if not parts:
                self.fd = _new_memfd(size, name)
                parts = [(self.fd, 0, size)]
            self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            _overlay(self._map, parts)
        except BaseException:
            self.close()
            raise

    @no_kernel("a copy out of the pages")
    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes."""
        assert self._map is not None
        return self._map[offset : offset + length]

    @no_kernel("a copy into the pages")
    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put `data` there."""
        assert self._map is not None
        self._map[offset : offset + len(data)] = data

    @no_kernel("a mapping, as Python knows it")
    def view(self) -> memoryview:
        """All bytes, writable."""
        assert self._map is not None
        return memoryview(self._map)

    @no_kernel("put_page of each")
    def close(self) -> None:
        """Unmap, then close the file. Raises BufferError while somebody has a view."""
        if self._map is not None:
            self._map.close()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        # A view that is still there keeps the mapping (Python unmaps with the last), not the file.
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


@functools.cache
def _physical_memory() -> int:
    """More than that can never be there, though a memfd of it can be made."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _new_memfd(size: int, name: str) -> int:
    """A file of zeros whose size is sealed."""
    spelled = name.encode("utf-8", "replace").replace(b"\0", b"?")[:_NAME_BYTES_MAX]
    fd = os.memfd_create(os.fsdecode(b"dmabuf:" + spelled), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


@functools.cache
def _system_mmap() -> Callable[..., int | None]:
    """mmap(2): the standard library maps nothing at an address of the caller's choice."""
    import ctypes  # here, since importing it takes a while and what is explored never needs it

    call = ctypes.CDLL(None, use_errno=True).mmap
    call.restype = ctypes.c_void_p
    address, length, number, offset = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_long,
    )
    call.argtypes = (address, length, number, number, number, offset)
    return call


def _overlay(reserved: mmap.mmap, parts: Sequence[tuple[int, int, int]]) -> None:
    """Map the files over the reserved addresses, one behind the other."""
    import ctypes

    address = ctypes.addressof(ctypes.c_char.from_buffer(reserved))
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    for fd, offset, length in parts:
        flags = mmap.MAP_SHARED | _MAP_FIXED
        if _system_mmap()(address, length, protection, flags, fd, offset) != address:
            number = ctypes.get_errno()
            raise OSError(number, f"mapping {length} bytes: {os.strerror(number)}")
        address += length
