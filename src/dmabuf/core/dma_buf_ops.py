"""What exporters and importers of a buffer supply: the hooks that the dma-buf core calls.

Mirrors: include/linux/dma-buf.h (struct dma_buf_ops, struct dma_buf_attach_ops)

    >>> class Ops(DmaBufOps):
    ...     def map_dma_buf(self, attachment, direction):
    ...         return attachment.dev.map([Segment(0x1000, attachment.buf.size)], direction)
    ...     def unmap_dma_buf(self, attachment, table): pass
    ...     def release(self, buf): pass
    >>> why_unusable(Ops(), priv="anything")
    ''
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.dma_map import PAGE_SIZE, Segment

if TYPE_CHECKING:
    pass

__all__ = ["AttachOps", "DmaBufOps", "Segment", "Vma", "why_unusable"]


@kernel("struct dma_buf_ops")
class DmaBufOps:
    """What an exporter supplies; subclass it. A class that lacks a hook leaves it None.

    Mandatory, and called as `core.dma_buf_convention` says, with or without the buffer's lock:

    * ``map_dma_buf(attachment, direction) -> SgTable``: locked; storage is placed now at latest.
    * ``unmap_dma_buf(attachment, table)``: locked.
    * ``release(buf)``: unlocked; the last reference is gone.

    Optional; failures are `OSError`:

    * ``attach(buf, attachment)``: unlocked; EBUSY if the storage is where the device cannot
      reach it and it cannot move.
    * ``detach(buf, attachment)``: unlocked.
    * ``pin(attachment)``, ``unpin(attachment)``: locked; both or none. An exporter that has them
      may move its storage.
    * ``begin_cpu_access(buf, direction)``, ``end_cpu_access(buf, direction)``: unlocked.
    * ``mmap(buf, vma) -> object``: unlocked; what userspace maps.
    * ``vmap(buf) -> object``, ``vunmap(buf, mapping)``: locked; the kernel's own mapping.
    """

    attach: Any = None
    detach: Any = None
    pin: Any = None
    unpin: Any = None
    map_dma_buf: Any = None
    unmap_dma_buf: Any = None
    release: Any = None
    begin_cpu_access: Any = None
    end_cpu_access: Any = None
    mmap: Any = None
    vmap: Any = None
    vunmap: Any = None


@kernel("struct dma_buf_attach_ops")
class AttachOps:
    """What a dynamic importer supplies; subclass it.

    Attributes:
        allow_peer2peer: it can use memory of another device.
        invalidate_mappings: optional hook ``invalidate_mappings(attachment)``, called with the
            lock held: all mappings are to be made anew. Without it storage that it has mapped
            cannot move.
    """

    allow_peer2peer: bool = False
    invalidate_mappings: Any = None


@dataclass(frozen=True, slots=True)
class Vma:
    """A mapping that userspace asks for (struct vm_area_struct, as far as exporters look).

    Attributes:
        pages: how many.
        pgoff: the first page of the buffer.
        shared: writes reach the buffer.
        writable: it may be written.
    """

    pages: int
    pgoff: int = 0
    shared: bool = True
    writable: bool = True

    @property
    @no_kernel("vm_pgoff in bytes")
    def offset(self) -> int:
        """The first byte of the buffer."""
        return self.pgoff * PAGE_SIZE

    @property
    @no_kernel("vma_pages in bytes")
    def length(self) -> int:
        """How many bytes."""
        return self.pages * PAGE_SIZE


@no_kernel("the checks at the beginning of dma_buf_export")
def why_unusable(ops: DmaBufOps, priv: object) -> str:
    """What is missing for an export; empty if nothing is."""
    lacking = [name for name in ("map_dma_buf", "unmap_dma_buf", "release") if not _has(ops, name)]
    if priv is None:
        lacking.append("private data")
    if lacking:
        return f"lacks {', '.join(lacking)}"
    if _has(ops, "pin") != _has(ops, "unpin"):
        return "has only one of pin and unpin"
    return ""


def _has(ops: DmaBufOps, name: str) -> bool:
    return getattr(ops, name) is not None
