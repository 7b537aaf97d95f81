"""Allocation, reclaim, notifiers, user memory, pools: the search against the naive one.

Random straight-line programs over the memory world come to the same ends with and without
reduction, and a footprint that hides something is noticed.

`python -m tests.explore.test_reclaim_differential 10000` compares that many programs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from dmabuf import Machine, Shared
from dmabuf.mm.device_pages import DeviceMmu, DevicePages
from dmabuf.mm.fault import copy_from_user, copy_to_user, pagefault_disable
from dmabuf.mm.mempool import Element, Mempool
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, MmuNotifier, Range
from dmabuf.mm.page_alloc import Memory
from dmabuf.mm.reclaim import Kinds, reclaim
from dmabuf.mm.shrinker import Shrinker
from dmabuf.sync.gfp import Gfp
from tests.explore.comparison import Compared, compare, main, nothing, only_reads, weaken

EXECUTIONS = 2000
SHORT = 150
PROGRAMS = 40
_FLAGS = (Gfp.ATOMIC, Gfp.NOWAIT, Gfp.KERNEL | Gfp.NORETRY, Gfp.NOIO | Gfp.RETRY_MAYFAIL)


class _Listed(MmuNotifier):
    """Counts what it hears."""

    def __init__(self, heard: Shared[int]) -> None:
        self.heard = heard

    def invalidate_range_start(self, found: Range) -> bool:
        """Counted."""
        self.heard.add(1)
        return True


class _World:
    """The objects of one execution."""

    def __init__(self, machine: Machine, kind: str) -> None:
        chance = kind in ("chance", "both", "late")
        self.memory: Memory = machine.memory(
            pages=2 if kind == "counted" else None,
            pressure=1 if chance else 0,
            kswapd=kind in ("counted", "chance"),
        )
        self.heard, self.calls = Shared(0, "heard"), [0]
        self.pool = Mempool(1, "pool")
        self.mm = MmStruct("mm")
        self.listed = _Listed(self.heard)
        self.pages, self.mmu = DevicePages("pages"), DeviceMmu("gpu")
        self.vma: Any = None
        if kind in ("both", "calls"):
            self.shrinker = Shrinker("cache", lambda _sc: 1, self._scan)
        if kind in ("both", "interval", "listed", "pages"):
            self.vma = self.mm.mmap(0x1000, value="old")
            self.vma.populate()
            self.notifier = IntervalNotifier(self.mm, 0x1000, 0x1000, self._invalidate)
        if kind in ("both", "interval"):
            self.notifier.insert()

    def _scan(self, _control: Any) -> int:
        self.calls[0] += 1
        return 1

    def _invalidate(self, notifier: IntervalNotifier, found: Range, seq: int) -> bool:
        del found
        self.heard.add(10)
        notifier.set_seq(seq)
        return True

    @property
    def state(self) -> tuple[Any, ...]:
        """Whatever any of it holds."""
        subs, memory = self.mm.subscriptions, self.memory
        return (
            memory.free_pages,
            memory.pressure,
            self.calls,
            self.heard._value,
            self.pool.left,
            (subs.seq, subs.active, len(subs.intervals), len(subs.listed)),
            (self.pages.gone, len(self.pages.users), sorted(self.mmu.table.values())),
            self.vma and (self.vma.is_present, self.vma.value, self.vma.pins),
        )


def _sees(world: Any) -> Any:
    seq = world.notifier.read_begin()
    seen = world.heard.read()
    return seen, world.notifier.read_retry(seq)


def _reads_user(world: Any) -> Any:
    with pagefault_disable():
        return copy_from_user(world.vma)


def _access(world: Any) -> Any:
    with world.mmu.access(world.pages) as reached:
        return reached


def _takes_element(world: Any) -> Any:
    element = world.pool.alloc(Gfp.NOWAIT)
    return element and element.from_reserve


def _reclaims(world: Any, kinds: Kinds) -> Any:
    return reclaim(world.memory.rt, Gfp.KERNEL, kinds, world.memory.free)


OPERATIONS: dict[str, Any] = {
    "alloc": lambda w, x, y: w.memory.alloc(_FLAGS[x], y % 2),
    "insist": lambda w, x, y: w.memory.alloc(Gfp.KERNEL),
    "free": lambda w, x, y: w.memory.free(1),
    "take": lambda w, x, y: _takes_element(w),
    "give": lambda w, x, y: w.pool.free(Element(False)),
    "call": lambda w, x, y: _reclaims(w, Kinds.SLAB),
    "unregister": lambda w, x, y: w.shrinker.free(),
    "register": lambda w, x, y: bool(Shrinker("another", lambda _sc: 1, w._scan)),
    "reclaim": lambda w, x, y: _reclaims(w, Kinds.USER),
    "user read": lambda w, x, y: _reads_user(w),
    "user write": lambda w, x, y: copy_to_user(w.vma, y),
    "invalidate": lambda w, x, y: w.mm.invalidate(w.vma),
    "pin": lambda w, x, y: w.vma.pin(),
    "populate": lambda w, x, y: w.vma.populate(),
    "insert": lambda w, x, y: w.notifier.insert(),
    "remove": lambda w, x, y: w.notifier.remove(),
    "begin": lambda w, x, y: w.notifier.read_begin(),
    "retry": lambda w, x, y: w.notifier.read_retry(x),
    "sees": lambda w, x, y: _sees(w),
    "listed": lambda w, x, y: w.listed.register(w.mm),
    "unlisted": lambda w, x, y: w.listed.unregister(w.mm),
    "map": lambda w, x, y: w.mmu.map(w.pages),
    "unmap": lambda w, x, y: w.mmu.unmap(w.pages),
    "flush": lambda w, x, y: w.mmu.flush(),
    "access": lambda w, x, y: _access(w),
    "release": lambda w, x, y: w.pages.release(),
}
_OF = {
    "counted": ("alloc", "alloc", "free", "take", "give"),
    "chance": ("alloc", "alloc", "take", "give"),
    "both": ("alloc", "unregister", "sees", "register"),
    "late": ("insist", "register"),
    "calls": ("call", "call", "unregister", "register"),
    "interval": ("invalidate", "sees", "begin", "retry", "insert", "remove"),
    "listed": ("invalidate", "listed", "unlisted"),
    "pages": ("reclaim", "user read", "user write", "pin", "populate", "invalidate"),
    "device": ("map", "unmap", "flush", "access", "access", "release"),
}


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.kind = tuple(_OF)[seed % len(_OF)]
        most = {"device": 3, "both": 1}.get(self.kind, 2)
        self.tasks = [
            [(rng.choice(_OF[self.kind]), rng.randrange(4), rng.randrange(4)) for _ in range(count)]
            for count in [rng.randint(1, most) for _ in range(2 + (rng.random() < 0.1))]
        ]

    def _make_world(self, machine: Machine) -> _World:
        return _World(machine, self.kind)

    def _do(self, name: str, world: Any, arguments: Sequence[Any]) -> Any:
        try:
            return super()._do(name, world, arguments)
        except OSError as error:
            return error.errno


def no_lists(before: Any) -> Any:
    """An allocation claims that what can be reclaimed does not matter to it."""
    return lambda memory, task: tuple(
        touch for touch in before(memory, task) if touch[0] is not memory.lists
    )


WEAKENED = [
    pytest.param("memory.alloc", nothing, 63, id="an allocation touches nothing"),
    pytest.param("memory.alloc", only_reads, 81, id="an allocation reads only"),
    pytest.param("memory.alloc", no_lists, 75, id="an allocation reads no lists"),
    pytest.param("memory.free", nothing, 63, id="freeing touches nothing"),
    pytest.param("reclaimable.add", only_reads, 3, id="registering reads only"),
    pytest.param("reclaimable.drop", only_reads, 148, id="unregistering reads only"),
    pytest.param("reclaimable.look", nothing, 58, id="a pass reads nothing"),
    pytest.param("shrinker.get", nothing, 148, id="calling a shrinker touches nothing"),
    pytest.param("shrinker.free", only_reads, 40, id="freeing a shrinker reads only"),
    pytest.param("mmu_notifier.start", nothing, 23, id="invalidating touches nothing"),
    pytest.param("mmu_notifier.register", nothing, 87, id="a list notifier touches nothing"),
    pytest.param("mmu_interval.insert", nothing, 230, id="inserting touches nothing"),
    pytest.param("mmu_interval.remove", only_reads, 14, id="removing reads only"),
    pytest.param("mmu_interval.read_begin", nothing, 131, id="beginning touches nothing"),
    pytest.param("mmu_interval.set_seq", only_reads, 347, id="the sequence is read only"),
    pytest.param("mmu_interval.read_retry", nothing, 347, id="retrying touches nothing"),
    pytest.param("vma.unmap", only_reads, 232, id="unmapping reads only"),
    pytest.param("vma.populate", only_reads, 322, id="populating reads only"),
    pytest.param("vma.may_go", nothing, 142, id="reclaim does not look at a mapping"),
    pytest.param("vma.pin", only_reads, 142, id="pinning reads only"),
    pytest.param("vma.store", only_reads, 25, id="a store reads only"),
    pytest.param("mempool.take", only_reads, 288, id="taking an element reads only"),
    pytest.param("mempool.give", nothing, 288, id="giving an element back touches nothing"),
    pytest.param("device_mmu.map", only_reads, 53, id="mapping reads only"),
    pytest.param("device_mmu.unmap", nothing, 80, id="unmapping touches nothing"),
    pytest.param("device_mmu.access", nothing, 17, id="an access touches nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 20))
def test_reclaim_differential_same_outcomes_as_naive_search(start: int) -> None:
    """No engine that proves loses an outcome or a finding on random programs of the world."""
    results = [compare(Program(seed), SHORT) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 10


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "seed"), WEAKENED)
def test_reclaim_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, how: Any, seed: int
) -> None:
    """A footprint that hides what the step reads or changes loses outcomes, and that shows."""
    weaken(monkeypatch, name, how)

    assert compare(Program(seed), SHORT) not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), EXECUTIONS))
