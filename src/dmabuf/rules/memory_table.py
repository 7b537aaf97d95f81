"""What may be allocated on the way to a signal, depending on who waits in reclaim: a table.

And what has been proposed instead of the rules DF301 and DF302, each with its verdict. The cells
are designs that are explored; `tools/memory_table.py` writes the page, a test compares.

    >>> WAITERS[1].title, CELLS["shrinker waits", "NOFS"]
    ('shrinker waits', '')
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple

from dmabuf.core.fence import Fence
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Design, Machine, design
from dmabuf.mm.device_pages import DeviceMmu
from dmabuf.mm.mempool import Mempool
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, Range
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.rt.ambient import ambient
from dmabuf.rules.memory import notifier_does_not_wait, pool_that_waits_for_itself
from dmabuf.rules.reclaim import notifier_waits
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp

__all__ = ["CELLS", "FLAGS", "PROPOSALS", "WAITERS", "Proposal", "Waiter", "cell"]

FLAGS = ("KERNEL", "NOFS", "NOIO", "ATOMIC")
"""Columns of the table."""


class Waiter(NamedTuple):
    """A row of the table: what reclaim may wait for.

    Attributes:
        title: of the row.
        builds: makes shrinkers and notifiers that know the job's fence.
        says: in a sentence.
    """

    title: str
    builds: Callable[[Fence], None]
    says: str


class Proposal(NamedTuple):
    """Something that has been proposed instead, in one situation.

    Attributes:
        idea: the proposal.
        where: the situation.
        design: what is explored.
        code: the rule that it breaks; empty if it is proved.
        means: what that says about the proposal.
    """

    idea: str
    where: str
    design: Design
    code: str
    means: str


def shrinker(fence: Fence, *, waits: bool, respects_flags: bool = True) -> None:
    """A shrinker of a buffer that the job uses."""

    def scan(control: ShrinkControl) -> int:
        if waits and (control.gfp & Gfp.FS or not respects_flags):
            fence.wait()
        return 1 if fence.is_signaled() else SHRINK_STOP

    Shrinker("buffers", lambda _control: 1, scan)


def _nobody(fence: Fence) -> None:
    shrinker(fence, waits=False)


def _shrinker(fence: Fence) -> None:
    shrinker(fence, waits=True)


def _any_shrinker(fence: Fence) -> None:
    shrinker(fence, waits=True, respects_flags=False)


def _notifier_too(fence: Fence) -> None:
    shrinker(fence, waits=True)
    notifier_waits(fence)


WAITERS = (
    Waiter("nobody waits", _nobody, "The shrinker skips buffers in use; no notifier."),
    Waiter(
        "shrinker waits",
        _shrinker,
        "The shrinker waits for the job of a buffer in use if the flags have FS.",
    ),
    Waiter("any shrinker waits", _any_shrinker, "It waits whatever the flags say, as some do."),
    Waiter(
        "notifier waits too",
        _notifier_too,
        "The job also uses pages of a process, and their notifier waits for it.",
    ),
)

CELLS: dict[tuple[str, str], str] = {
    ("nobody waits", "KERNEL"): "",
    ("nobody waits", "NOFS"): "",
    ("nobody waits", "NOIO"): "",
    ("nobody waits", "ATOMIC"): "",
    ("shrinker waits", "KERNEL"): "DF301",
    ("shrinker waits", "NOFS"): "",
    ("shrinker waits", "NOIO"): "",
    ("shrinker waits", "ATOMIC"): "",
    ("any shrinker waits", "KERNEL"): "DF301",
    ("any shrinker waits", "NOFS"): "DF302",
    ("any shrinker waits", "NOIO"): "DF302",
    ("any shrinker waits", "ATOMIC"): "",
    ("notifier waits too", "KERNEL"): "DF301",
    ("notifier waits too", "NOFS"): "DF302",
    ("notifier waits too", "NOIO"): "DF302",
    ("notifier waits too", "ATOMIC"): "",
}
"""The rule that each cell breaks; empty if it is proved."""


def cell(waiter: Waiter, flags: str) -> Design:
    """The design of a cell: a job that allocates so before it signals."""

    @design
    def allocates(machine: Machine) -> None:
        machine.memory()
        fence = Timeline("gpu").fence()
        waiter.builds(fence)

        def job() -> None:
            if not allocate(Gfp[flags], "a page table"):
                fence.set_error(-errno.ENOMEM)
            fence.signal()

        machine.kthread(job)
        machine.kthread(fence.wait, "client")

    return allocates


# -- proposals -----------------------------------------------------------------------------------


def _spares_graphics(fence: Fence) -> None:
    """A shrinker that gives nothing to whoever is on the way to a signal."""

    def scan(_control: ShrinkControl) -> int:
        if ambient().current().signalling:
            return SHRINK_STOP
        fence.wait()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)


def _annotated(machine: Machine, fence: Fence, gfp: Gfp) -> None:
    """A job that says that it is on the way, and allocates."""

    def job() -> None:
        with signalling():
            allocate(gfp, "a page table")
            fence.signal()

    machine.kthread(job)


@design
def other_memory_only(machine: Machine) -> None:
    """On the way to a signal reclaim takes anything but buffers of GPUs."""
    machine.memory()
    fence = Timeline("gpu").fence()
    _spares_graphics(fence)
    _annotated(machine, fence, Gfp.KERNEL)


@design
def other_memory_with_a_notifier(machine: Machine) -> None:
    """Pages of a process are no graphics memory, and a GPU uses some."""
    machine.memory()
    fence = Timeline("gpu").fence()
    _spares_graphics(fence)
    notifier_waits(fence)
    _annotated(machine, fence, Gfp.KERNEL)


def _used_up(machine: Machine, fence: Fence, gfp: Gfp) -> None:
    """The last page goes to somebody else or to the job; the rest is in the job's buffer."""
    memory = machine.memory(pages=1, pressure=0, kswapd=False)

    def scan(_control: ShrinkControl) -> int:
        if not fence.is_signaled():
            return SHRINK_STOP
        memory.free()
        return 1

    Shrinker("the job's buffer", lambda _control: 1, scan)

    def job() -> None:
        if not allocate(gfp, "a page table"):
            fence.set_error(-errno.ENOMEM)
        fence.signal()

    machine.kthread(job)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "somebody else")


@design
def other_memory_used_up(machine: Machine) -> None:
    """There is no other memory: what is there is in the job's own buffer."""
    _used_up(machine, Timeline("gpu").fence(), Gfp.KERNEL)


def _publishes_early(machine: Machine, *, userptr: bool) -> None:
    """Publish, release the reservation lock, then allocate and submit."""
    machine.memory()
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()
    if userptr:
        notifier_waits(fence)

    def scan(_control: ShrinkControl) -> int:
        if not buffer.trylock():
            return SHRINK_STOP
        free = buffer.test_signaled(Usage.BOOKKEEP)
        buffer.unlock()
        return 1 if free else SHRINK_STOP

    Shrinker("buffers", lambda _control: 1, scan)

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
            buffer.add_fence(fence, Usage.WRITE)
        allocate(Gfp.KERNEL, "the job")
        fence.signal()

    machine.kthread(submit)


@design
def trywait_in_shrinkers(machine: Machine) -> None:
    """Shrinkers only try; jobs are published, unlocked, and then allocated for."""
    _publishes_early(machine, userptr=False)


@design
def trywait_and_a_notifier(machine: Machine) -> None:
    """The same with a job that uses pages of a process."""
    _publishes_early(machine, userptr=True)


@design
def notifier_that_stops_the_device(machine: Machine) -> None:
    """The notifier takes the translation away and waits for the device to stop, not for the job."""
    machine.memory(kswapd=False)
    mm, mmu = MmStruct("process"), DeviceMmu("gpu")
    vma = mm.mmap(0x1000, name="user buffer")
    vma.populate()
    mmu.map(vma.pages)
    fence, stopped = Timeline("gpu").fence(), Completion("device stopped")

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        mmu.unmap(vma.pages)
        mmu.flush()
        stopped.wait()
        return True

    IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()

    def gpu() -> None:
        with mmu.access(vma.pages):
            pass
        stopped.complete_all()

    def retire() -> None:
        allocate(Gfp.NOFS, "a result")
        fence.signal()

    machine.hardware(gpu, "gpu", hangs=False)
    machine.kthread(retire)
    machine.kthread(fence.wait, "client")


@design
def pinned_instead_of_notified(machine: Machine) -> None:
    """Pages are pinned, so no notifier is needed; a shrinker that looks at the flags waits."""
    machine.memory()
    vma, fence = MmStruct("process").mmap(0x1000, name="user buffer"), Timeline("gpu").fence()
    vma.populate()
    vma.pin()
    shrinker(fence, waits=True)

    def job() -> None:
        with vma.pages.device_access():
            allocate(Gfp.NOFS, "a page table")
        fence.signal()

    machine.kthread(job)


def _pool(machine: Machine, *, elements: int, gfp: Gfp) -> None:
    """Two jobs with nothing but a pool; a shrinker waits for the first of them."""
    machine.memory(pages=0, pressure=0, kswapd=False)
    pool = Mempool(elements, "jobs")
    first, second = Timeline("render").fence(), Timeline("copy").fence()
    shrinker(first, waits=True)

    def job(fence: Fence) -> None:
        element = pool.alloc(gfp)
        fence.signal()
        pool.free(element)

    machine.kthread(lambda: job(first), "render")
    machine.kthread(lambda: job(second), "copy")
    machine.kthread(lambda: [fence.wait() for fence in (first, second)], "client")


@design
def pool_for_every_job(machine: Machine) -> None:
    """An element for each job that can be in flight, taken without reclaim."""
    _pool(machine, elements=2, gfp=Gfp.NOWAIT)


@design
def pool_with_gfp_kernel(machine: Machine) -> None:
    """Too small a pool, asked with GFP_KERNEL: when it is empty the allocator reclaims."""
    _pool(machine, elements=1, gfp=Gfp.KERNEL)


_OTHER = "reclaim only non-graphics memory"
_TRY = "trywait in shrinkers, publish before submit, release the reservation lock early"
_NONE = "no notifier waits at all"
_POOL = "mempools"

PROPOSALS = (
    Proposal(
        _OTHER,
        "no device uses pages of processes",
        other_memory_only,
        "",
        "It would do, if there is other memory.",
    ),
    Proposal(
        _OTHER,
        "a notifier waits for the job",
        other_memory_with_a_notifier,
        "DF301",
        "Pages of processes are not graphics memory, and taking them waits for a job as well.",
    ),
    Proposal(
        _OTHER,
        "all memory is in buffers",
        other_memory_used_up,
        "DF301",
        "With nothing else to reclaim the allocation goes on for ever, though nobody waits.",
    ),
    Proposal(
        _TRY,
        "no device uses pages of processes",
        trywait_in_shrinkers,
        "",
        "Shrinkers that skip what is busy close no circle.",
    ),
    Proposal(
        _TRY,
        "a notifier waits for the job",
        trywait_and_a_notifier,
        "DF301",
        "It takes shrinkers out of the circle, and leaves notifiers in it.",
    ),
    Proposal(
        _TRY,
        "all memory is in buffers",
        other_memory_used_up,
        "DF301",
        "What is skipped does not come back before the job is done: the same as above.",
    ),
    Proposal(
        _NONE,
        "the notifier just returns",
        notifier_does_not_wait,
        "DF306",
        "The page is given away while the device writes to it.",
    ),
    Proposal(
        _NONE,
        "the device can be stopped in the middle of a job",
        notifier_that_stops_the_device,
        "",
        "With such hardware the notifier waits for the device, and nobody for the job.",
    ),
    Proposal(
        _NONE,
        "pages are pinned, GFP_NOFS",
        pinned_instead_of_notified,
        "",
        "Then NOFS is enough, as long as every shrinker looks at the flags; pinned memory is lost "
        "to everybody else.",
    ),
    Proposal(
        _POOL,
        "an element for each job, taken without reclaim",
        pool_for_every_job,
        "",
        "The way to do it.",
    ),
    Proposal(
        _POOL,
        "elements come back after the waiter's signal",
        pool_that_waits_for_itself,
        "DF105",
        "A pool never fails, it waits, and here for itself.",
    ),
    Proposal(
        _POOL,
        "too small, asked with GFP_KERNEL",
        pool_with_gfp_kernel,
        "DF301",
        "An empty pool lets the allocator reclaim before it waits for an element.",
    ),
)
