"""dma_buf and its storage: the search against the naive one.

Random straight-line programs over buffers, attachments, names, references, places and moves come
to the same ends and the same findings with and without reduction, and a footprint that hides
something is noticed by the program beside it.

`python -m tests.explore.test_dma_buf_differential 10000` compares that many programs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dmabuf import Machine, Timeline
from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_ops import AttachOps, DmaBufOps
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_buf_stats import statistics
from dmabuf.core.dma_buf_steps import FILE
from dmabuf.core.dma_map import PAGE_SIZE, Access, Device, Direction, SgTable
from dmabuf.core.fd_table import FdTable
from dmabuf.core.resv import Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.errors import Interrupted
from tests.explore.comparison import (
    Compared,
    compare,
    main,
    nothing,
    only_first,
    only_reads,
    weaken,
)

SHORT = 500
PROGRAMS = 60

Operation = Callable[["_World"], Any]


class _Plain(DmaBufOps):
    """The least that an exporter has."""

    def map_dma_buf(self, attachment: Any, direction: Direction) -> SgTable:
        """An empty table."""
        return SgTable((), direction)

    def unmap_dma_buf(self, attachment: Any, table: SgTable) -> None:
        """Nothing to undo."""

    def release(self, buf: DmaBuf) -> None:
        """Nothing to free."""


class _Importer(AttachOps):
    """A dynamic importer that unmaps when told."""

    def invalidate_mappings(self, attachment: Any) -> None:
        """Unmap."""
        for table in tuple(attachment.tables):
            attachment.unmap(table)


class _World:
    """The objects of one execution: a buffer that can move, with one device, and a fence."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.kinds = [MemoryKind(name, 2 * PAGE_SIZE) for name in ("a", "b")]
        self.frame = MigratingExporter("frame", PAGE_SIZE, self.kinds)
        self.buf = self.frame.buf
        self.gpu = self.buf.attach(Device("gpu"), _Importer())
        self.fence = Timeline("gpu").fence()
        self.place = self.kinds[0].place(1, "spare")
        self.files = FdTable(limit=3)
        self.second = export(_Plain(), 1, priv=1, name="second")
        self.files.install(self.files.get_unused(), self.second)
        self.files.get_unused()
        self.made: list[Any] = []

    @property
    def state(self) -> tuple[Any, ...]:
        """Where the buffer is, who has it, and what memory is free."""
        storage = self.frame.storage
        return (
            self.buf.file.count,
            self.buf.file.user_name,
            len(self.buf.attachments),
            sorted(one.exp_name for one in self.buf.buffers.buffers.values()),
            storage.place.name if storage.place is not None else None,
            (storage.moves, storage.is_revoked),
            [kind.runs for kind in self.kinds],
            self.place.users,
            sorted(self.files.files),
            sorted(self.files.cloexec),
            str(self.buf.resv.ww.owner),
        )


def _answer(call: Callable[[], Any]) -> Any:
    """What it returns, or the errno."""
    try:
        return call()
    except Interrupted:
        return "interrupted"
    except OSError as error:
        return error.errno


def _map(world: _World) -> Any:
    return _answer(lambda: world.gpu.map_unlocked(Direction.TO_DEVICE).priv.name)


def _map_and_unmap(world: _World) -> Any:
    def both() -> None:
        with world.buf.resv:
            world.gpu.unmap(world.gpu.map(Direction.TO_DEVICE))

    return _answer(both)


def _device(world: _World) -> Any:
    """Map and use; what is used may have moved meanwhile."""
    try:
        table = world.gpu.map_unlocked(Direction.BIDIRECTIONAL)
    except OSError as error:
        return error.errno
    with world.gpu.device_access(table, write=True):
        return "used"


def _pin(world: _World) -> Any:
    with world.buf.resv:
        return _answer(world.gpu.pin)


def _look(_world: _World) -> Any:
    return [(one.name, one.exp_name, one.references) for one in statistics().buffers]


def _count(world: _World) -> Any:
    world.buf.rt.step(FILE, world.buf)
    return world.buf.rt.current().value[1]


def _cpu(world: _World) -> Any:
    return _answer(lambda: world.buf.begin_cpu_access(Direction.FROM_DEVICE))


def _import(world: _World) -> None:
    world.buf.import_sync_file(SyncFile(world.fence), Access.WRITE)


def _add_kernel(world: _World) -> None:
    with world.buf.resv as resv:
        resv.reserve_fences(1)
        resv.add_fence(world.fence, Usage.KERNEL)


def _fget(world: _World) -> Any:
    """What is behind the first number, looked at and put."""

    def look() -> Any:
        file = world.files.fget(0)
        file.put()
        return file.label

    return _answer(look)


def _reserve(world: _World) -> Any:
    return _answer(world.files.get_unused)


def _fd(world: _World) -> Any:
    """A descriptor of another buffer."""

    def make() -> int:
        number = world.files.get_unused()
        world.files.install(number, export(_Plain(), 1, priv=1, name="third"))
        return number

    return _answer(make)


OPERATIONS: dict[str, Operation] = {
    "get": lambda w: w.buf.get() is w.buf,
    "put": lambda w: w.buf.put(),
    "use": lambda w: w.buf.check_use("uses"),
    "name": lambda w: w.buf.name,
    "rename": lambda w: w.buf.set_name("other"),
    "rename again": lambda w: w.buf.set_name("third"),
    "export": lambda w: w.made.append(export(_Plain(), 1, priv=1, exp_name="made")),
    "look": _look,
    "count": _count,
    "attach": lambda w: _answer(lambda: w.buf.attach(Device("late")).dev.name),
    "map": _map,
    "map and unmap": _map_and_unmap,
    "device": _device,
    "pin": _pin,
    "evict": lambda w: _answer(w.frame.evict),
    "revoke": lambda w: w.frame.revoke(),
    "cpu": _cpu,
    "import": _import,
    "kernel fence": _add_kernel,
    "file": lambda w: w.buf.export_sync_file(Access.READ).fence.name,
    "signal": lambda w: w.fence.signal(),
    "interrupt": lambda w: w.machine.rt.interrupt(w.tasks[0]),
    "fget": _fget,
    "fd": _fd,
    "reserve": _reserve,
    "unreserve": lambda w: w.files.put_unused(1),
    "install": lambda w: w.files.install(1, w.second),
    "fget second": lambda w: _answer(lambda: w.files.fget(1).label),
    "close": lambda w: _answer(lambda: w.files.close(0)),
    "take": lambda w: _answer(lambda: w.kinds[0].place(1).segments[0].address),
    "use place": lambda w: w.place.use(),
    "drop place": lambda w: w.place.drop(),
    "wait for place": lambda w: w.place.wait_unmapped(),
}

_FAMILIES = (
    ("get", "put", "use", "count", "look", "export", "attach"),
    ("name", "rename", "look", "get"),
    ("map", "map and unmap", "device", "evict", "pin", "revoke", "attach"),
    ("cpu", "import", "kernel fence", "file", "signal", "evict", "map"),
    ("fget", "fd", "reserve", "close", "get", "put"),
    ("take", "use place", "drop place", "wait for place", "map", "evict"),
)


class Program(Compared):
    """A design: tasks of named operations."""

    operations = OPERATIONS

    def __init__(self, tasks: Sequence[Sequence[str]]) -> None:
        self.tasks = [[(name,) for name in names] for names in tasks]

    @classmethod
    def random(cls, seed: int) -> Program:
        """The same one for the same seed."""
        rng = random.Random(seed)
        families = [rng.choice(_FAMILIES)] * 2 + [rng.choice(_FAMILIES)]
        count = 2 + (rng.random() < 0.2)
        return cls([[rng.choice(f) for _ in range(rng.randint(1, 2))] for f in families[:count]])

    def _make_world(self, machine: Machine) -> _World:
        return _World(machine)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 20))
def test_dma_buf_differential_same_outcomes_as_naive_search(start: int) -> None:
    """Sleep sets lose no outcome and no finding on random programs over these objects."""
    results = [compare(Program.random(seed), SHORT) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 14


# -- weakened footprints -------------------------------------------------------------------------


WEAKENED = [
    pytest.param("dma_buf.use", nothing, ["use"], ["put"], id="use sees nothing"),
    pytest.param("dma_buf.get", only_reads, ["get"], ["count"], id="get reads only"),
    pytest.param("dma_buf.put", only_reads, ["put"], ["use"], id="put reads only"),
    pytest.param("dma_buf.put", only_first, ["put"], ["use"], id="the last put ends no use"),
    pytest.param("dma_buf.rename", only_reads, ["rename"], ["name"], id="rename reads only"),
    pytest.param("dma_buf.file", nothing, ["name"], ["rename"], id="the name is not read"),
    pytest.param("dma_buf.add", nothing, ["export"], ["look"], id="export enters no list"),
    pytest.param(
        "dma_buf.look", only_reads, ["look"], ["export"], id="a look commutes with export"
    ),
    pytest.param("dma_buf.look", only_first, ["look"], ["count"], id="a look takes no references"),
    pytest.param(
        "fd_table.unused", only_reads, ["reserve"], ["reserve"], id="reserving reads only"
    ),
    pytest.param("fd_table.install", only_reads, ["install"], ["fget second"], id="blind install"),
    pytest.param("fd_table.fget", nothing, ["fget"], ["close"], id="looking up is blind"),
    pytest.param("fd_table.close", only_reads, ["close"], ["fget"], id="closing reads only"),
    pytest.param(
        "memory_kind.take", only_reads, ["take"], ["take", "take"], id="taking reads only"
    ),
    pytest.param("place.use", only_reads, ["use place"], ["wait for place"], id="use reads only"),
    pytest.param(
        "place.drop", only_reads, ["drop place"], ["drop place"], id="dropping reads only"
    ),
    pytest.param("place.drop", only_first, ["drop place"], ["take"], id="dropping gives nothing"),
    pytest.param("place.wait", nothing, ["wait for place"], ["use place"], id="waiting is blind"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "one", "other"), WEAKENED)
def test_dma_buf_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, how: Any, one: list[str], other: list[str]
) -> None:
    """The two tasks come to fewer ends, whichever of them starts, unless the footprint is whole."""
    programs = [Program([one, other]), Program([other, one])]
    whole = [compare(program, SHORT) for program in programs]
    weaken(monkeypatch, name, how)

    weak = [compare(program, SHORT) for program in programs]

    assert ["same", "same"] == whole
    assert set(weak) - {"same", "capped"}


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program.random(seed), 1500))
