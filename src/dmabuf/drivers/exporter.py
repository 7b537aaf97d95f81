"""The reference exporter: storage placed at the first mapping, which may move and be taken away.

Mirrors: drivers/gpu/drm/amd/amdgpu/amdgpu_dma_buf.c (as far as the hooks go)

    >>> vram = MemoryKind("vram", 1 << 20, peer=True)
    >>> system = MemoryKind("system", 1 << 20, base=1 << 32, contiguous=False)
    >>> frame = MigratingExporter("frame", 8192, [vram, system])
    >>> camera = frame.buf.attach(Device("camera"))     # no peer to peer: system memory it is
    >>> table = camera.map_unlocked(Direction.FROM_DEVICE)
    >>> frame.storage.place.kind.name, len(table.segments)
    ('system', 2)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_ops import DmaBufOps
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_buf_storage import Mover, Placement, Storage
from dmabuf.core.dma_map import PAGE_SIZE, Device, Direction, SgTable
from dmabuf.core.resv import Resv
from dmabuf.core.timeline import Timeline
from dmabuf.rt.api import Runtime

__all__ = ["Device", "MigratingExporter"]


def _two_kinds(size: int, rt: Runtime | None) -> tuple[MemoryKind, MemoryKind]:
    """As much memory as a buffer and its move need, in two places that every device reaches."""
    pages = -(-size // PAGE_SIZE) * PAGE_SIZE
    return (
        MemoryKind("vram", 2 * pages, base=0x8000_0000, rt=rt),
        MemoryKind("system", 2 * pages, base=0x1000_0000, rt=rt),
    )


class MigratingExporter(DmaBufOps):
    """An exporter of one buffer that moves where importers need it.

    Args:
        name: the buffer's.
        size: bytes.
        kinds: of memory, the best first; if not given, some of a card and some of the system.
        mover: what copies the bytes at a move; without it that takes no time.
        resv: a reservation object to share; without it the buffer has one of its own.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        buf: the buffer, exported.
        storage: where it is.
        engine: the timeline of moves that are done later.
    """

    def __init__(
        self,
        name: str,
        size: int = PAGE_SIZE,
        kinds: Iterable[MemoryKind] = (),
        *,
        mover: Mover | None = None,
        resv: Resv | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.storage = Storage(Placement(tuple(kinds) or _two_kinds(size, rt)), mover)
        self.buf = export(self, size, priv=self.storage, name=name, resv=resv, rt=rt)
        self.engine = Timeline(f"{name} copies", rt=self.buf.rt)

    def validate(self) -> None:
        """Place it now, not at its first mapping. Context: process, lock held. Raises OSError."""
        self.storage.validate(self.buf)

    def evict(self) -> None:
        """Leave the present kind of memory. Context: process, may sleep, lock not held.

        Raises:
            OSError: EBUSY, something holds it; ENOMEM or EINVAL, nowhere to go.
        """
        with self.buf.resv:
            self.storage.migrate(self.buf, away=True)

    def move(self) -> Callable[[], None]:
        """Decide to leave the present kind of memory. Context: process, lock held.

        Returns what the copy engine has to do: wait for everybody who uses it, copy, signal.

        Raises:
            OSError: EBUSY, something holds it; ENOMEM or EINVAL, nowhere to go.
        """
        return self.storage.migrate_later(self.buf, self.engine, away=True)

    def revoke(self) -> None:
        """Take it from all importers, for good. Context: process, may sleep, lock not held."""
        self.storage.revoke(self.buf)

    # -- the hooks -------------------------------------------------------------------------------

    def attach(self, buf: DmaBuf, attachment: Attachment) -> None:
        """Refuse a device that cannot reach it and for which it cannot move."""
        del buf
        self.storage.check_attach(attachment)

    def pin(self, attachment: Attachment) -> None:
        """Keep it where it is."""
        self.storage.pin(attachment.buf)

    def unpin(self, attachment: Attachment) -> None:
        """Let it move again."""
        self.storage.unpin(attachment.buf)

    def map_dma_buf(self, attachment: Attachment, direction: Direction) -> SgTable:
        """Where it is, after placing it or moving it for this device."""
        return self.storage.map(attachment, direction)

    def unmap_dma_buf(self, attachment: Attachment, table: SgTable) -> None:
        """One mapping less."""
        del attachment
        self.storage.unmap(table)

    def release(self, buf: DmaBuf) -> None:
        """Nobody has the buffer: the memory is free."""
        self.storage.release(buf)
