"""The simplest exporter: a run of memory that was set aside and never moves.

Mirrors: drivers/dma-buf/heaps (as far as a heap of one piece goes)

    >>> from dmabuf.core.dma_map import Device, Direction
    >>> buf = Carveout("frame", 8192).buf
    >>> camera = buf.attach(Device("camera"))
    >>> camera.map_unlocked(Direction.FROM_DEVICE)
    <SgTable FROM_DEVICE 0x80000000+0x2000>
"""

from __future__ import annotations

from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_ops import DmaBufOps
from dmabuf.core.dma_map import PAGE_SIZE, Direction, Segment, SgTable
from dmabuf.core.resv import Resv
from dmabuf.rt.api import Runtime

__all__ = ["Carveout"]


class Carveout(DmaBufOps):
    """An exporter of one buffer in one piece of memory.

    Args:
        name: the buffer's.
        size: bytes.
        base: the address of the piece.
        resv: a reservation object to share; without it the buffer has one of its own.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        buf: the buffer, exported.
        is_released: is the piece free again?
    """

    def __init__(
        self,
        name: str = "buffer",
        size: int = PAGE_SIZE,
        *,
        base: int = 0x8000_0000,
        resv: Resv | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.piece = Segment(base, size)
        self.is_released = False
        self.buf = export(self, size, priv=self.piece, name=name, resv=resv, rt=rt)

    def map_dma_buf(self, attachment: Attachment, direction: Direction) -> SgTable:
        """The piece, as the device sees it."""
        return attachment.dev.map([self.piece], direction)

    def unmap_dma_buf(self, attachment: Attachment, table: SgTable) -> None:
        """Nothing to undo."""

    def release(self, buf: DmaBuf) -> None:
        """The piece is free again."""
        del buf
        self.is_released = True
