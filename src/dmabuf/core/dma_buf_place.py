"""Where storage can be: kinds of memory, and the places that buffers have in them.

Mirrors: include/drm/ttm/ttm_resource.h (as far as a place goes)

    >>> vram = MemoryKind("vram", 16 * PAGE_SIZE, base=0x1_0000_0000, peer=True)
    >>> place = vram.place(2 * PAGE_SIZE)
    >>> place.segments
    (Segment(address=4294967296, length=8192),)
    >>> place.drop(); vram.free_pages
    16

A place is given back when nobody has it any more: neither the buffer, which has one at a time,
nor a mapping, which may still name the place before the last move.
"""

from __future__ import annotations

import errno
from bisect import bisect_left
from typing import Any

from dmabuf._names import no_kernel
from dmabuf.core.dma_map import PAGE_SIZE, Segment
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.context import might_sleep

__all__ = ["MemoryKind", "Place"]

Run = tuple[int, int]
"""First piece and how many."""


def _take(kind: MemoryKind, task: Task) -> tuple[Run, ...]:
    """So many pieces, in one run if the kind is of one piece; nothing if they are not there."""
    wanted: int = task.arg
    taken: list[Run] = []
    for index, (start, count) in enumerate(kind.runs):
        if kind.contiguous and count < wanted:
            continue
        part = min(count, wanted)
        taken.append((start, part))
        wanted -= part
        if not wanted:
            rest = [] if part == count else [(start + part, count - part)]
            first = index if kind.contiguous else 0
            kind.runs[first : index + 1] = rest
            return tuple(taken)
    return ()


def _give(kind: MemoryKind, runs: tuple[Run, ...]) -> None:
    """Take runs back, joining neighbours."""
    for run in runs:
        at = bisect_left(kind.runs, run)
        kind.runs.insert(at, run)
        for left in (at, at - 1):
            if 0 <= left < len(kind.runs) - 1:
                (start, count), (after, more) = kind.runs[left : left + 2]
                if start + count == after:
                    kind.runs[left : left + 2] = [(start, count + more)]


def _use(place: Place, _task: Task) -> None:
    place.users += 1


def _drop(place: Place, _task: Task) -> int:
    """One user less; the last one gives the memory back. Returns how many there were."""
    before = place.users
    if before:
        place.users = before - 1
    if before == 1:
        _give(place.kind, place.runs)
    return before


def _drop_touches(place: Place, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((place, WRITE), (place.kind, WRITE)) if place.users == 1 else ((place, WRITE),)


TAKE = Op("memory_kind.take", action=_take, says="takes memory of {}")
USE = Op("place.use", action=_use, says="maps {}")
DROP = Op("place.drop", action=_drop, touches=_drop_touches, wakes=True, says="lets go of {}")
WAIT = Op(
    "place.wait",
    guard=lambda place, _task: place.users <= 1,
    access=READ,
    says="waits for {} to be unmapped",
)


class MemoryKind:
    """A kind of memory with its addresses: system memory, a carveout, a card's own.

    Args:
        name: what devices call it when they say what they reach.
        size: bytes, whole pages.
        base: its first address.
        contiguous: every place is one segment; else none are adjacent.
        peer: it is a device's, which importers must be able to deal with (peer to peer).
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        runs: the free pieces, as (first, count), in order.
    """

    __slots__ = ("__weakref__", "base", "contiguous", "name", "peer", "rt", "runs", "size")

    def __init__(
        self,
        name: str,
        size: int,
        *,
        base: int = 0x1000_0000,
        contiguous: bool = True,
        peer: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"memory has whole pages, not {size} bytes")
        self.name = name
        self.size = size
        self.base = base
        self.contiguous = contiguous
        self.peer = peer
        self.runs: list[Run] = [(0, size // PAGE_SIZE)]
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @property
    @no_kernel("for tests and statistics, without a step")
    def free_pages(self) -> int:
        """How many pages nobody has."""
        return sum(count for _start, count in self.runs)

    @no_kernel("ttm_resource_alloc")
    def place(self, size: int, what: str = "") -> Place:
        """Memory for a buffer. Context: process.

        Raises:
            OSError: ENOMEM, there is not so much, or not in one piece.
        """
        might_sleep(f"taking memory of {self.name}", runtime=self.rt)
        pages = max(1, -(-size // PAGE_SIZE))
        self.rt.step(TAKE, self, pages)
        runs: tuple[Run, ...] = self.rt.current().value
        if not runs:
            raise OSError(errno.ENOMEM, f"{self.name} has no {pages} pages")
        return Place(self, runs, what)

    @no_kernel("what a run of pieces is as addresses")
    def segments(self, runs: tuple[Run, ...]) -> tuple[Segment, ...]:
        """Where the pieces are: side by side, or with gaps between them."""
        page = PAGE_SIZE
        if self.contiguous:
            return tuple(Segment(self.base + start * page, n * page) for start, n in runs)
        return tuple(
            Segment(self.base + 2 * piece * page, page)
            for start, n in runs
            for piece in range(start, start + n)
        )

    def __repr__(self) -> str:
        return f"<MemoryKind {self.name}, {self.free_pages} pages free>"


class Place:
    """Memory that a buffer has.

    Attributes:
        kind: what memory it is.
        segments: where.
        users: the buffer, and each mapping.
    """

    __slots__ = ("__weakref__", "kind", "name", "runs", "segments", "users")

    def __init__(self, kind: MemoryKind, runs: tuple[Run, ...], what: str = "") -> None:
        self.kind = kind
        self.runs = runs
        self.segments = kind.segments(runs)
        self.users = 1
        self.name = f"{what or 'place'} in {kind.name}"
        kind.rt.adopt(self, self.name)

    @no_kernel("a mapping keeps its pages")
    def use(self) -> None:
        """One user more. Context: any."""
        self.kind.rt.step(USE, self)

    @no_kernel("ttm_resource_free, when the last one goes")
    def drop(self) -> None:
        """One user less. Context: any. Reports (DF004) one too many."""
        rt = self.kind.rt
        rt.step(DROP, self)
        if not rt.current().value:
            rt.report("DF004", f"{rt.current().name} lets go of {self.name}, which is free already")

    @no_kernel("the completion that a revoking exporter waits for")
    def wait_unmapped(self) -> None:
        """Wait until only the buffer has it. Context: process, may sleep."""
        rt = self.kind.rt
        might_sleep(f"waiting for {self.name}", runtime=rt)
        rt.step(WAIT, self)

    def __repr__(self) -> str:
        return f"<Place {self.name} with {self.users} users>"
