"""Memory on the way to a signal: DF301, DF302.

Whoever is short of memory has to wait for those who have it, and GPUs have a great deal of it.
"""

from __future__ import annotations

import errno

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, MmuNotifier, Range
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.context import allocate, memalloc_noio
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared

__all__ = ["PAGES"]


def shrinker_waits(fence: Fence) -> None:
    """A buffer can be freed when its job is done; the shrinker waits for that where it may."""

    def scan(control: ShrinkControl) -> int:
        if not control.gfp & Gfp.FS:
            return SHRINK_STOP
        fence.wait()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)


def notifier_waits(fence: Fence) -> None:
    """A job uses pages of a process; before they go away the driver waits for the job."""
    mm = MmStruct("process")
    mm.mmap(0x1000, name="user buffer").populate()

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        fence.wait()
        return True

    IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()


# -- DF301 -------------------------------------------------------------------------------------


@design
def allocates_before_it_signals(machine: Machine) -> None:
    """The job needs a page table; memory is short, and a shrinker waits for this very job."""
    machine.memory()
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)

    def job() -> None:
        allocate(Gfp.KERNEL, "a page table")
        fence.signal()

    machine.kthread(job)


@design
def memory_is_all_in_the_job(machine: Machine) -> None:
    """The shrinker skips what is busy, but all that could be freed is: so it goes on for ever."""
    memory = machine.memory(pages=1, pressure=0, kswapd=False)
    fence = Timeline("gpu").fence()

    def scan(_control: ShrinkControl) -> int:
        if not fence.is_signaled():
            return SHRINK_STOP
        memory.free()
        return 1

    Shrinker("the buffer of the job", lambda _control: 1, scan)

    def job() -> None:
        allocate(Gfp.KERNEL, "a page table")
        fence.signal()

    machine.kthread(job)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "somebody else")


@design
def through_a_lock_of_the_shrinker(machine: Machine) -> None:
    """The shrinker waits for nothing but a lock; who holds that waits for the job."""
    machine.memory()
    vm, fence = Mutex("vm"), Timeline("gpu").fence()

    def scan(_control: ShrinkControl) -> int:
        with vm:
            return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def job() -> None:
        allocate(Gfp.KERNEL, "a page table")
        fence.signal()

    def evict() -> None:
        with vm:
            fence.wait()

    machine.kthread(job)
    machine.kthread(evict)


@design
def allocates_before_publication(machine: Machine) -> None:
    """Nobody can wait for a fence that does not exist yet, so here anything may be waited for."""
    machine.memory()
    timeline = Timeline("gpu")
    last: Shared[Fence | None] = Shared(None, "last fence")

    def scan(_control: ShrinkControl) -> int:
        fence = last.read()
        if fence is not None:
            fence.wait()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def job() -> None:
        allocate(Gfp.KERNEL, "a page table")
        fence = timeline.fence()
        fence.publish()
        last.write(fence)
        fence.signal()

    machine.kthread(job)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "somebody else")


@design
def atomic_and_ready_to_fail(machine: Machine) -> None:
    """GFP_ATOMIC never reclaims; where it fails the job fails, and signals."""
    machine.memory()
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)

    def job() -> None:
        if not allocate(Gfp.ATOMIC, "a page table"):
            fence.set_error(-errno.ENOMEM)
        fence.signal()

    machine.kthread(job)


@design
def nofs_where_no_notifier_waits(machine: Machine) -> None:
    """The shrinker waits only where that is allowed: GFP_NOFS would do, were that all."""
    machine.memory()
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)

    def job() -> None:
        allocate(Gfp.NOFS, "a page table")
        fence.signal()

    machine.kthread(job)


@design
def allocates_when_it_has_signalled(machine: Machine) -> None:
    """After the signal the shrinker has nothing to wait for."""
    machine.memory()
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)

    def job() -> None:
        fence.signal()
        allocate(Gfp.KERNEL, "the next job")

    machine.kthread(job)


@design
def nobody_waits_in_reclaim(machine: Machine) -> None:
    """A camera's fences are waited for by no shrinker and no notifier, and the driver says so."""
    machine.memory()
    fence = Timeline("camera").fence()
    machine.never_in_reclaim(fence)
    Shrinker("something else", lambda _control: 1, lambda _control: 1)

    def frame() -> None:
        allocate(Gfp.KERNEL, "statistics")
        fence.signal()

    machine.kthread(frame)
    machine.kthread(fence.wait, "client")


_DF301 = Rule(
    "DF301",
    why="Most of the memory of a machine with a GPU is in its buffers, so when memory is short "
    "they have to give some back: that is what a driver's shrinker is for. But a buffer in use "
    "cannot be taken away before its job is done. A shrinker that skipped whatever is busy would "
    "give nothing back just when everything is busy, and the machine would kill programs although "
    "the memory is free a moment later; so it may wait for the job's fence. Now a shrinker does "
    "not run somewhere else. It runs in whatever task found too little memory, with all that this "
    "task holds and has not done yet. If that task is on the way to the signal of the fence, it "
    "waits for itself, for ever, and everybody who waits for memory stands behind it. It need not "
    "be the same job: any fence that the shrinker may pick, of any driver, is enough. So nobody "
    "may allocate with GFP_KERNEL between publishing a fence and signalling it; not in the worker "
    "that retires jobs, not in the scheduler's run_job, not in a reset. Allocate while failing is "
    "easy, before anybody can see the fence.",
    sources=(
        Source(
            '001, "from their &shrinker"',
            "must: what is needed for completion allocates nothing with GFP_KERNEL",
        ),
        Source(
            '000, "Job requires memory allocation"',
            "fact: the deadlock in four lines",
        ),
        Source('000, "GFP_KERNEL allocations"', "fact: an unbounded wait on the way to the signal"),
        Source(
            "mm/page_alloc.c, __perform_reclaim",
            "fact: reclaim runs in the task that allocates, marked as the lock fs_reclaim",
        ),
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "must: fs_reclaim comes before a wait for a fence, said at boot",
        ),
    ),
    counterexample=allocates_before_it_signals,
    variants=(memory_is_all_in_the_job, through_a_lock_of_the_shrinker),
    fix=allocates_before_publication,
    near_misses=(
        atomic_and_ready_to_fail,
        nofs_where_no_notifier_waits,
        allocates_when_it_has_signalled,
        nobody_waits_in_reclaim,
    ),
    allowed="GPU drivers may wait for fences in a shrinker, and a driver whose fences nobody waits "
    "for in reclaim may say so (never_in_reclaim) and allocate as it likes.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "an allocation with GFP_KERNEL in a signalling section, also when there is memory",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a task stands in an allocation that may reclaim while a fence waits for it to go on",
        ),
    ),
)

# -- DF302 -------------------------------------------------------------------------------------


@design
def nofs_and_a_notifier_that_waits(machine: Machine) -> None:
    """No shrinker waits for GFP_NOFS; but reclaim unmaps a page that the job uses."""
    machine.memory()
    fence = Timeline("gpu").fence()
    notifier_waits(fence)

    def job() -> None:
        allocate(Gfp.NOFS, "a page table")
        fence.signal()

    machine.kthread(job)


@design
def noio_by_its_scope(machine: Machine) -> None:
    """The scope takes I/O away and leaves reclaim, which finds a clean page to unmap."""
    machine.memory()
    fence = Timeline("gpu").fence()
    notifier_waits(fence)

    def job() -> None:
        with memalloc_noio():
            allocate(Gfp.KERNEL, "a page table")
        fence.signal()

    machine.kthread(job)


class Waiting(MmuNotifier):
    """A notifier of the older kind, which hears of every range."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence

    def invalidate_range_start(self, found: Range) -> bool:
        """Wait for the job, whatever it uses."""
        del found
        self.fence.wait()
        return True


@design
def a_notifier_of_any_range(machine: Machine) -> None:
    """A list notifier hears of pages that no job uses, and waits all the same."""
    machine.memory()
    mm, fence = MmStruct("process"), Timeline("gpu").fence()
    mm.mmap(0x5000, name="a library").populate()
    Waiting(fence).register(mm)

    def job() -> None:
        allocate(Gfp.NOIO, "a page table")
        fence.signal()

    machine.kthread(job)


@design
def nowait_and_ready_to_fail(machine: Machine) -> None:
    """What does not reclaim unmaps nothing; where it fails the job fails, and signals."""
    machine.memory()
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)
    notifier_waits(fence)

    def job() -> None:
        if not allocate(Gfp.NOWAIT, "a page table"):
            fence.set_error(-errno.ENOMEM)
        fence.signal()

    machine.kthread(job)


@design
def pages_are_pinned(machine: Machine) -> None:
    """Pinned pages are not reclaimed, so nobody has to hear of it; but they are never free."""
    machine.memory()
    mm, fence = MmStruct("process"), Timeline("gpu").fence()
    vma = mm.mmap(0x1000, name="user buffer")
    vma.populate()
    vma.pin()

    def job() -> None:
        with vma.pages.device_access():
            allocate(Gfp.NOFS, "a page table")
        fence.signal()

    machine.kthread(job)


@design
def somebody_else_allocates(machine: Machine) -> None:
    """Whoever is not on the way to the signal may reclaim and wait; the job goes on."""
    machine.memory()
    fence = Timeline("gpu").fence()
    notifier_waits(fence)

    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")
    machine.kthread(fence.signal, "job")


_DF302 = Rule(
    "DF302",
    why="With GFP_NOFS no shrinker that looks at the flags waits for a job, so one might think "
    "that it is enough. But reclaim also takes pages of processes, and those are unmapped first. A "
    "GPU that works on pages of a process (userptr, HMM) has copies of the page table; it must "
    "have stopped using a page before somebody else gets it, or it writes into the memory of "
    "strangers. So its driver has an MMU notifier, and as most GPUs cannot be stopped in the "
    "middle of a job, the notifier waits for the job's fence. Neither NOFS nor NOIO keep reclaim "
    "from unmapping: a clean page of a file can go without any I/O. So every allocation that may "
    "reclaim at all may end in a wait for any job that uses pages of a process. What is left is "
    "what never reclaims: GFP_ATOMIC and GFP_NOWAIT. They fail when memory is short, so the way to "
    "the signal needs a plan for that: reserve before publication, keep a pool, or fail the job "
    "and signal with an error.",
    sources=(
        Source(
            '001, "Only GFP_ATOMIC is permissible, which might fail"',
            "must: neither GFP_NOFS nor GFP_NOIO where completion depends on it",
        ),
        Source(
            '003, "stuck with shrinkers and GFP_NOFS"',
            "fact: even without notifiers a pool of some sort would be needed",
        ),
        Source(
            "mm/page_alloc.c, fs_reclaim_acquire",
            "fact: every allocation that may reclaim counts as a call of MMU notifiers",
        ),
        Source(
            "mm/vmscan.c, shrink_folio_list",
            "fact: without __GFP_IO pages of files are unmapped, anonymous ones are not",
        ),
    ),
    counterexample=nofs_and_a_notifier_that_waits,
    variants=(noio_by_its_scope, a_notifier_of_any_range),
    fix=nowait_and_ready_to_fail,
    near_misses=(pages_are_pinned, somebody_else_allocates),
    allowed="Waiting for fences in an MMU notifier, for GPU drivers that need it.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "an allocation with GFP_NOFS or GFP_NOIO in a signalling section, also when there is "
            "memory",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a task stands in an allocation with GFP_NOFS or GFP_NOIO that reclaims while a fence "
            "waits for it to go on",
        ),
    ),
)

PAGES = (_DF301, _DF302)
