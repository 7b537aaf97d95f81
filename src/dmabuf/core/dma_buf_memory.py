"""What exporters do whose buffers are a `Memory`: mapping, CPU access, release.

Mirrors: drivers/dma-buf/heaps/system_heap.c (system_heap_buf_ops)

    >>> from dmabuf.core.dma_buf import export
    >>> from dmabuf.core.memory import Memory
    >>> memory = Memory(8192, "frame")
    >>> buf = export(MemoryOps(), memory.size, priv=Backing(memory), exp_name="mine")
    >>> with buf.cpu_access(Access.WRITE) as view:
    ...     view[:3] = b"abc"
    >>> memory.device_read(0, 3)
    b'abc'
    >>> buf.put(); memory.is_closed
    True

A driver's own exporter subclasses `MemoryOps` and replaces what it does otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.dma_buf_ops import DmaBufOps, Vma
from dmabuf.core.dma_map import Access, Direction, Segment, SgTable
from dmabuf.core.memory import Memory
from dmabuf.core.pages import PAGE_SIZE
from dmabuf.core.resv import usage_rw
from dmabuf.rt.api import Runtime

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf
    from dmabuf.core.dma_buf_attach import Attachment

__all__ = ["Backing", "MemoryOps", "access_of", "backing_of"]

CHUNK_PAGES = (256, 16, 1)
"""In which pieces the system heap gets its memory: orders 8, 4 and 0."""

_FIRST_ADDRESS = 0x1000_0000
_ADDRESSES = 0xE000_0000
_BUS = "core.dma_buf_memory.bus"

_ACCESS = {
    Direction.FROM_DEVICE: Access.READ,
    Direction.TO_DEVICE: Access.WRITE,
    Direction.BIDIRECTIONAL: Access.READ | Access.WRITE,
}


class Backing:
    """The private data of a buffer whose bytes are a `Memory`.

    Args:
        memory: the bytes.
        chunk_pages: sizes of pieces that lie at adjacent addresses, the largest first; what a
            device without scatter-gather cannot use is memory in several pieces.

    Attributes:
        memory: as given.
        segments: where a device finds them.
    """

    __slots__ = ("memory", "segments")

    def __init__(self, memory: Memory, chunk_pages: Sequence[int] = CHUNK_PAGES) -> None:
        self.memory = memory
        self.segments = _placed(memory.rt, memory.size // PAGE_SIZE, chunk_pages)


class _Bus:
    """Addresses that were handed out: they only tell buffers apart, so they are not given back."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


def _placed(rt: Runtime, pages: int, chunk_pages: Sequence[int]) -> tuple[Segment, ...]:
    """Chunks with a gap behind each, so that no two of them are one segment by chance."""
    bus: _Bus = rt.once(_BUS, _Bus)
    found: list[Segment] = []
    with rt.mutex:
        for size in (*chunk_pages, 1):
            while pages >= size:
                address = _FIRST_ADDRESS + bus.used % _ADDRESSES
                found.append(Segment(address, size * PAGE_SIZE))
                bus.used += (size + 1) * PAGE_SIZE
                pages -= size
    return tuple(found)


@no_kernel("container_of of a buffer's private data")
def backing_of(buf: DmaBuf) -> Backing | None:
    """The `Backing` of a buffer; None if its exporter has another kind of storage."""
    return buf.priv if isinstance(buf.priv, Backing) else None


def _backing(buf: DmaBuf) -> Backing:
    assert isinstance(buf.priv, Backing), f"{buf.label} is of an exporter with other storage"
    return buf.priv


@no_kernel("the other way round of the switch in dma_buf_ioctl")
def access_of(direction: Direction) -> Access:
    """What the CPU does in a bracket of that direction."""
    return _ACCESS[direction]


class MemoryOps(DmaBufOps):
    """The hooks; `buf.priv` is a `Backing`."""

    @no_kernel("system_heap_map_dma_buf, a static function there")
    def map_dma_buf(self, attachment: Attachment, direction: Direction) -> SgTable:
        """A table for the device. Raises OSError (EIO) if it cannot use the memory."""
        return attachment.dev.map(_backing(attachment.buf).segments, direction)

    @no_kernel("system_heap_unmap_dma_buf, a static function there")
    def unmap_dma_buf(self, attachment: Attachment, table: SgTable) -> None:
        """Nothing needs to be undone."""

    @no_kernel("system_heap_dma_buf_begin_cpu_access, a static function there")
    def begin_cpu_access(self, buf: DmaBuf, direction: Direction) -> None:
        """Where the CPU has a cache of its own, let it forget what devices have overwritten.

        The core waits for fences after this hook, but what is fetched before a device is done may
        be stale again; so the hook waits first, which leaves the core nothing to wait for.
        """
        memory = _backing(buf).memory
        if not memory.coherent:
            buf.resv.wait(usage_rw(write=direction.is_cpu_write))
            memory.begin_cpu_access(access_of(direction))

    @no_kernel("system_heap_dma_buf_end_cpu_access, a static function there")
    def end_cpu_access(self, buf: DmaBuf, direction: Direction) -> None:
        """What the CPU wrote goes to where devices see it."""
        _backing(buf).memory.end_cpu_access(access_of(direction))

    @no_kernel("system_heap_mmap, a static function there")
    def mmap(self, buf: DmaBuf, vma: Vma) -> memoryview:
        """A view of the pages, or of a copy if the mapping is a private one that is written."""
        memory = _backing(buf).memory
        access = Access.READ | Access.WRITE if vma.writable else Access.READ
        if vma.writable and not vma.shared:
            return memoryview(bytearray(memory.read(vma.offset, vma.length)))
        return memory.view(access, offset=vma.offset, length=vma.length)

    @no_kernel("system_heap_vmap, a static function there")
    def vmap(self, buf: DmaBuf) -> memoryview:
        """A view of all of it."""
        return _backing(buf).memory.view()

    @no_kernel("system_heap_vunmap, a static function there")
    def vunmap(self, buf: DmaBuf, mapping: memoryview) -> None:
        """The view ends; what was made of it and is still there keeps the buffer from release."""
        del buf
        with suppress(BufferError):
            mapping.release()

    @no_kernel("system_heap_dma_buf_release, a static function there")
    def release(self, buf: DmaBuf) -> None:
        """The memory goes. Raises BufferError while somebody has a view of it."""
        _backing(buf).memory.close()
