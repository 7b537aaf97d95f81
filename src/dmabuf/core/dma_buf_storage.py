"""Storage of a buffer that is placed when it is first mapped, and may move.

Mirrors: include/linux/dma-buf.h (what it asks of exporters that have pin and unpin)

A helper for exporters: they call it in their hooks. The first mapping chooses among the kinds of
memory what suits all devices attached by then. A device that attaches later and cannot reach it
makes it move, if nothing holds it: no pin, no vmap, no mapping of an importer that cannot be told.

    >>> placement = Placement([MemoryKind("vram", 1 << 20), MemoryKind("system", 1 << 20)])
    >>> [kind.name for kind in placement.kinds]
    ['vram', 'system']
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.dma_buf_place import MemoryKind, Place
from dmabuf.core.dma_map import Direction, SgTable
from dmabuf.core.resv import Usage
from dmabuf.sync.lockdep import assert_held

if TYPE_CHECKING:
    from dmabuf.core.access import Span
    from dmabuf.core.dma_buf import DmaBuf
    from dmabuf.core.dma_buf_attach import Attachment
    from dmabuf.core.fence import Fence
    from dmabuf.core.timeline import Timeline

__all__ = ["Mover", "Placement", "Storage"]

Mover = Callable[[Place, Place, "Span"], "Fence | None"]
"""Copies from the old place to the new one. Where a device does it, that device enters the move
when it does, and its fence is returned; else the move is entered at once."""


class Placement:
    """The kinds of memory that an exporter has, the best first."""

    __slots__ = ("kinds",)

    def __init__(self, kinds: Iterable[MemoryKind]) -> None:
        self.kinds = tuple(kinds)
        if not self.kinds:
            raise ValueError("an exporter needs a kind of memory")

    @no_kernel("ttm_bo_mem_space")
    def choose(
        self, size: int, attachments: Iterable[Attachment], what: str, besides: MemoryKind | None
    ) -> Place:
        """A place that suits all of `attachments`. Context: process.

        Args:
            size: bytes.
            attachments: whose devices have to reach it.
            what: the buffer's name.
            besides: a kind that is out of the question.

        Raises:
            OSError: ENOMEM, what suits is full; EINVAL, nothing suits.
        """
        wanted = list(attachments)
        failure: OSError | None = None
        reasons: list[str] = []
        for kind in self.kinds:
            why_not = "it is there" if kind is besides else why_unsuited(kind, wanted)
            if why_not:
                reasons.append(f"{kind.name}: {why_not}")
                continue
            try:
                place = kind.place(size, what)
            except OSError as error:
                failure = error
                continue
            why_not = why_unmappable(place, wanted)
            if not why_not:
                return place
            place.drop()
            reasons.append(f"{kind.name}: {why_not}")
        if failure is not None:
            raise failure
        raise OSError(errno.EINVAL, f"no place for {what}: {'; '.join(reasons)}")


@no_kernel("the checks of domains before memory is got")
def why_unsuited(kind: MemoryKind, attachments: Iterable[Attachment]) -> str:
    """Why devices cannot use a kind of memory at all; empty if they can."""
    for attachment in attachments:
        if kind.peer and not attachment.peer2peer:
            return f"{attachment.dev.name} takes no memory of a peer"
        why_not = attachment.dev.refuses((), kind.name)
        if why_not:
            return why_not
    return ""


@no_kernel("what dma_map_sgtable would say")
def why_unmappable(place: Place, attachments: Iterable[Attachment]) -> str:
    """Why devices cannot use a place; empty if they can."""
    answers = (one.dev.refuses(place.segments, place.kind.name) for one in attachments)
    return next((answer for answer in answers if answer), "")


class Storage:
    """One buffer's storage. Guarded by the buffer's reservation lock.

    Args:
        placement: where it may be.
        mover: what copies the bytes; without it a move takes no time.

    Attributes:
        place: where it is; None before it is first mapped or pinned.
        pins: how often it is pinned.
        is_revoked: nobody may map it any more.
        moves: how often it has moved.
    """

    __slots__ = ("is_revoked", "mover", "moves", "pins", "place", "placement")

    def __init__(self, placement: Placement, mover: Mover | None = None) -> None:
        self.placement = placement
        self.mover = mover
        self.place: Place | None = None
        self.pins = 0
        self.is_revoked = False
        self.moves = 0

    # -- what exporters' hooks do ----------------------------------------------------------------

    @no_kernel("an exporter's attach")
    def check_attach(self, attachment: Attachment) -> None:
        """Refuse a device that cannot reach the storage and that it cannot move for.

        Context: process, may sleep, lock not held. Moving is left to the first mapping.

        Raises:
            OSError: EBUSY; ENODEV if it was revoked.
        """
        with attachment.buf.resv:
            self._check_revoked(attachment.buf)
            if self.place is not None and not self._suits(attachment):
                self._check_free_to_move(attachment.buf)

    @no_kernel("ttm_bo_validate of what is nowhere yet")
    def validate(self, buf: DmaBuf) -> Place:
        """Where it is; placed now if nowhere yet. Context: process, lock held. Raises OSError."""
        assert_held(buf.resv.ww)
        self._check_revoked(buf)
        if self.place is None:
            self.place = self._chosen(buf, None)
        return self.place

    @no_kernel("an exporter's map_dma_buf")
    def map(self, attachment: Attachment, direction: Direction) -> SgTable:
        """A table for the device, after placing or moving the storage. Context: lock held.

        Raises:
            OSError: EBUSY, it would have to move and cannot; ENODEV, it was revoked; ENOMEM;
                EINVAL, no kind of memory suits.
        """
        buf = attachment.buf
        place = self.validate(buf)
        if not self._suits(attachment):
            self.migrate(buf)
            place = self.validate(buf)
        place.use()
        table = attachment.dev.map(place.segments, direction, place.kind.name)
        table.priv = place
        return table

    @no_kernel("an exporter's unmap_dma_buf")
    def unmap(self, table: SgTable) -> None:
        """The device uses the table no more. Context: lock held."""
        place = table.priv
        assert isinstance(place, Place)
        place.drop()

    @no_kernel("an exporter's pin")
    def pin(self, buf: DmaBuf) -> None:
        """Keep it where it is; it has a place from now on. Context: lock held. Raises OSError."""
        self.validate(buf)
        if any(not self._suits(one) for one in buf.attachments):
            self.migrate(buf)
        self.pins += 1

    @no_kernel("an exporter's unpin")
    def unpin(self, buf: DmaBuf) -> None:
        """Let it move again. Context: lock held."""
        assert_held(buf.resv.ww)
        assert self.pins > 0
        self.pins -= 1

    @no_kernel("an exporter's release")
    def release(self, buf: DmaBuf) -> None:
        """Give the memory back. Context: process, may sleep, lock not held."""
        with buf.resv:
            place, self.place = self.place, None
        if place is not None:
            place.drop()

    # -- moving ----------------------------------------------------------------------------------

    @no_kernel("ttm_bo_validate with another placement")
    def migrate(self, buf: DmaBuf, *, away: bool = False) -> None:
        """Move to a place that suits all devices. Context: process, may sleep, lock held.

        Importers are told, then all fences are waited for, also those that importers add when
        they are told. What is mapped keeps the old place until it is unmapped. What has no place
        yet stays so.

        Args:
            buf: the buffer.
            away: leave the present kind of memory, as an eviction does.

        Raises:
            OSError: EBUSY, something holds it; ENOMEM or EINVAL, nowhere to go. Nothing moved.
        """
        assert_held(buf.resv.ww)
        old = self.place
        if old is None:
            return
        self._check_free_to_move(buf)
        new = self._chosen(buf, old.kind if away else None)
        buf.invalidate_mappings()
        buf.resv.wait(Usage.BOOKKEEP, interruptible=False)
        try:
            if self.mover is not None:
                buf.resv.reserve_fences(1)
            self._copy(buf, old, new)
        except OSError:
            new.drop()
            raise
        self.place = new
        self.moves += 1
        old.drop()

    @no_kernel("ttm_bo_move_accel_cleanup, for a copy engine that is a task")
    def migrate_later(
        self, buf: DmaBuf, engine: Timeline, *, away: bool = False
    ) -> Callable[[], None]:
        """Decide to move; the bytes follow when the result is called. Context: process, lock held.

        Mappings are of the new place at once. Whoever makes one waits before using it for the
        fence of the move, which is in the reservation object as a KERNEL one.

        Args:
            buf: the buffer.
            engine: the copies' timeline.
            away: leave the present kind of memory, as an eviction does.

        Returns what the copy engine has to do without the lock: wait for all users, copy, signal.
        That is nothing if the buffer has no place yet.

        Raises:
            OSError: as `migrate`. Nothing moved.
        """
        assert_held(buf.resv.ww)
        old = self.place
        if old is None:
            return lambda: None
        self._check_free_to_move(buf)
        new = self._chosen(buf, old.kind if away else None)
        buf.invalidate_mappings()
        try:
            buf.resv.reserve_fences(1)
            users = buf.resv.get_fences(Usage.BOOKKEEP)
        except OSError:
            new.drop()
            raise
        move = buf.accesses.move()
        self.place = new
        self.moves += 1
        fence = engine.fence()
        buf.resv.add_fence(fence, Usage.KERNEL)

        def copy() -> None:
            for user in users:
                user.wait(interruptible=False)
                user.put()
            with move:
                pass
            old.drop()
            fence.signal()

        return copy

    def _copy(self, buf: DmaBuf, old: Place, new: Place) -> None:
        """Have the bytes moved; a device that does so keeps both places until it is done."""
        move = buf.accesses.move()
        fence: Fence | None = None
        try:
            fence = self.mover(old, new, move) if self.mover is not None else None
        finally:
            if fence is None:
                with move:
                    pass
        if fence is None:
            return
        old.use()
        if fence.add_callback(lambda _fence: old.drop()) is None:
            old.drop()
        buf.resv.add_fence(fence, Usage.KERNEL)

    @no_kernel("what a driver does when its device goes away")
    def revoke(self, buf: DmaBuf) -> None:
        """Take it from all importers, for good. Context: process, may sleep, lock not held.

        They are told, their fences are waited for, and then their unmapping: until then a device
        may use what it has mapped.
        """
        with buf.resv:
            self.is_revoked = True
            buf.invalidate_mappings()
            buf.resv.wait(Usage.BOOKKEEP, interruptible=False)
            place, self.place = self.place, None
        if place is not None:
            place.wait_unmapped()
            place.drop()

    # -- helpers ---------------------------------------------------------------------------------

    def _chosen(self, buf: DmaBuf, besides: MemoryKind | None) -> Place:
        return self.placement.choose(buf.size, buf.attachments, buf.label, besides)

    def _suits(self, attachment: Attachment) -> bool:
        place = self.place
        assert place is not None
        return not why_unsuited(place.kind, [attachment]) and not why_unmappable(
            place, [attachment]
        )

    def _check_free_to_move(self, buf: DmaBuf) -> None:
        """Raises OSError (EBUSY) if something keeps the storage where it is."""
        if self.pins:
            raise OSError(errno.EBUSY, f"{buf.label} is pinned")
        holders = [one.dev.name for one in buf.attachments if one.tables and not one.is_movable]
        if holders:
            raise OSError(errno.EBUSY, f"{buf.label} is mapped by {', '.join(holders)}")

    def _check_revoked(self, buf: DmaBuf) -> None:
        if self.is_revoked:
            raise OSError(errno.ENODEV, f"{buf.label} was revoked")
