"""Footprints of the memory world, step by step: small programs that notice what a step hides.

The random programs of `test_reclaim_differential` reach few of the steps that end something (a
call, a wait, a round of kswapd). Here is a program for each, with few schedules: the reduced search
comes to the ends of naive search, and no longer does when a step hides what it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmabuf.explore.portfolio import DPOR
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Machine
from dmabuf.mm.device_pages import DeviceMmu, DevicePages
from dmabuf.mm.fault import copy_from_user, copy_to_user
from dmabuf.mm.mempool import Element, Mempool
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, MmuNotifier, Range
from dmabuf.mm.reclaim import Kinds, reclaim
from dmabuf.mm.shrinker import Shrinker
from dmabuf.sync.gfp import Gfp
from tests.explore.comparison import nothing, only_reads, weaken

Said = list[object]
Program = Callable[[Machine, Said], None]


def ends(program: Program, engine: str = "", *, sleep: bool = True) -> set[object]:
    """What the tasks of a program said in each schedule, and what was found."""
    found: set[object] = set()
    said: Said = []

    def design(machine: Machine) -> None:
        said.clear()
        program(machine, said)

    def complete(_rt: Any, _strategy: Any) -> None:
        found.add(tuple(sorted(map(str, said))))

    budget = Budget(seconds=None, executions=5000)
    search = Search(design, budget, sleep=sleep, engine=engine, on_complete=complete)
    search.run()
    assert not search.limit
    return found | {repr(key) for key in search.cases}


# -- the programs ------------------------------------------------------------------------------


def use_and_free(machine: Machine, _said: Said) -> None:
    """A device uses pages that somebody frees."""
    pages = DevicePages("pages")

    def use() -> None:
        with pages.device_access():
            pass

    machine.kthread(use, "device")
    machine.kthread(pages.release, "free")


def free_and_have_again(machine: Machine, _said: Said) -> None:
    """Pages that are gone come back, and a device uses them."""
    pages = DevicePages("pages")
    pages.release()

    def use() -> None:
        with pages.device_access():
            pass

    machine.kthread(pages.populate, "populate")
    machine.kthread(use, "device")


def translate_and_flush(machine: Machine, said: Said) -> None:
    """A device finds a translation in its cache until that is flushed."""
    pages, mmu = DevicePages("pages"), DeviceMmu("gpu")
    mmu.map(pages)
    mmu.unmap(pages)

    def use() -> None:
        with mmu.access(pages) as reached:
            said.append(reached)

    machine.kthread(mmu.flush, "flush")
    machine.kthread(use, "device")


def rounds_of_kswapd(machine: Machine, said: Said) -> None:
    """Whoever wakes it again while it goes round has it go round once more."""
    memory = machine.memory()
    Shrinker("cache", lambda _control: 1, lambda _control: said.append("round") or 0)
    assert memory.kswapd is not None
    machine.kthread(memory.kswapd.wake, "one")
    machine.kthread(memory.kswapd.wake, "two")


def elements(machine: Machine, said: Said) -> None:
    """A pool has one element: who waits for it, who only asks, who gives it back."""
    machine.memory(pages=0, pressure=0, kswapd=False)
    pool = Mempool(1, "pool")
    pool.left = 0

    def waits() -> None:
        said.append(("waits", pool.alloc(Gfp.NOIO) is not None))

    def asks() -> None:
        said.append(("asks", pool.alloc(Gfp.NOWAIT) is not None))

    machine.kthread(asks, "asks")
    machine.kthread(waits, "waits")
    machine.kthread(lambda: pool.free(Element(True)), "gives")


class Told(MmuNotifier):
    """Says when it was called. No step does, so that only its own calls are in order."""

    def __init__(self, heard: list[int]) -> None:
        self.heard = heard

    def invalidate_range_start(self, found: Range) -> bool:
        """One call."""
        del found
        self.heard.append(1)
        return True


def unregister_a_notifier(machine: Machine, said: Said) -> None:
    """When it is unregistered no call is under way any more."""
    mm, heard = MmStruct("mm"), list[int]()
    vma, notifier = mm.mmap(0x1000), Told(heard)
    notifier.register(mm)

    def drop() -> None:
        notifier.unregister(mm)
        said.append(("dropped", len(heard)))

    machine.kthread(lambda: mm.invalidate(vma), "invalidate")
    machine.kthread(drop, "drop")


def unregister_a_shrinker(machine: Machine, said: Said) -> None:
    """When it is unregistered no call is under way any more."""
    heard = list[int]()
    shrinker = Shrinker("cache", lambda _control: 1, lambda _control: heard.append(1) or 0)

    def free() -> None:
        shrinker.free()
        said.append(("freed", len(heard)))

    def call() -> None:
        reclaim(machine.rt, Gfp.KERNEL, Kinds.SLAB, lambda _pages: None)

    machine.kthread(call, "reclaim")
    machine.kthread(free, "free")


def begin_to_look(machine: Machine, said: Said) -> None:
    """Who begins to look at a range waits for its invalidation to end."""
    mm, heard = MmStruct("mm"), list[int]()
    vma = mm.mmap(0x1000)

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        heard.append(1)
        return True

    notifier = IntervalNotifier(mm, 0x1000, 0x1000, invalidate)
    notifier.insert()

    def look() -> None:
        seq = notifier.read_begin()
        seen = len(heard)
        said.append((seen, notifier.read_retry(seq)))

    machine.kthread(lambda: mm.invalidate(vma), "invalidate")
    machine.kthread(look, "look")


def read_and_write(machine: Machine, said: Said) -> None:
    """User memory is read while somebody writes it."""
    vma = MmStruct("mm").mmap(0x1000, value="old")
    vma.populate()
    machine.kthread(lambda: copy_to_user(vma, "new"), "writes")
    machine.kthread(lambda: said.append(copy_from_user(vma)), "reads")


PROGRAMS: dict[str, Program] = {
    program.__name__: program
    for program in (
        use_and_free,
        free_and_have_again,
        translate_and_flush,
        rounds_of_kswapd,
        elements,
        unregister_a_notifier,
        unregister_a_shrinker,
        begin_to_look,
        read_and_write,
    )
}
NOTICED = [
    ("device_pages.begin", "use_and_free", nothing),
    ("device_pages.end", "use_and_free", nothing),
    ("device_pages.take", "use_and_free", nothing),
    ("device_pages.return", "free_and_have_again", nothing),
    ("device_mmu.flush", "translate_and_flush", nothing),
    ("device_mmu.flush", "translate_and_flush", only_reads),
    ("kswapd.wake", "rounds_of_kswapd", nothing),
    ("kswapd.sleep", "rounds_of_kswapd", nothing),
    ("mempool.give", "elements", nothing),
    ("mmu_interval.read_begin", "begin_to_look", nothing),
    ("mmu_interval.set_seq", "begin_to_look", nothing),
    ("mmu_interval.set_seq", "begin_to_look", only_reads),
    ("mmu_interval.read_retry", "begin_to_look", nothing),
    ("vma.store", "read_and_write", nothing),
    ("vma.store", "read_and_write", only_reads),
]
"""Operation, program, and what it hides.

No program can notice it of steps that lie between two of the same task on the same object, as
`mmu_notifier.list` and `leave` do, nor of waits whose guard says it all (`synchronize`,
`shrinker.wait`, `mempool.wait`).
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_small_program_has_all_its_ends(name: str) -> None:
    """The reduced search comes to what naive search comes to."""
    naive = ends(PROGRAMS[name], sleep=False)

    assert naive == ends(PROGRAMS[name], DPOR) == ends(PROGRAMS[name])
    assert 1 < len(naive)


@pytest.mark.parametrize(
    ("op", "name", "how"),
    [pytest.param(*one, id=f"{one[0]}-{one[2].__name__}-{one[1]}") for one in NOTICED],
)
def test_small_program_notices_what_a_step_hides(
    monkeypatch: pytest.MonkeyPatch, op: str, name: str, how: Any
) -> None:
    """With a weakened footprint an end is lost."""
    naive = ends(PROGRAMS[name], sleep=False)

    weaken(monkeypatch, op, how)

    assert naive != ends(PROGRAMS[name], DPOR)
