"""An exporter whose storage moves, and an importer that follows it.

Mirrors: include/drm/ttm/ttm_bo.h, as far as one buffer in one of several places goes

    >>> from dmabuf.core.dma_map import Device, Direction
    >>> frame = Movable("frame", places=(0x8000_0000, 0x1000))
    >>> gpu = Follower(frame.buf, Device("gpu"), Direction.TO_DEVICE)
    >>> with frame.buf.resv:
    ...     before = gpu.mapping()
    ...     copy = frame.move()
    ...     print(before, gpu.mapping())
    <SgTable TO_DEVICE 0x80000000+0x1000> <SgTable TO_DEVICE 0x1000+0x1000>
    >>> copy()

A move is decided with the lock held and done later, by whoever calls what `move` returns: a copy
engine, that is a task of its own. Meanwhile its fence is in the buffer's reservation object as a
KERNEL one, which everybody has to wait for before using a new mapping.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_ops import AttachOps, DmaBufOps
from dmabuf.core.dma_map import PAGE_SIZE, Device, Direction, Segment, SgTable
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.rt.api import Runtime

__all__ = ["Follower", "Movable"]


class Movable(DmaBufOps):
    """An exporter of one buffer that goes from place to place, unless it is pinned.

    Args:
        name: the buffer's.
        size: bytes.
        places: the address of each; after the last comes the first.
        resv: a reservation object to share; without it the buffer has one of its own.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        buf: the buffer, exported.
        at: which of the places it is in, guarded by the buffer's lock as `pins` is.
        pins: how often it is pinned.
    """

    def __init__(
        self,
        name: str = "buffer",
        size: int = PAGE_SIZE,
        *,
        places: tuple[int, ...] = (0x8000_0000, 0x1000_0000),
        resv: Resv | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.places = tuple(Segment(place, size) for place in places)
        self.at = 0
        self.pins = 0
        self.buf = export(self, size, priv=self.places, name=name, resv=resv, rt=rt)
        self.engine = Timeline(f"{name} copies", rt=self.buf.rt)

    def map_dma_buf(self, attachment: Attachment, direction: Direction) -> SgTable:
        """Where it is, or will be when the move that is under way is done."""
        return attachment.dev.map([self.places[self.at]], direction)

    def unmap_dma_buf(self, attachment: Attachment, table: SgTable) -> None:
        """Nothing to undo."""

    def release(self, buf: DmaBuf) -> None:
        """Nothing to give back."""

    def pin(self, attachment: Attachment) -> None:
        """It stays where it is."""
        del attachment
        self.pins += 1

    def unpin(self, attachment: Attachment) -> None:
        """It may move again."""
        del attachment
        self.pins -= 1

    def move(self) -> Callable[[], None]:
        """Decide to move on to the next place. Context: process, lock held.

        Returns what the copy engine has to do: wait for everybody who uses it, copy, signal.

        Raises:
            OSError: EBUSY, it is pinned, or mapped by an importer that cannot be told.
        """
        buf, resv = self.buf, self.buf.resv
        if self.pins or any(one.tables and not one.is_movable for one in buf.attachments):
            raise OSError(errno.EBUSY, f"{buf.label} cannot move")
        resv.reserve_fences(1)
        users = resv.get_fences(Usage.BOOKKEEP)
        move = buf.accesses.move()
        buf.invalidate_mappings()
        self.at = (self.at + 1) % len(self.places)
        fence = self.engine.fence()
        resv.add_fence(fence, Usage.KERNEL)

        def copy() -> None:
            for user in users:
                user.wait()
                user.put()
            with move:
                pass
            fence.signal()

        return copy


class Follower(AttachOps):
    """A dynamic importer that maps anew after each move.

    Args:
        buf: the buffer.
        dev: the device.
        direction: of its mappings.

    Attributes:
        attachment: the device's use of the buffer.
        table: its mapping; None before the first. Guarded by the buffer's lock, as is the rest.
        is_void: the buffer moves away from where that mapping says.
        retired: earlier mappings, which jobs submitted before a move still go through.
    """

    def __init__(self, buf: DmaBuf, dev: Device, direction: Direction) -> None:
        self.direction = direction
        self.table: SgTable | None = None
        self.is_void = False
        self.retired: list[SgTable] = []
        self.attachment = buf.attach(dev, self)

    def invalidate_mappings(self, attachment: Attachment) -> None:
        """Note that the mapping is void; the device may be using it until its fence signals."""
        del attachment
        self.is_void = True

    def mapping(self) -> SgTable:
        """A mapping to submit with. Context: process, lock held.

        Good when the KERNEL fences are done. Raises OSError as mapping does.
        """
        if self.table is None or self.is_void:
            table = self.attachment.map(self.direction)
            if self.table is not None:
                self.retired.append(self.table)
            self.table = table
            self.is_void = False
        return self.table

    def retire(self) -> None:
        """Give earlier mappings back. Context: process, lock held, KERNEL fences done.

        A move waits for all users, so when it is done nobody goes through them any more.
        """
        while self.retired:
            self.attachment.unmap(self.retired.pop())

    def detach(self) -> None:
        """End it. Context: process, lock not held, the device is idle."""
        with self.attachment.buf.resv:
            self.retire()
            if self.table is not None:
                self.attachment.unmap(self.table)
                self.table = None
        self.attachment.detach()
