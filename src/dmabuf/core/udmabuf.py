"""Buffers made of the pages of memfds.

Mirrors: drivers/dma-buf/udmabuf.c, include/uapi/linux/udmabuf.h

    >>> from dmabuf.core.memfd import F_SEAL_SHRINK, MemFd
    >>> file = MemFd(4 * 4096, "frames")
    >>> file.add_seals(F_SEAL_SHRINK)
    >>> buf = udmabuf_create(file, 4096, 8192)
    >>> with buf.cpu_access(Access.WRITE) as view:
    ...     view[:3] = b"abc"
    >>> file.read(4096, 3)
    b'abc'
    >>> buf.put()

Buffer and memfd are the same memory, so what is written into one is read from the other. Live the
ranges are mapped behind each other into one range of addresses; explored they are the bytes of a
model, of which there is a view only if all of them lie in one place.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_memory import Backing, MemoryOps
from dmabuf.core.dma_buf_ops import Vma
from dmabuf.core.dma_map import Access
from dmabuf.core.memfd import F_SEAL_FUTURE_WRITE, F_SEAL_SHRINK, F_SEAL_WRITE, MemFd
from dmabuf.core.memory import Memory
from dmabuf.core.pages import PAGE_SIZE, MappedPages, Pages, ScatteredPages
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task, Touch
from dmabuf.sync.shared import Shared

if TYPE_CHECKING:
    from dmabuf.core.dma_map import Direction

__all__ = ["LIST_LIMIT", "SIZE_LIMIT_MB", "Access", "Item", "udmabuf_create", "udmabuf_create_list"]

LIST_LIMIT = 1024
SIZE_LIMIT_MB = (1 << 31) - 1
"""The module's parameters as they are by default; up to 6.12 the size limit was 64 MiB."""

_U64 = (1 << 64) - 1
_SEALS_DENIED = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE


@dataclass(frozen=True, slots=True)
class Item:
    """One range of a memfd (struct udmabuf_create_item).

    Attributes:
        memfd: the file; live a descriptor will do.
        offset: in bytes, whole pages.
        size: in bytes, whole pages.
    """

    memfd: MemFd | int
    offset: int
    size: int


@kernel("udmabuf_create", context="process")
def udmabuf_create(
    memfd: MemFd | int,
    offset: int,
    size: int,
    *,
    name: str = "",
    size_limit_mb: int = SIZE_LIMIT_MB,
    coherent: bool = True,
    rt: Runtime | None = None,
) -> DmaBuf:
    """A buffer of one range. Context: process, may sleep. As a list of one item."""
    return _create([Item(memfd, offset, size)], name, size_limit_mb, coherent, rt)


@no_kernel("UDMABUF_CREATE_LIST, a static function there")
def udmabuf_create_list(
    items: Sequence[Item],
    *,
    name: str = "",
    size_limit_mb: int = SIZE_LIMIT_MB,
    list_limit: int = LIST_LIMIT,
    coherent: bool = True,
    rt: Runtime | None = None,
) -> DmaBuf:
    """A buffer of several ranges, in this order; they may overlap. Context: process, may sleep.

    Args:
        items: ranges of one memfd or of several.
        name: of the buffer.
        size_limit_mb: the module's parameter, in MiB.
        list_limit: the module's parameter, in items.
        coherent: does the CPU see at once what a device writes, and the other way round?
        rt: the runtime it belongs to; the ambient one if not given.

    Raises:
        OSError: EINVAL, too many items or none, a range that is not whole pages, empty or beyond
            the end, too large, or seals: SHRINK has to be there, WRITE and FUTURE_WRITE must not;
            EBADFD, no descriptor or not one of a memfd; ENOMEM; live, EMFILE or ENFILE. What is
            wrong with the numbers comes before any file is looked at.
    """
    if len(items) > list_limit:
        raise OSError(errno.EINVAL, f"a udmabuf has at most {list_limit} ranges: {len(items)}")
    return _create(items, name, size_limit_mb, coherent, rt)


def _create(
    items: Sequence[Item], name: str, size_limit_mb: int, coherent: bool, rt: Runtime | None
) -> DmaBuf:
    rt = rt or ambient()
    size = _checked_size(items, size_limit_mb)
    pages = _pinned(items, rt) if rt.explored else _mapped(items, size)
    try:
        memory = Memory(size, name or "udmabuf", coherent=coherent, pages=pages, rt=rt)
    except BaseException:
        _unpin(pages, rt)
        raise
    if not coherent:
        memory.begin_cpu_access(Access.READ)  # the cache begins with what is there
    try:
        ops = _Ops(rt)
        return export(ops, size, priv=Backing(memory), exp_name="udmabuf", name=name, rt=rt)
    except BaseException:
        memory.close()
        raise


def _checked_size(items: Sequence[Item], size_limit_mb: int) -> int:
    """The size of all ranges. Raises OSError (EINVAL)."""
    limit = size_limit_mb * 1024 * 1024 // PAGE_SIZE * PAGE_SIZE
    total = 0
    for item in items:
        for number in (item.offset, item.size):
            if number % PAGE_SIZE or not 0 <= number <= _U64:
                raise OSError(errno.EINVAL, f"{number} is not a number of whole pages")
        total += item.size
        if total > limit:
            raise OSError(errno.EINVAL, f"a udmabuf has at most {size_limit_mb} MiB")
    if not total:
        raise OSError(errno.EINVAL, "a udmabuf of nothing")
    return total


def _why_not(item: Item, seals: int, file_size: int) -> OSError | None:
    """What the driver minds about a memfd."""
    if not seals & F_SEAL_SHRINK:
        return OSError(errno.EINVAL, "the memfd is not sealed against shrinking")
    if seals & _SEALS_DENIED:
        return OSError(errno.EINVAL, "the memfd is sealed against writing")
    if not item.size or item.offset + item.size > file_size:
        return OSError(errno.EINVAL, f"bytes {item.offset} to {item.offset + item.size}: beyond")
    return None


# --- live: the pages are mapped ------------------------------------------------------------------


def _mapped(items: Sequence[Item], size: int) -> Pages:
    parts: list[tuple[int, int, int]] = []
    reopened: list[int] = []
    try:
        for item in items:
            fd = _descriptor(item)
            if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                fd = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
                reopened.append(fd)
            parts.append((fd, item.offset, item.size))
        return MappedPages(size, parts=parts)
    finally:
        for fd in reopened:  # the driver does not mind how a memfd was opened; a mapping does
            os.close(fd)


def _descriptor(item: Item) -> int:
    """The descriptor of a memfd that will do."""
    memfd = item.memfd
    fd = memfd if isinstance(memfd, int) else -1 if memfd.is_closed else memfd.fileno()
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        file_size = os.fstat(fd).st_size
    except (OSError, ValueError, OverflowError):
        raise OSError(errno.EBADFD, f"descriptor {fd} is not one of a memfd") from None
    why_not = _why_not(item, seals, file_size)
    if why_not is not None:
        raise why_not
    return fd


# --- explored: the pages are pinned --------------------------------------------------------------


def _refused(memfd: MemFd, task: Task) -> OSError | None:
    if memfd.is_closed:
        return OSError(errno.EBADFD, f"{memfd.name} is closed")
    return _why_not(task.arg, memfd.file.seals, memfd.file.size)


def _pin(memfd: MemFd, task: Task) -> OSError | list[memoryview]:
    """With the file locked: look at the seals, and take the pages."""
    refused = _refused(memfd, task)
    if refused is not None:
        return refused
    memfd.file.pins += 1
    found: list[memoryview] = memfd.file.pieces(task.arg.offset, task.arg.size)
    return found


def _pin_touches(memfd: MemFd, task: Task) -> tuple[Touch, ...]:
    return ((memfd, WRITE if _refused(memfd, task) is None else READ),)


def _let_go(memfd: MemFd, _task: Task) -> None:
    memfd.file.pins -= 1


PIN = Op("udmabuf.pin", action=_pin, touches=_pin_touches, says="pins pages of {}")
UNPIN = Op("udmabuf.unpin", action=_let_go, says="unpins pages of {}")


class _PinnedPages(ScatteredPages):
    """Pages of memfds, which cannot be sealed against writing meanwhile."""

    __slots__ = ()

    @no_kernel("unpin_all_folios, a static function there")
    def close(self) -> None:
        """Let go of the pages."""
        super().close()
        for memfd in self.shared_with:
            assert isinstance(memfd, MemFd)
            memfd.file.pins -= 1


def _pinned(items: Sequence[Item], rt: Runtime) -> Pages:
    pieces: list[memoryview] = []
    owners: list[MemFd] = []
    for item in items:
        refused: Any = OSError(errno.EBADFD, "there are no descriptors where a run is explored")
        if isinstance(item.memfd, MemFd):
            rt.step(PIN, item.memfd, item)
            refused = rt.current().value
        if isinstance(refused, OSError):
            _unpin(ScatteredPages(pieces, tuple(owners)), rt)
            raise refused
        assert isinstance(item.memfd, MemFd)
        pieces += refused
        owners.append(item.memfd)
    return _PinnedPages(pieces, tuple(owners))


def _unpin(pages: Pages, rt: Runtime) -> None:
    """Give back what no memory was made of."""
    for memfd in pages.shared_with:
        rt.step(UNPIN, memfd)
    if isinstance(pages, MappedPages):
        pages.close()


# --- the exporter --------------------------------------------------------------------------------


class _Ops(MemoryOps):
    """What udmabuf does otherwise.

    Attributes:
        began: was CPU access ever begun? That is when the driver maps the pages for itself.
    """

    def __init__(self, rt: Runtime) -> None:
        self.began = Shared(False, "udmabuf.sg", rt=rt)

    @no_kernel("begin_cpu_udmabuf, a static function there")
    def begin_cpu_access(self, buf: DmaBuf, direction: Direction) -> None:
        """As ever; from now on it may end."""
        if not self.began.read():
            self.began.write(True)
        super().begin_cpu_access(buf, direction)

    @no_kernel("end_cpu_udmabuf, a static function there")
    def end_cpu_access(self, buf: DmaBuf, direction: Direction) -> None:
        """As ever. Raises OSError: EINVAL, it was never begun."""
        if not self.began.read():
            raise OSError(errno.EINVAL, f"CPU access to {buf.label} was never begun")
        super().end_cpu_access(buf, direction)

    @no_kernel("mmap_udmabuf, a static function there")
    def mmap(self, buf: DmaBuf, vma: Vma) -> memoryview:
        """A view. Raises OSError: EINVAL, the mapping would be private."""
        if not vma.shared:
            raise OSError(errno.EINVAL, f"{buf.label} is shared or not mapped")
        return super().mmap(buf, vma)
