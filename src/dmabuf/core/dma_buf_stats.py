"""What there is of buffers: for each one, and for each exporter.

Mirrors: drivers/dma-buf/dma-buf.c (dma_buf_debug_show)

    >>> told = statistics()
    >>> sum(one.bytes for one in told.exporters.values()) == sum(b.size for b in told.buffers)
    True

As the kernel's bufinfo does, this looks at one buffer after the other, each under its lock: what
is told is right for each, not for all at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmabuf._names import no_kernel
from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_steps import FILE, LOOK, BufferList
from dmabuf.core.resv import Usage
from dmabuf.core.resv_iter import ResvIter
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime

__all__ = [
    "BufferStatistics",
    "ExporterStatistics",
    "Statistics",
    "buffer_statistics",
    "statistics",
]


@dataclass(frozen=True, slots=True)
class BufferStatistics:
    """One buffer.

    Attributes:
        name: the user's; empty without one.
        exp_name: the exporter's.
        ino: its inode's number.
        size: bytes.
        references: without that of whoever asks.
        devices: names of those attached, in order of attaching.
        mappings: tables that devices have.
        pins: of dynamic importers.
        vmaps: of the kernel.
        fences: pending ones by usage.
    """

    name: str
    exp_name: str
    ino: int
    size: int
    references: int
    devices: tuple[str, ...]
    mappings: int
    pins: int
    vmaps: int
    fences: dict[Usage, int]


@dataclass(frozen=True, slots=True)
class ExporterStatistics:
    """All buffers of an exporter.

    Attributes:
        buffers: how many.
        bytes: of all.
        attachments: to all.
    """

    buffers: int
    bytes: int
    attachments: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """All buffers of a runtime.

    Attributes:
        buffers: in order of their inodes.
        exporters: by the exporter's name, in alphabetical order.
    """

    buffers: tuple[BufferStatistics, ...]
    exporters: dict[str, ExporterStatistics]


@no_kernel("the body of the loop in dma_buf_debug_show")
def buffer_statistics(buf: DmaBuf, *, own: int = 0) -> BufferStatistics:
    """What there is of one buffer. Context: process, may sleep, lock not held.

    Args:
        buf: the buffer.
        own: how many references are the caller's, and not told.
    """
    rt = buf.rt
    buf.check_use("asks about")
    with buf.resv:
        rt.step(FILE, buf)
        name, count = rt.current().value
        return BufferStatistics(
            name=name,
            exp_name=buf.exp_name,
            ino=buf.file.ino,
            size=buf.size,
            references=count - own,
            devices=tuple(one.dev.name for one in buf.attachments),
            mappings=sum(len(one.tables) for one in buf.attachments),
            pins=sum(one.pins for one in buf.attachments),
            vmaps=buf.vmap_count,
            fences=_pending(buf),
        )


def _pending(buf: DmaBuf) -> dict[Usage, int]:
    """Pending fences by usage."""
    counts = dict.fromkeys(Usage, 0)
    with ResvIter(buf.resv, Usage.BOOKKEEP) as cursor:
        for fence in cursor.locked():
            if not fence.is_signaled():
                counts[cursor.fence_usage] += 1
    return counts


@no_kernel("dma_buf_debug_show, a static function there")
def statistics(*, rt: Runtime | None = None) -> Statistics:
    """What there is of all buffers, and of each exporter. Context: process, may sleep.

    Args:
        rt: whose buffers; those of the ambient runtime if not given.
    """
    rt = rt or ambient()
    rt.step(LOOK, BufferList.of(rt))
    found: list[DmaBuf] = rt.current().value
    told: list[BufferStatistics] = []
    for buf in found:
        told.append(buffer_statistics(buf, own=1))
        buf.put()
    return Statistics(tuple(told), _by_exporter(told))


def _by_exporter(told: list[BufferStatistics]) -> dict[str, ExporterStatistics]:
    sums: dict[str, list[int]] = {}
    for one in told:
        entry = sums.setdefault(one.exp_name, [0, 0, 0])
        for index, more in enumerate((1, one.size, len(one.devices))):
            entry[index] += more
    return {name: ExporterStatistics(*sums[name]) for name in sorted(sums)}
