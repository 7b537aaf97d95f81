"""Memory, memfds and udmabufs: the search against the naive one.

Random straight-line programs over the bytes of non-coherent memory, and over memfds and buffers
made of them, come to the same ends with and without reduction, and a footprint that hides
something is noticed.

`python -m tests.explore.test_memory_differential 10000` compares that many programs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from dmabuf import Machine
from dmabuf.core.dma_buf_memory import backing_of
from dmabuf.core.memfd import F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE, MemFd
from dmabuf.core.memory import Memory
from dmabuf.core.pages import PAGE_SIZE as PAGE
from dmabuf.core.udmabuf import Item, udmabuf_create_list
from tests.explore.comparison import Compared, compare, main, nothing, only_reads, weaken

EXECUTIONS = 1500
SHORT = 600
PROGRAMS = 60
RW = 3


class _World:
    """The objects of one execution."""

    def __init__(self) -> None:
        self.memory = Memory(PAGE, "frame", coherent=False)
        self.files = [MemFd(PAGE, "a"), MemFd(PAGE, "b"), MemFd(PAGE, "c")]
        for file in self.files[::2]:
            file.add_seals(F_SEAL_SHRINK)
        self.buf = udmabuf_create_list([Item(self.files[2], 0, PAGE)])

    @property
    def state(self) -> tuple[Any, ...]:
        """All bytes that anybody may have written, and the seals."""
        memory = self.memory
        frame = None
        if memory._pages is not None:
            frame = memory._cpu.read(0, 4), memory._pages.read(0, 4)
        files = [(one.file.read(0, 4), one.file.seals, one.file.pins) for one in self.files]
        return frame, tuple(files)


def _makes(world: Any, x: int, y: int) -> Any:
    items = [Item(world.files[x % 2], 0, PAGE), Item(world.files[y % 2], 0, PAGE)]
    buf = udmabuf_create_list(items)
    found = backing_of(buf).memory.read(0, 2)
    buf.put()
    return found


def _through_buffer(world: Any, x: int, y: int) -> None:
    backing_of(world.buf).memory.write(x % 2, bytes([y + 1]))


def _closes(world: Any, x: int, _y: int) -> None:
    if not x:
        world.memory.close()


def _views(world: Any, x: int, _y: int) -> Any:
    with world.memory.view(1 + x % 2) as view:
        return bytes(view[:3])


OPERATIONS: dict[str, Any] = {
    "read": lambda w, x, y: w.memory.read(x, 2),
    "write": lambda w, x, y: w.memory.write(x, bytes([10 + y])),
    "device read": lambda w, x, y: w.memory.device_read(x, 2),
    "device write": lambda w, x, y: w.memory.device_write(x, bytes([20 + y])),
    "begin": lambda w, x, y: w.memory.begin_cpu_access(RW),
    "end": lambda w, x, y: w.memory.end_cpu_access(RW),
    "view": _views,
    "close": _closes,
    "file read": lambda w, x, y: w.files[x].read(0, 3),
    "file write": lambda w, x, y: w.files[x].write(x % 2, bytes([30 + y])),
    "shared read": lambda w, x, y: w.files[2].read(x % 2, 2),
    "shared write": lambda w, x, y: w.files[2].write(x % 2, bytes([40 + y])),
    "seal": lambda w, x, y: w.files[x % 2].add_seals((F_SEAL_SHRINK, F_SEAL_GROW)[y % 2]),
    "seal write": lambda w, x, y: w.files[x % 2].add_seals(F_SEAL_WRITE),
    "close file": lambda w, x, y: w.files[x % 2].close(),
    "make": _makes,
    "buffer read": lambda w, x, y: backing_of(w.buf).memory.read(x % 2, 2),
    "buffer write": _through_buffer,
}

_BYTES = ("read", "write", "device read", "device write", "begin", "end", "view", "close")
_FILES = ("file read", "file write", "seal", "seal write", "close file", "make")
_SHARED = ("shared read", "shared write", "buffer read", "buffer write", "make")


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        names = rng.choice((_BYTES, _BYTES, _FILES, _SHARED))
        self.tasks = [
            [(rng.choice(names), rng.randrange(3), rng.randrange(4)) for _ in range(count)]
            for count in [rng.randint(1, 3) for _ in range(2 + (rng.random() < 0.3))]
        ]

    def _make_world(self, machine: Machine) -> _World:
        del machine
        return _World()

    def _do(self, name: str, world: Any, arguments: Sequence[Any]) -> Any:
        try:
            return super()._do(name, world, arguments)
        except OSError as error:
            return error.errno


WEAKENED = [
    pytest.param("memory.read", nothing, 0, id="the CPU's load touches nothing"),
    pytest.param("memory.write", only_reads, 0, id="the CPU's store reads only"),
    pytest.param("memory.device_read", nothing, 18, id="a device's load touches nothing"),
    pytest.param("memory.device_write", only_reads, 15, id="a device's store reads only"),
    pytest.param("memory.sync", only_reads, 10, id="a bracket reads only"),
    pytest.param("memory.view", nothing, 19, id="a view touches nothing"),
    pytest.param("memory.close", only_reads, 74, id="closing reads only"),
    pytest.param("memfd.ask", nothing, 7, id="asking a memfd touches nothing"),
    pytest.param("memfd.change", only_reads, 16, id="changing a memfd reads only"),
    pytest.param("memfd.close", only_reads, 7, id="closing a memfd reads only"),
    pytest.param("udmabuf.pin", nothing, 131, id="pinning touches nothing"),
    pytest.param("udmabuf.unpin", nothing, 131, id="unpinning touches nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 20))
def test_memory_differential_same_outcomes_as_naive_search(start: int) -> None:
    """Sleep sets lose no outcome and no finding on random programs over these objects."""
    results = [compare(Program(seed), SHORT) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 10


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "seed"), WEAKENED)
def test_memory_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, how: Any, seed: int
) -> None:
    """A footprint that hides what the step reads or changes loses outcomes, and that shows."""
    weaken(monkeypatch, name, how)

    assert compare(Program(seed), SHORT) not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), EXECUTIONS))
