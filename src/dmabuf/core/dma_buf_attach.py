"""A device attached to a buffer: pinning, mapping, detaching.

Mirrors: include/linux/dma-buf.h (struct dma_buf_attachment)

    with buf.resv:
        table = attachment.map(Direction.TO_DEVICE)     # buf.attach(device) made the attachment
        ...
        attachment.unmap(table)

An importer without operations of its own is static: its mappings never move, so the exporter's
storage is pinned around each. A dynamic one is told of moves instead, and maps anew.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.dma_buf_convention import check_call
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.core.resv import Usage
from dmabuf.errors import Unwind
from dmabuf.sync.context import might_sleep, warn_on

if TYPE_CHECKING:
    from dmabuf.core.access import Span
    from dmabuf.core.dma_buf import DmaBuf
    from dmabuf.core.dma_buf_ops import AttachOps

__all__ = ["Attachment"]

_WAYS = (Direction.TO_DEVICE, Direction.FROM_DEVICE)


@kernel("struct dma_buf_attachment")
class Attachment:
    """One device's use of one buffer; made by `DmaBuf.attach`.

    Attributes:
        buf: the buffer.
        dev: the device.
        importer_ops: what a dynamic importer supplies; None for a static one.
        importer_priv: the importer's own.
        priv: the exporter's own.
        tables: the mappings that there are; guarded by the buffer's lock, as is `pins`.
        pins: how often the importer has pinned the storage.
        is_attached: false once it was detached.
    """

    __slots__ = (
        "__weakref__",
        "buf",
        "dev",
        "importer_ops",
        "importer_priv",
        "is_attached",
        "pins",
        "priv",
        "tables",
    )

    def __init__(
        self, buf: DmaBuf, dev: Device, importer_ops: AttachOps | None, importer_priv: object
    ) -> None:
        self.buf = buf
        self.dev = dev
        self.importer_ops = importer_ops
        self.importer_priv = importer_priv
        self.priv: Any = None
        self.tables: list[SgTable] = []
        self.pins = 0
        self.is_attached = True

    @property
    @kernel("dma_buf_attachment_is_dynamic")
    def is_dynamic(self) -> bool:
        """Did the importer bring operations of its own? Then it waits for fences itself."""
        return self.importer_ops is not None

    @property
    @no_kernel("importer_ops->invalidate_mappings is there")
    def is_movable(self) -> bool:
        """Can the importer be told that its mappings are void?"""
        ops = self.importer_ops
        return ops is not None and ops.invalidate_mappings is not None

    @property
    @no_kernel("peer2peer, a member of struct dma_buf_attachment")
    def peer2peer(self) -> bool:
        """Can the importer use memory of another device?"""
        return self.importer_ops is not None and self.importer_ops.allow_peer2peer

    @property
    @no_kernel("dma_buf_pin_on_map, a static function there")
    def pins_on_map(self) -> bool:
        """Is storage that could move pinned around each mapping, since the importer is static?"""
        return self.buf.is_dynamic and not self.is_dynamic

    # -- pinning ---------------------------------------------------------------------------------

    @kernel("dma_buf_pin", context="process")
    def pin(self) -> None:
        """Keep the storage where it is, in a place that suits. Context: process, lock held.

        For scanout and the like. A static importer has no business here: it warns (DF004).

        Raises:
            OSError: what the exporter answers.
        """
        self._enter("dma_buf_pin")
        self._warn_if_static("pins")
        if self.buf.ops.pin is not None:
            self._call("pin", self)
        self.pins += 1

    @kernel("dma_buf_unpin", context="process")
    def unpin(self) -> None:
        """Let the storage move again. Context: process, lock held.

        Raises:
            ContractViolation: DF004, it has not pinned it.
        """
        self._enter("dma_buf_unpin")
        self._warn_if_static("unpins")
        if not self.pins:
            self._misused("unpins", "which it has not pinned")
        self.pins -= 1
        if self.buf.ops.unpin is not None:
            self._call("unpin", self)

    def _warn_if_static(self, does: str) -> None:
        if not self.is_dynamic:
            rt = self.buf.rt
            label = self.buf.label
            warn_on(rt, f"{rt.current().name} {does} {label} through a static attachment")

    # -- mapping ---------------------------------------------------------------------------------

    @kernel("dma_buf_map_attachment", context="process")
    def map(self, direction: Direction) -> SgTable:
        """Tell the device where the buffer is. Context: process, may sleep, lock held.

        For a static importer this pins the storage and waits for KERNEL fences; a dynamic one
        has to wait for them before it uses the table.

        Raises:
            OSError: what the exporter answers; ENOMEM if it answers nothing.
            Interrupted: a signal came while it waited; nothing is mapped.
        """
        might_sleep(f"mapping {self.buf.label}", runtime=self.buf.rt)
        self._enter("dma_buf_map_attachment")
        if self.pins_on_map:
            self._call("pin", self)
        try:
            table = self._mapped(direction)
        except Unwind:
            raise
        except BaseException:
            if self.pins_on_map:
                self._call("unpin", self)
            raise
        self.tables.append(table)
        self.buf.accesses.mapped(table)
        return table

    def _mapped(self, direction: Direction) -> SgTable:
        """A table of the exporter's; for a static importer it may be used at once."""
        table: SgTable | None = self._call("map_dma_buf", self, direction)
        if table is None:
            raise OSError(errno.ENOMEM, f"{self.buf.label} could not be mapped")
        if self.is_dynamic:
            return table
        try:
            self.buf.resv.wait(Usage.KERNEL)
        except Unwind:
            raise
        except BaseException:
            self._call("unmap_dma_buf", self, table)
            raise
        return table

    @kernel("dma_buf_unmap_attachment", context="process")
    def unmap(self, table: SgTable) -> None:
        """Give a table back: the device uses it no more. Context: process, lock held.

        Raises:
            ContractViolation: DF004, it is none of this attachment's tables.
        """
        might_sleep(f"unmapping {self.buf.label}", runtime=self.buf.rt)
        self._enter("dma_buf_unmap_attachment")
        found = next((n for n, one in enumerate(self.tables) if one is table), -1)
        if found < 0:
            self._misused("unmaps", "which it has not mapped so")
        del self.tables[found]
        self.buf.accesses.unmapped(table)
        self._call("unmap_dma_buf", self, table)
        if self.pins_on_map:
            self._call("unpin", self)

    @kernel("dma_buf_map_attachment_unlocked", context="process")
    def map_unlocked(self, direction: Direction) -> SgTable:
        """As `map`, taking the lock itself. Context: process, may sleep, lock not held."""
        check_call("dma_buf_map_attachment_unlocked", self.buf.resv, self.buf.label)
        with self.buf.resv:
            return self.map(direction)

    @kernel("dma_buf_unmap_attachment_unlocked", context="process")
    def unmap_unlocked(self, table: SgTable) -> None:
        """As `unmap`, taking the lock itself. Context: process, may sleep, lock not held."""
        check_call("dma_buf_unmap_attachment_unlocked", self.buf.resv, self.buf.label)
        with self.buf.resv:
            self.unmap(table)

    @no_kernel("what a device does by itself")
    def device_access(
        self, table: SgTable, *, write: bool = False, offset: int = 0, length: int | None = None
    ) -> Span:
        """An access of the device through a mapping, for a with-block. Context: any.

        What it overlaps is DF604, a mapping that is not good any more or not yet is DF603.

        Args:
            table: what `map` gave.
            write: it writes; else it reads.
            offset: the first byte.
            length: how many; up to the end if not given.
        """
        if table.direction not in (Direction.BIDIRECTIONAL, _WAYS[write]):
            does = "writes" if write else "reads"
            rt = self.buf.rt
            what = (
                f"{self.dev.name} {does} {self.buf.label}, which is mapped {table.direction.name}"
            )
            warn_on(rt, f"{rt.current().name}: {what}")
        return self.buf.accesses.device(write=write, offset=offset, length=length, table=table)

    # -- the end ---------------------------------------------------------------------------------

    @kernel("dma_buf_detach", context="process")
    def detach(self) -> None:
        """End the device's use of the buffer. Context: process, may sleep, lock not held.

        Warns (DF004) if it still has mappings or pins.
        """
        buf = self.buf
        check_call("dma_buf_detach", buf.resv, buf.label)
        buf.check_use("detaches from")
        with buf.resv:
            self._check_attached()
            self._warn_if_unbalanced()
            self.is_attached = False
            del buf.attachments[self]
        if buf.ops.detach is not None:
            buf.call("detach", buf, self)

    def _warn_if_unbalanced(self) -> None:
        left: list[str] = []
        if self.tables:
            left.append(f"{len(self.tables)} mappings")
        if self.pins:
            left.append(f"{self.pins} pins")
        if left:
            rt = self.buf.rt
            who = f"{rt.current().name} detaches {self.dev.name} from {self.buf.label}"
            warn_on(rt, f"{who}, which it has {' and '.join(left)} of")

    # -- checks ----------------------------------------------------------------------------------

    def _enter(self, symbol: str) -> None:
        """What every call with the lock begins with."""
        buf = self.buf
        check_call(symbol, buf.resv, buf.label)
        buf.check_use(f"calls {symbol} of")
        self._check_attached()

    def _check_attached(self) -> None:
        if not self.is_attached:
            self._misused("uses its attachment to", "from which it was detached")

    def _misused(self, does: str, why: str) -> None:
        rt = self.buf.rt
        who = f"{rt.current().name} for {self.dev.name}"
        rt.report("DF004", f"{who} {does} {self.buf.label}, {why}")

    def _call(self, member: str, *args: Any) -> Any:
        return self.buf.call(member, *args)

    def __repr__(self) -> str:
        kind = "dynamic" if self.is_dynamic else "static"
        return f"<Attachment {kind} {self.dev.name} to {self.buf.label}>"
