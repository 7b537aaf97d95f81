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
from tests.explore.comparison import Compared, compare, main

EXECUTIONS = 2000
SHORT = 400
PROGRAMS = 60
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
        self.memory: Memory = machine.memory(
            pages=2 if kind == "counted" else None,
            pressure={"counted": 0, "chance": 1, "twice": 2}.get(kind, 0),
        )
        self.cache = Shared(1, "cache")
        self.heard = Shared(0, "heard")
        self.pool = Mempool(1, "pool")
        self.mm = MmStruct("mm")
        self.listed = _Listed(self.heard)
        self.pages, self.mmu = DevicePages("pages"), DeviceMmu("gpu")
        self.vma: Any = None
        if kind in ("chance", "twice", "cache"):
            self.shrinker = Shrinker("cache", lambda _sc: self.cache.read(), self._scan)
        if kind in ("user", "twice", "cache"):
            self.vma = self.mm.mmap(0x1000, value="old")
            self.vma.populate()
            self.notifier = IntervalNotifier(self.mm, 0x1000, 0x1000, self._invalidate)
            if kind != "user":
                self.notifier.insert()

    def _scan(self, _control: Any) -> int:
        return self.cache.exchange(0)

    def _invalidate(self, notifier: IntervalNotifier, found: Range, seq: int) -> bool:
        del found
        notifier.set_seq(seq)
        self.heard.add(10)
        return True

    @property
    def state(self) -> tuple[Any, ...]:
        """Whatever any of it holds."""
        subs, memory = self.mm.subscriptions, self.memory
        return (
            memory.free_pages,
            memory.pressure,
            self.cache._value,
            self.heard._value,
            self.pool.left,
            (subs.seq, subs.active, len(subs.intervals), len(subs.listed)),
            (self.pages.gone, len(self.pages.users), sorted(self.mmu.table.values())),
            self.vma and (self.vma.is_present, self.vma.value, self.vma.pins),
            memory.kswapd.is_wanted,
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


OPERATIONS: dict[str, Any] = {
    "alloc": lambda w, x, y: w.memory.alloc(_FLAGS[x], y % 2),
    "free": lambda w, x, y: w.memory.free(1),
    "cache": lambda w, x, y: w.cache.write(y),
    "take": lambda w, x, y: _takes_element(w),
    "give": lambda w, x, y: w.pool.free(Element(False)),
    "unregister": lambda w, x, y: w.shrinker.free(),
    "reclaim": lambda w, x, y: reclaim(
        w.memory.rt, Gfp.KERNEL, (Kinds.ALL, Kinds.USER, Kinds.SLAB, Kinds.USER)[x], w.memory.free
    ),
    "user read": lambda w, x, y: _reads_user(w),
    "user write": lambda w, x, y: copy_to_user(w.vma, y),
    "munmap": lambda w, x, y: w.mm.munmap(w.vma),
    "pin": lambda w, x, y: w.vma.pin(),
    "populate": lambda w, x, y: w.vma.populate(),
    "insert": lambda w, x, y: w.notifier.insert(),
    "remove": lambda w, x, y: w.notifier.remove(),
    "sees": lambda w, x, y: _sees(w),
    "listed": lambda w, x, y: w.listed.register(w.mm),
    "map": lambda w, x, y: w.mmu.map(w.pages),
    "unmap": lambda w, x, y: w.mmu.unmap(w.pages),
    "flush": lambda w, x, y: w.mmu.flush(),
    "access": lambda w, x, y: _access(w),
    "release": lambda w, x, y: w.pages.release(),
}
_OF = {
    "counted": ("alloc", "alloc", "free", "take", "give"),
    "chance": ("alloc", "alloc", "cache", "take", "give", "unregister"),
    "twice": ("alloc", "alloc", "sees"),
    "cache": ("reclaim", "reclaim", "cache", "unregister", "sees"),
    "user": ("munmap", "reclaim", "user read", "user write", "pin", "populate", "sees", "listed"),
    "device": ("map", "unmap", "flush", "access", "access", "release"),
}


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.kind = tuple(_OF)[seed % len(_OF)]
        most = {"device": 3, "twice": 1}.get(self.kind, 2)
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


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), EXECUTIONS))
