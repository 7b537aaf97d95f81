"""What many tests begin with: a buffer, a fence that the test signals itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dmabuf.abi.dma_buf import DMA_BUF_SYNC_READ, DMA_BUF_SYNC_RW, DMA_BUF_SYNC_WRITE
from dmabuf.abi.vgem_drm import VGEM_FENCE_WRITE
from dmabuf.differences import DIFFERENCES, Kind
from tests.agreement.face import System
from tests.agreement.rows import ROWS

__all__ = [
    "PAGE",
    "READ",
    "RW",
    "WRITE",
    "Fence",
    "buffer",
    "differing",
    "fence",
    "is_signaled",
    "signaled",
]

PAGE = 4096
READ, WRITE, RW = DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW
_POLLIN = 1


class Fence(NamedTuple):
    """A sync_file on a fence of vgem, and how to signal it."""

    fd: int
    signal: Callable[[], None]


def buffer(system: System) -> int:
    """A dma-buf of one page without fences."""
    return system.heap_alloc(PAGE)


def fence(system: System) -> Fence:
    """A pending fence with a context of its own."""
    drm = system.vgem()
    handle, _ = system.dumb_create(drm, 8, 8)
    number = system.vgem_attach(drm, handle, VGEM_FENCE_WRITE)
    buf = system.prime_export(drm, handle)
    return Fence(system.export_sync_file(buf, RW), lambda: system.vgem_signal(drm, number))


def signaled(system: System) -> int:
    """A sync_file on a fence of vgem that has signalled."""
    made = fence(system)
    made.signal()
    return made.fd


def is_signaled(system: System, fd: int) -> bool:
    """Has the fence of a sync_file signalled?"""
    return system.poll(fd, _POLLIN) != 0


def differing(system: System, row: str, *, ours: Any, kernel: Any) -> Any:
    """What to expect where ours answers otherwise, as an entry of `differences` says.

    An entry that has become untrue fails here, because ours or the kernel no longer answers what
    is written; one whose two answers are the same fails too.
    """
    symbol = ROWS[row].difference
    entries = [one for one in DIFFERENCES if one.symbol == symbol]
    explained = [one for one in entries if one.kind is Kind.OTHERWISE or one.after == "6.12"]
    assert explained, f"{row} differs, and no entry of dmabuf.differences says why"
    assert ours != kernel, f"{row} does not differ any more: take {symbol} off the row"
    return ours if system.name == "ours" else kernel
