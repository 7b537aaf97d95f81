"""Devices that do DMA: what they can address, and the tables that tell them where memory is.

Mirrors: include/linux/dma-direction.h, include/linux/dma-mapping.h, include/linux/scatterlist.h

    >>> camera = Device("camera", dma_bits=32, contiguous=True)
    >>> scattered = (Segment(0x1000, 4096), Segment(0x9000, 4096))
    >>> camera.refuses(scattered)
    'camera needs one segment, not 2'
    >>> table = Device("gpu").map(scattered, Direction.TO_DEVICE)
    >>> table.size, table.direction.name
    (8192, 'TO_DEVICE')
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Iterable
from dataclasses import dataclass

from dmabuf._names import kernel, no_kernel
from dmabuf.abi.dma_buf import DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE

__all__ = ["PAGE_SIZE", "Access", "Device", "Direction", "Segment", "SgTable", "checked_access"]

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT


@kernel("enum dma_data_direction")
class Direction(enum.IntEnum):
    """Which way the data of a mapping goes."""

    BIDIRECTIONAL = 0
    TO_DEVICE = 1
    FROM_DEVICE = 2
    NONE = 3

    @property
    @no_kernel("the test in __dma_buf_begin_cpu_access")
    def is_cpu_write(self) -> bool:
        """Does a CPU access of that direction write what a device reads?"""
        return self in (Direction.BIDIRECTIONAL, Direction.TO_DEVICE)


class Access(enum.IntFlag):
    """What an access does to a buffer, in the numbers of the uAPI."""

    READ = DMA_BUF_SYNC_READ
    WRITE = DMA_BUF_SYNC_WRITE

    @property
    @no_kernel("the switch in dma_buf_ioctl")
    def direction(self) -> Direction:
        """The direction that the CPU's access is for. Raises OSError (EINVAL)."""
        access = checked_access(self)
        return _DIRECTIONS[int(access)]


_BOTH = int(Access.READ | Access.WRITE)
_DIRECTIONS = {
    int(Access.READ): Direction.FROM_DEVICE,
    int(Access.WRITE): Direction.TO_DEVICE,
    _BOTH: Direction.BIDIRECTIONAL,
}


@no_kernel("the checks of flags in dma_buf_ioctl")
def checked_access(access: int) -> Access:
    """Reading, writing or both. Raises OSError (EINVAL) for neither and for anything else."""
    if access & ~_BOTH or not access & _BOTH:
        raise OSError(errno.EINVAL, f"an access reads, writes or does both, it is not {access:#x}")
    return Access(access)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of addresses that a device sees as one.

    Attributes:
        address: the first one.
        length: how many bytes.
    """

    address: int
    length: int

    @property
    @no_kernel("sg_dma_address plus sg_dma_len")
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.length


@kernel("struct sg_table")
class SgTable:
    """Where a buffer is for one device: what a mapping gives and unmapping takes back.

    Args:
        segments: in the order of the buffer's bytes.
        direction: which way data may go.

    Attributes:
        priv: the exporter's own.
        maps: how many mappings use it; `generation` says of which place (see `core.access`).
    """

    __slots__ = ("direction", "generation", "maps", "priv", "segments")

    def __init__(
        self,
        segments: Iterable[Segment],
        direction: Direction = Direction.BIDIRECTIONAL,
        priv: object = None,
    ) -> None:
        self.segments = tuple(segments)
        self.direction = direction
        self.priv = priv
        self.maps = 0
        self.generation: int | None = None

    @property
    @no_kernel("the sum of sg_dma_len")
    def size(self) -> int:
        """Bytes in all segments."""
        return sum(segment.length for segment in self.segments)

    def __repr__(self) -> str:
        runs = ", ".join(f"{one.address:#x}+{one.length:#x}" for one in self.segments)
        return f"<SgTable {self.direction.name} {runs}>"


@kernel("struct device")
class Device:
    """A device and what it demands of memory.

    Args:
        name: for reports.
        dma_bits: how many address bits it has.
        max_segments: how many segments a mapping may have, 0 for any number.
        max_segment_size: bytes of the largest segment, 0 for any.
        contiguous: it has no scatter-gather: one segment.
        reaches: names of the kinds of memory it reaches; None for all.
    """

    __slots__ = (
        "contiguous",
        "dma_mask",
        "max_segment_size",
        "max_segments",
        "name",
        "reaches",
    )

    def __init__(
        self,
        name: str,
        *,
        dma_bits: int = 64,
        max_segments: int = 0,
        max_segment_size: int = 0,
        contiguous: bool = False,
        reaches: Iterable[str] | None = None,
    ) -> None:
        if not 1 <= dma_bits <= 64:
            raise ValueError(f"a device has 1 to 64 address bits, not {dma_bits}")
        if max_segments < 0 or max_segment_size < 0 or max_segment_size % PAGE_SIZE:
            raise ValueError("a limit of segments is 0 or positive, that of a size whole pages")
        self.name = name
        self.dma_mask = (1 << dma_bits) - 1
        self.max_segments = 1 if contiguous else max_segments
        self.max_segment_size = max_segment_size
        self.contiguous = contiguous
        self.reaches = None if reaches is None else frozenset(reaches)

    @no_kernel("what a DMA mapping does to adjacent pages")
    def joined(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """The same memory in the fewest segments that this device takes, in order."""
        found: list[Segment] = []
        limit = self.max_segment_size
        for segment in segments:
            last = found[-1] if found else None
            if last is not None and last.end == segment.address:
                segment = Segment(found.pop().address, last.length + segment.length)  # noqa: PLW2901
            while limit and segment.length > limit:
                found.append(Segment(segment.address, limit))
                segment = Segment(segment.address + limit, segment.length - limit)  # noqa: PLW2901
            found.append(segment)
        return tuple(found)

    @no_kernel("the reasons for which a DMA mapping fails")
    def refuses(self, segments: Iterable[Segment], kind: str = "") -> str:
        """Why it cannot use memory that is there; empty if it can.

        Args:
            segments: where the memory is.
            kind: what memory it is, empty for what every device reaches.
        """
        if kind and self.reaches is not None and kind not in self.reaches:
            return f"{self.name} does not reach {kind}"
        joined = self.joined(segments)
        last = max((segment.end for segment in joined), default=0)
        if last > self.dma_mask + 1:
            return f"{self.name} addresses up to {self.dma_mask:#x}, not {last - 1:#x}"
        if self.contiguous and len(joined) > 1:
            return f"{self.name} needs one segment, not {len(joined)}"
        if self.max_segments and len(joined) > self.max_segments:
            return f"{self.name} takes {self.max_segments} segments, not {len(joined)}"
        return ""

    @no_kernel("dma_map_sgtable, which changes the table it is given")
    def map(self, segments: Iterable[Segment], direction: Direction, kind: str = "") -> SgTable:
        """A table for this device. Context: any. Raises OSError (EIO) if it cannot use it."""
        runs = tuple(segments)
        why_not = self.refuses(runs, kind)
        if why_not:
            raise OSError(errno.EIO, why_not)
        return SgTable(self.joined(runs), direction)

    def __repr__(self) -> str:
        return f"<Device {self.name}>"
