r"""The bytes of a buffer, as the CPU and as a device sees them.

Mirrors: include/linux/dma-mapping.h (dma_sync_sgtable_for_cpu and _for_device)

    >>> frame = Memory(4096, "frame", coherent=False)
    >>> frame.device_write(0, b"new"); frame.read(0, 3)
    b'\x00\x00\x00'
    >>> frame.begin_cpu_access(DMA_BUF_SYNC_READ); frame.read(0, 3)
    b'new'
    >>> frame.close()

Live these are real pages: `fileno()` is a memfd that another process can map, and a view of them
is what NumPy works on without a copy. Explored they are plain bytes.

Non-coherent memory has two copies: the CPU's cached one, which reads and writes and views go to,
and the one in memory, which the device and other processes see. Nothing ever leaves or enters the
cache by itself, so a missing bracket shows in every run: `begin_cpu_access` with READ brings
memory into the cache, `end_cpu_access` with WRITE takes the cache to memory, both for the whole
range that they name. A bracket without READ says that the CPU writes all of its range; what it
leaves out is overwritten by what the cache held.

In a design reads and writes are steps. A view is one step when it is taken; what is done through
it belongs to that step, so keep a view inside the bracket that it was made for.
"""

from __future__ import annotations

import errno
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.abi.dma_buf import DMA_BUF_SYNC_READ, DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.pages import MappedPages, Pages, PlainPages, page_align
from dmabuf.errors import InternalError, NotAvailable
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task, Touch

__all__ = ["Memory"]

_VIEWS_NAMED_MAX = 5

# --- steps: each answers None if the memory is closed -------------------------------------------


_CPU, _DEVICE = 0, 2


def _copies(memory: Memory, which: int) -> tuple[Touch, ...]:
    """The objects that hold the CPU's or the device's bytes (_CPU or _DEVICE, + READ or WRITE)."""
    if memory._touches is None:
        return ((memory, which & WRITE),)
    return memory._touches[which]


def _used(which: int) -> Callable[[Memory, Task], tuple[Touch, ...]]:
    """The footprint of an access: the memory is open, and one of the copies."""
    return lambda memory, _task: ((memory, READ), *_copies(memory, which))


def _synced(memory: Memory, task: Task) -> tuple[Touch, ...]:
    """What is copied from, and what is copied to."""
    into_cache = task.arg[2]
    source, target = (_DEVICE, _CPU) if into_cache else (_CPU, _DEVICE)
    return ((memory, READ), *_copies(memory, source), *_copies(memory, target + WRITE))


def _read(memory: Memory, task: Task) -> bytes | None:
    offset, length = task.arg
    return None if memory._pages is None else memory._cpu.read(offset, length)


def _write(memory: Memory, task: Task) -> bool | None:
    offset, data = task.arg
    return None if memory._pages is None else memory._cpu.write(offset, data) is None


def _device_read(memory: Memory, task: Task) -> bytes | None:
    offset, length = task.arg
    return None if memory._pages is None else memory._pages.read(offset, length)


def _device_write(memory: Memory, task: Task) -> bool | None:
    offset, data = task.arg
    return None if memory._pages is None else memory._pages.write(offset, data) is None


def _copy(memory: Memory, task: Task) -> bool | None:
    """Between cache and memory."""
    offset, length, into_cache = task.arg
    if memory._pages is None:
        return None
    source, target = memory._pages, memory._cpu
    if not into_cache:
        source, target = target, source
    source.copy_to(target, offset, length)
    return True


def _view(memory: Memory, _task: Task) -> memoryview | None:
    return None if memory._pages is None else memory._cpu.view()


def _view_touches(memory: Memory, task: Task) -> tuple[Touch, ...]:
    """Taking a view puts a close off; a writable one counts as a write."""
    return ((memory, WRITE), *_copies(memory, _CPU + (WRITE if task.arg else READ)))


def _close(memory: Memory, _task: Task) -> BufferError | None:
    """Nothing is given back unless everything can be."""
    pages = memory._pages
    if pages is None:
        return None
    try:
        if memory._cpu is not pages:
            memory._cpu.close()
        pages.close()
    except BufferError as refused:
        return refused
    memory._pages = None
    return None


def _close_touches(memory: Memory, _task: Task) -> tuple[Touch, ...]:
    """Pages of others are let go."""
    pages = memory._pages
    return ((memory, WRITE), *((one, WRITE) for one in (pages.shared_with if pages else ())))


CPU_READ = Op("memory.read", action=_read, touches=_used(_CPU), says="reads {}")
CPU_WRITE = Op("memory.write", action=_write, touches=_used(_CPU + WRITE), says="writes {}")
DEVICE_READ = Op("memory.device_read", action=_device_read, touches=_used(_DEVICE))
DEVICE_WRITE = Op("memory.device_write", action=_device_write, touches=_used(_DEVICE + WRITE))
SYNC = Op("memory.sync", action=_copy, touches=_synced, says="synchronises {} with the cache")
VIEW = Op("memory.view", action=_view, touches=_view_touches, says="takes a view of {}")
CLOSE = Op("memory.close", action=_close, touches=_close_touches, says="closes {}")


class Memory:
    """Zeroed pages, released by `close` or with the last reference.

    Args:
        size: in bytes, rounded up to pages.
        name: for reports, and for the list of a process's mappings.
        coherent: does the CPU see what a device writes at once, and the other way round?
        pages: what to use instead of new pages (a udmabuf's are those of its memfds).
        rt: the runtime it belongs to; the ambient one if not given.

    Raises:
        OSError: EINVAL, the size; ENOMEM; EMFILE or ENFILE, live, no descriptor is left.

    Attributes:
        size: in bytes, whole pages.
        coherent: as given.
    """

    __slots__ = (
        "__weakref__",
        "_cpu",
        "_pages",
        "_touches",
        "_views",
        "coherent",
        "name",
        "rt",
        "size",
    )

    def __init__(
        self,
        size: int,
        name: str = "",
        *,
        coherent: bool = True,
        pages: Pages | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.rt = rt = rt or ambient()
        self.name = name or "memory"
        self.size = page_align(size)
        self.coherent = coherent
        self._views: list[_View] = []
        self._pages: Pages | None = None
        self._touches: tuple[tuple[Touch, ...], ...] | None = None
        allocate_or_fail(f"the pages of {self.name}", rt)
        if pages is None:
            pages = PlainPages(self.size) if rt.explored else MappedPages(self.size, self.name)
        self._cpu: Pages = pages if coherent else PlainPages(self.size)
        self._pages = pages
        self._introduce()

    def _introduce(self) -> None:
        """Names in reports, and the footprints: whether it is open, and one of the copies."""
        rt, pages = self.rt, self._pages
        assert pages is not None
        rt.adopt(self, self.name)
        if not rt.explored:
            return
        if not pages.shared_with:
            rt.adopt(pages, f"{self.name}.pages")
        if not self.coherent:
            rt.adopt(self._cpu, f"{self.name}.cache")
        shown = pages.shared_with or (pages,)
        self._touches = tuple(
            tuple((one, access) for one in copy)
            for copy in (shown if self.coherent else (self._cpu,), shown)
            for access in (READ, WRITE)
        )

    # --- the CPU's side ---------------------------------------------------------------------

    @no_kernel("loads of the CPU")
    def read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes as the CPU sees them. Context: any.

        Raises:
            OSError: EINVAL, a byte of the range is outside.
            ContractViolation: DF004, the memory is closed.
        """
        data: bytes = self._step(CPU_READ, (offset, self._inside(offset, length)))
        return data

    @no_kernel("stores of the CPU")
    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """The CPU stores `data`. Context: any. Raises as `read`."""
        flat = memoryview(data).cast("B")
        self._inside(offset, len(flat))
        self._step(CPU_WRITE, (offset, flat))

    @no_kernel("a mapping, as Python knows it")
    def view(
        self, access: int = DMA_BUF_SYNC_RW, *, offset: int = 0, length: int | None = None
    ) -> memoryview:
        """The CPU's bytes themselves, not a copy. Context: any.

        The memory cannot be closed before the view and all that was made of it are gone:
        `view.release()`, a with-block, or the last reference.

        Args:
            access: DMA_BUF_SYNC_READ gives a read-only view.
            offset: in bytes.
            length: in bytes; up to the end if not given.

        Raises:
            OSError: EINVAL, the range; NotAvailable, the bytes are not in one place.
            ContractViolation: DF004, the memory is closed.
        """
        length = self._inside(offset, self.size - offset if length is None else length)
        may_write = bool(access & DMA_BUF_SYNC_WRITE)
        with self._step(VIEW, may_write) as whole:
            view: memoryview = whole[offset : offset + length]
        if not may_write:
            with view as writable:
                view = writable.toreadonly()
        self._views = [one for one in self._views if one.is_alive()]
        self._views.append(_View(view, offset, sys._getframe(1)))
        return view

    def __buffer__(self, _flags: int) -> memoryview:
        """Python 3.12 and newer: what takes bytes takes the memory itself."""
        return self.view()

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """What NumPy asks for: the bytes in place. The array keeps the view, so they stay."""
        return {"version": 3, "shape": (self.size,), "typestr": "|u1", "data": self.view()}

    @kernel("dma_sync_sgtable_for_cpu")
    def begin_cpu_access(
        self, access: int = DMA_BUF_SYNC_RW, *, offset: int = 0, length: int | None = None
    ) -> None:
        """The CPU is about to use a range: with READ, the cache forgets what it held of it.

        Context: process. It waits for nothing: fences are the buffer's business.

        Args:
            access: DMA_BUF_SYNC_READ, _WRITE or both.
            offset: in bytes.
            length: in bytes; up to the end if not given.

        Raises:
            OSError: EINVAL, the range, or neither READ nor WRITE.
            ContractViolation: DF004, the memory is closed.
        """
        self._sync(access, DMA_BUF_SYNC_READ, offset, length, into_cache=True)

    @kernel("dma_sync_sgtable_for_device")
    def end_cpu_access(
        self, access: int = DMA_BUF_SYNC_RW, *, offset: int = 0, length: int | None = None
    ) -> None:
        """The CPU is done with a range: with WRITE, what the cache holds of it goes to memory.

        Context: process. Arguments and errors as for `begin_cpu_access`.
        """
        self._sync(access, DMA_BUF_SYNC_WRITE, offset, length, into_cache=False)

    def _sync(
        self, access: int, needed: int, offset: int, length: int | None, *, into_cache: bool
    ) -> None:
        if not access & DMA_BUF_SYNC_RW or access & ~DMA_BUF_SYNC_RW:
            raise OSError(errno.EINVAL, f"access is READ, WRITE or both, not {access}")
        length = self._inside(offset, self.size - offset if length is None else length)
        if access & needed and not self.coherent:
            self._step(SYNC, (offset, length, into_cache))

    # --- the device's side ------------------------------------------------------------------

    @no_kernel("what a device does by itself")
    def device_read(self, offset: int, length: int) -> bytes:
        """A copy of `length` bytes as a device sees them. Context: any. Raises as `read`."""
        data: bytes = self._step(DEVICE_READ, (offset, self._inside(offset, length)))
        return data

    @no_kernel("what a device does by itself")
    def device_write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """A device stores `data`. Context: any. Raises as `read`."""
        flat = memoryview(data).cast("B")
        self._inside(offset, len(flat))
        self._step(DEVICE_WRITE, (offset, flat))

    # --- lifetime ---------------------------------------------------------------------------

    @no_kernel("a descriptor of the pages")
    def fileno(self) -> int:
        """The memfd of the pages, owned by this object; duplicate it to keep it. Context: any.

        Raises:
            NotAvailable: explored memory and that of other files has no descriptor of its own.
            ContractViolation: DF004, the memory is closed.
        """
        pages = self._pages
        if pages is None:
            self._report_closed()
            raise InternalError("a report came back")
        if pages.fd < 0:
            raise NotAvailable(f"{self.name} has no descriptor of its own")
        return pages.fd

    @property
    @no_kernel("asks whether close was called")
    def is_closed(self) -> bool:
        """Were the pages given back?"""
        return self._pages is None

    @no_kernel("__free_pages of each")
    def close(self) -> None:
        """Give the pages and the descriptor back. Context: process. Twice is once.

        Raises:
            BufferError: views of them exist; nothing has changed.
        """
        self._views = alive = [one for one in self._views if one.is_alive()]
        refused: object = alive
        if not alive:
            self.rt.step(CLOSE, self)
            refused = self.rt.current().value
        if refused:
            raise BufferError(f"{self.name} cannot be closed: {_named(alive)}")

    def _step(self, op: Op, arg: object) -> Any:
        self.rt.step(op, self, arg)
        value = self.rt.current().value
        if value is None:
            self._report_closed()
        return value

    def _report_closed(self) -> None:
        self.rt.report("DF004", f"{self.rt.label(self)} is used, but it is closed")

    def _inside(self, offset: int, length: int) -> int:
        """The length, of a range that is inside."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise OSError(
                errno.EINVAL, f"bytes {offset} to {offset + length} of {self.name}: {self.size}"
            )
        return length

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else f"{len(self._views)} views"
        return f"<Memory {self.name} {self.size} bytes, {state}>"


class _View:
    """A view that was handed out: which, and by whose request."""

    __slots__ = ("length", "offset", "place", "reference", "writable")

    def __init__(self, view: memoryview, offset: int, frame: FrameType) -> None:
        self.reference = weakref.ref(view)
        self.offset = offset
        self.length = view.nbytes
        self.writable = not view.readonly
        self.place = (frame.f_code.co_filename, frame.f_lineno)

    def is_alive(self) -> bool:
        """Neither collected nor released?"""
        view = self.reference()
        if view is None:
            return False
        try:
            return view.nbytes >= 0
        except ValueError:
            return False

    def __str__(self) -> str:
        kind = "writable" if self.writable else "read-only"
        return (
            f"a {kind} view of bytes {self.offset} to {self.offset + self.length} taken at "
            f"{self.place[0]}:{self.place[1]}"
        )


def _named(alive: list[_View]) -> str:
    """Which views are in the way."""
    if not alive:
        return "a slice of a view, or an array made of one, exists"
    names = [str(one) for one in alive[:_VIEWS_NAMED_MAX]]
    if len(alive) > _VIEWS_NAMED_MAX:
        names.append(f"{len(alive) - _VIEWS_NAMED_MAX} more")
    return " and ".join(names) + (" exists" if len(alive) == 1 else " exist")
