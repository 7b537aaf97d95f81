"""Buffers' bytes beside a plain memfd with mmap: made, viewed, bracketed; and nothing is left.

    python benchmarks/memory.py [--json] [--check]

Microseconds each. `plain` is a memfd, sized, mapped and closed by hand; `Memory` also seals it and
counts its views; a heap's buffer is exported, with references and a reservation object. Explored
there is no system call at all. Last, 100,000 buffers are made and released, after which the
process holds as many descriptors, mappings and objects as before.
"""

from __future__ import annotations

import gc
import mmap
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from _measure import Must, finish, medians, options

from dmabuf import Access, Machine, check_design, design
from dmabuf.core.heap import SystemHeap
from dmabuf.core.memory import Memory

ROUNDS = 15
CALLS = 400
SIZE = 4096
LARGE = 1 << 20
BUFFERS = 100_000
BLOCKS_LEFT_MAX = 200

heap = SystemHeap()
loose = SystemHeap(coherent=False)
frame, cached = heap.alloc(LARGE), loose.alloc(LARGE)
memory = Memory(SIZE)
by_hand = mmap.mmap(-1, SIZE)


def plain_alloc() -> None:
    fd = os.memfd_create("plain")
    os.ftruncate(fd, SIZE)
    mmap.mmap(fd, SIZE).close()
    os.close(fd)


def plain_view() -> None:
    memoryview(by_hand)[8:16].release()


def plain_copy() -> None:
    by_hand[8:16] = by_hand[:8]


def ours_alloc() -> None:
    Memory(SIZE).close()


def ours_view() -> None:
    memory.view(offset=8, length=8).release()


def ours_copy() -> None:
    memory.write(8, memory.read(0, 8))


def heap_alloc() -> None:
    heap.alloc(SIZE).put()


def heap_bracket() -> None:
    with frame.cpu_access(Access.WRITE) as view:
        view[0] = 1


def cached_bracket() -> None:
    with cached.cpu_access(Access.WRITE) as view:
        view[0] = 1


def microseconds(call: Callable[[], None]) -> Callable[[], float]:
    """The mean of some calls."""

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        return (time.perf_counter() - started) / CALLS * 1e6

    return measure


def explored_alloc() -> float:
    """As `Memory` of a design costs."""
    spent: list[float] = []

    @design
    def allocates(machine: Machine) -> None:
        del machine
        started = time.perf_counter()
        for _ in range(CALLS):
            Memory(SIZE)
        spent.append((time.perf_counter() - started) / CALLS * 1e6)

    check_design(allocates, "allocates")
    return spent[0]


def held() -> tuple[int, int]:
    """Descriptors and mappings of this process."""
    maps = Path("/proc/self/maps").read_text().count("dmabuf:")
    return len(list(Path("/proc/self/fd").iterdir())), maps


def left_over() -> tuple[int, int]:
    """Objects, and descriptors or mappings, that many buffers leave behind."""
    use_buffers(100)
    gc.collect()
    before, blocks = held(), sys.getallocatedblocks()
    use_buffers(BUFFERS)
    gc.collect()
    left = sys.getallocatedblocks() - blocks
    return left, sum(abs(now - then) for now, then in zip(held(), before, strict=True))


def use_buffers(count: int) -> None:
    """Make, write and release them one by one."""
    for _ in range(count):
        buf = heap.alloc(SIZE)
        with buf.cpu_access(Access.WRITE) as view:
            view[0] = 1
        buf.put()


def main() -> int:
    """Measure everything and print it."""
    args = options(__doc__ or "")
    candidates = {
        "plain|alloc": microseconds(plain_alloc),
        "plain|view": microseconds(plain_view),
        "plain|copy": microseconds(plain_copy),
        "Memory|alloc": microseconds(ours_alloc),
        "Memory|view": microseconds(ours_view),
        "Memory|copy": microseconds(ours_copy),
        "explored|alloc": explored_alloc,
        "heap|alloc": microseconds(heap_alloc),
        "heap|bracket": microseconds(heap_bracket),
        "not coherent, 1 MiB|bracket": microseconds(cached_bracket),
    }
    rows: dict[str, dict[str, float]] = {}
    for name, value in medians(candidates, rounds=ROUNDS).items():
        who, column = name.split("|")
        rows.setdefault(who, {})[column] = value
    left, still_held = left_over()
    rows["left of 10^5 buffers"] = {"objects": left, "descriptors": still_held}
    plain = rows["plain"]
    musts = [
        Must("Memory to a plain memfd", plain["alloc"] / rows["Memory"]["alloc"], 0.1),
        Must("heap buffer to a plain memfd", plain["alloc"] / rows["heap"]["alloc"], 0.05),
        Must("explored memory to a plain memfd", plain["alloc"] / rows["explored"]["alloc"], 0.4),
        Must("bracket to making a plain memfd", plain["alloc"] / rows["heap"]["bracket"], 0.08),
        Must("objects left: 200 over them", BLOCKS_LEFT_MAX / max(left, 1), 1),
        Must("no descriptor or mapping left", float(not still_held), 1),
    ]
    return finish(args, rows, "us each", musts)


if __name__ == "__main__":
    raise SystemExit(main())
