"""Buffers: what a call costs, and a hundred thousand of them.

    python benchmarks/objects.py [--json] [--check] [--count 100000]

Each stage does one thing to `count` buffers: export, attach, map, unmap, detach, put. Growth is
processor nanoseconds a buffer against a tenth of them (1.0 is linear); what is left is memory in
use after the last put, as a share of the most.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_buf_stats import statistics
from dmabuf.core.dma_map import PAGE_SIZE, Device, Direction, SgTable
from dmabuf.drivers.exporter import MigratingExporter

COUNT = 100_000
GROWTH_MAX = 1.6
LEFT_MAX = 0.02


@dataclass
class Crowd:
    """So many buffers, each with a device."""

    count: int
    buffers: list[DmaBuf] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    tables: list[SgTable] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = MemoryKind("system", self.count * PAGE_SIZE, contiguous=False)
        self.gpu = Device("gpu")

    def export(self) -> None:
        """Of an exporter that can move its storage."""
        for _ in range(self.count):
            self.buffers.append(MigratingExporter("frame", PAGE_SIZE, [self.memory]).buf)

    def attach(self) -> None:
        """One static importer each."""
        self.attachments = [buf.attach(self.gpu) for buf in self.buffers]

    def map(self) -> None:
        """Place, pin and map."""
        way = Direction.TO_DEVICE
        self.tables = [one.map_unlocked(way) for one in self.attachments]

    def look(self) -> None:
        """What statistics tell of all."""
        assert len(statistics().buffers) == self.count

    def unmap(self) -> None:
        """Unmap and unpin."""
        for attachment, table in zip(self.attachments, self.tables, strict=True):
            attachment.unmap_unlocked(table)
        self.tables.clear()

    def detach(self) -> None:
        """The device goes."""
        for attachment in self.attachments:
            attachment.detach()
        self.attachments.clear()

    def put(self) -> None:
        """The last reference."""
        for buf in self.buffers:
            buf.put()
        self.buffers.clear()
        assert self.memory.free_pages == self.count


def stages(crowd: Crowd) -> dict[str, Callable[[], None]]:
    """In this order."""
    names = ("export", "attach", "map", "look", "unmap", "detach", "put")
    return {name: getattr(crowd, name) for name in names}


def nanoseconds(count: int) -> dict[str, float]:
    """Of each stage, a buffer; collector off."""
    found: dict[str, float] = {}
    gc.disable()
    try:
        for name, stage in stages(Crowd(count)).items():
            started = time.process_time_ns()
            stage()
            found[name] = (time.process_time_ns() - started) / count
    finally:
        gc.enable()
        gc.collect()
    return found


def memory(count: int) -> tuple[float, float]:
    """Bytes a buffer at the most, and what share of them is left at the end."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for stage in stages(Crowd(count)).values():
        stage()
    gc.collect()
    after, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (most - before) / count, (after - before) / (most - before)


def measure(count: int) -> dict[str, dict[str, float]]:
    """Rows by stage, and one for all."""
    nanoseconds(max(count // 100, 10))  # warm
    few = [nanoseconds(count // 10) for _ in range(3)]
    many = [nanoseconds(count) for _ in range(2)]
    rows: dict[str, dict[str, float]] = {}
    for name in few[0]:
        one, other = (min(run[name] for run in runs) for runs in (few, many))
        rows[name] = {"ns": other, "growth": other / one}
    each, left = memory(count // 10)
    total_few, total_many = (min(sum(run.values()) for run in runs) for runs in (few, many))
    rows["all"] = {"ns": total_many, "growth": total_many / total_few}
    rows["all"] |= {"bytes each": each, "left": left}
    return rows


def main() -> int:
    """Measure and print; 1 if a limit is missed and --check was given."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="exit 1 if a limit is missed")
    parser.add_argument("--count", type=int, default=COUNT)
    args = parser.parse_args()
    rows = measure(args.count)
    if args.json:
        json.dump({"python": platform.python_version(), "rows": rows}, sys.stdout, indent=1)
        print()
    else:
        print(f"Python {platform.python_version()}, {args.count:,} buffers")
        for name, row in rows.items():
            print(f"{name:<8}" + "  ".join(f"{key} {value:,.2f}" for key, value in row.items()))
    whole = rows["all"]
    missed = whole["growth"] > GROWTH_MAX or whole["left"] > LEFT_MAX
    return int(args.check and missed)


if __name__ == "__main__":
    sys.exit(main())
