"""Who holds the reservation lock in which call and callback: one table, checked everywhere.

Mirrors: drivers/dma-buf/dma-buf.c (DOC: locking convention)

    >>> CONVENTION["dma_buf_pin"].locked, CONVENTION["ops.release"].locked
    (True, False)

Exporters and importers are written by different people. Without a common convention one locks
where the other has locked already, or nobody does.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.sync.context import warn_on
from dmabuf.sync.lockdep import lock_is_held

if TYPE_CHECKING:
    from dmabuf.core.resv import Resv

__all__ = ["CONVENTION", "Row", "Side", "check_call", "check_callback"]


class Side(enum.Enum):
    """Whose row it is."""

    IMPORTER = "an importer calls"
    CALLBACK = "the core calls back"
    EXPORTER = "an exporter calls"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the convention.

    Attributes:
        symbol: the kernel function, or "ops." and the member that is called back.
        side: who calls.
        locked: the reservation lock is held there; else it is not.
    """

    symbol: str
    side: Side
    locked: bool


_LOCKED_CALLS = (
    "dma_buf_pin",
    "dma_buf_unpin",
    "dma_buf_map_attachment",
    "dma_buf_unmap_attachment",
    "dma_buf_vmap",
    "dma_buf_vunmap",
)
_UNLOCKED_CALLS = (
    "dma_buf_attach",
    "dma_buf_dynamic_attach",
    "dma_buf_detach",
    "dma_buf_export",
    "dma_buf_fd",
    "dma_buf_get",
    "dma_buf_put",
    "dma_buf_mmap",
    "dma_buf_begin_cpu_access",
    "dma_buf_end_cpu_access",
    "dma_buf_map_attachment_unlocked",
    "dma_buf_unmap_attachment_unlocked",
    "dma_buf_vmap_unlocked",
    "dma_buf_vunmap_unlocked",
)
_LOCKED_CALLBACKS = ("pin", "unpin", "map_dma_buf", "unmap_dma_buf", "vmap", "vunmap")
_UNLOCKED_CALLBACKS = (
    "attach",
    "detach",
    "release",
    "begin_cpu_access",
    "end_cpu_access",
    "mmap",
)

CONVENTION: dict[str, Row] = {
    row.symbol: row
    for row in (
        *(Row(symbol, Side.IMPORTER, True) for symbol in _LOCKED_CALLS),
        *(Row(symbol, Side.IMPORTER, False) for symbol in _UNLOCKED_CALLS),
        *(Row(f"ops.{member}", Side.CALLBACK, True) for member in _LOCKED_CALLBACKS),
        *(Row(f"ops.{member}", Side.CALLBACK, False) for member in _UNLOCKED_CALLBACKS),
        Row("dma_buf_invalidate_mappings", Side.EXPORTER, True),
    )
}
"""Every row by symbol."""


@no_kernel("dma_resv_assert_held and might_lock where they stand in dma-buf.c")
def check_call(symbol: str, resv: Resv, what: str) -> None:
    """Warn (DF207) unless the caller holds the lock as the convention says. Context: any.

    Args:
        symbol: the row's.
        resv: whose lock it is about.
        what: the buffer's name, for the message.
    """
    locked = CONVENTION[symbol].locked
    if bool(lock_is_held(resv.ww)) is not locked:
        rt = resv.rt
        how = "without" if locked else "with"
        message = f"{rt.current().name} calls {symbol} of {what} {how} its reservation lock held"
        warn_on(rt, message, code="DF207")


@no_kernel("nothing checks this in the kernel")
def check_callback(member: str, resv: Resv, what: str) -> None:
    """Warn (DF207) if an exporter's hook returns with the lock otherwise than it was called."""
    locked = CONVENTION[f"ops.{member}"].locked
    if bool(lock_is_held(resv.ww)) is not locked:
        rt = resv.rt
        did = "unlocks" if locked else "returns with"
        message = f"the exporter's {member} of {what} {did} the reservation lock"
        warn_on(rt, message, code="DF207")
