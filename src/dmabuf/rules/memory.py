"""Memory that is not there, and memory that is in use: DF105, DF306."""

from __future__ import annotations

import errno

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.mm.device_pages import DeviceMmu, DevicePages
from dmabuf.mm.mempool import Mempool
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, Range
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import allocate
from dmabuf.sync.gfp import Gfp

__all__ = ["PAGES"]

# -- DF105 -------------------------------------------------------------------------------------


@design
def gives_up_without_memory(machine: Machine) -> None:
    """The fence is out when the last thing that the job needs cannot be had."""
    machine.memory()
    fence = Timeline("gpu").fence()

    def submit() -> None:
        if not allocate(Gfp.ATOMIC, "a ring entry"):
            return
        fence.signal()

    machine.kthread(submit)
    machine.kthread(fence.wait, "client")


@design
def pool_that_waits_for_itself(machine: Machine) -> None:
    """A job takes two elements of a pool, and gives both back when it has signalled."""
    machine.memory(pages=0, pressure=0, kswapd=False)
    fence, pool = Timeline("gpu").fence(), Mempool(1, "relocations")

    def submit() -> None:
        first = pool.alloc(Gfp.NOIO)
        if machine.may_fail("the batch has a second part"):
            second = pool.alloc(Gfp.NOIO)
            pool.free(second)
        fence.signal()
        pool.free(first)

    machine.kthread(submit)
    machine.kthread(fence.wait, "client")


@design
def has_it_before_publication(machine: Machine) -> None:
    """What can fail comes while nobody knows the fence; without memory there is none."""
    machine.memory()
    timeline, published = Timeline("gpu"), Completion("published")

    def submit() -> None:
        if not allocate(Gfp.ATOMIC, "a ring entry"):
            published.complete()
            return
        fence = timeline.fence()
        machine.kthread(fence.wait, "client")
        published.complete()
        fence.signal()

    machine.kthread(submit)
    machine.kthread(published.wait, "userspace")


@design
def signals_with_an_error(machine: Machine) -> None:
    """A job that gets no memory has failed, which its fence can say."""
    machine.memory()
    fence = Timeline("gpu").fence()

    def submit() -> None:
        if not allocate(Gfp.ATOMIC, "a ring entry"):
            fence.set_error(-errno.ENOMEM)
        fence.signal()

    machine.kthread(submit)
    machine.kthread(fence.wait, "client")


@design
def pool_that_others_fill(machine: Machine) -> None:
    """Each job takes one element and gives it back without waiting for anybody."""
    machine.memory(pages=0, pressure=0, kswapd=False)
    pool = Mempool(1, "jobs")
    fences = [Timeline(name).fence() for name in ("render", "copy")]

    def submit(fence: Fence) -> None:
        element = pool.alloc(Gfp.NOIO)
        fence.signal()
        pool.free(element)

    machine.kthread(lambda: submit(fences[0]), "render")
    machine.kthread(lambda: submit(fences[1]), "copy")
    machine.kthread(lambda: [fence.wait() for fence in fences], "client")


_DF105 = Rule(
    "DF105",
    why="Once a fence is out, others count on it: they have programmed their hardware to wait, "
    "they sleep, they hold locks. There is no way back and nobody to tell that there was no "
    "memory. So completion must not depend on an allocation, in either of the two ways in which "
    "one can go wrong: those that may wait, may wait for the fence itself; those that may not, may "
    "fail. The kernel's usual answer to the second, a pool with a reserve, is right only if the "
    "elements come back by themselves. A pool never fails; it waits. If what it waits for is given "
    "back after the signal of the waiter's own fence, the allocation has become a wait for itself "
    "again. One element for each job that can be in flight, taken before publication, is the "
    "simplest pool that is right.",
    sources=(
        Source(
            '000, "GFP_KERNEL allocations"',
            "fact: an allocation on the way to a signal is an unbounded wait",
        ),
        Source(
            '003, "with a mempool to make sure"',
            "ideal: a pool is what guarantees that one gets out of a bind",
        ),
        Source(
            '001, "Only GFP_ATOMIC is permissible, which might fail"',
            "must: what is permitted may fail, so failing has to be provided for",
        ),
        Source(
            "mm/mempool.c, mempool_alloc",
            "fact: it never fails where it may sleep; it waits for an element to come back",
        ),
    ),
    counterexample=gives_up_without_memory,
    variants=(pool_that_waits_for_itself,),
    fix=has_it_before_publication,
    near_misses=(signals_with_an_error, pool_that_others_fill),
    allowed="An allocation that fails, where the fence is signalled with an error then.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a task that was refused memory ended without its part, or one waits for an element of "
            "a pool while a fence waits for it",
        ),
    ),
)

# -- DF306 -------------------------------------------------------------------------------------


@design
def notifier_does_not_wait(machine: Machine) -> None:
    """Reclaim takes a page of a process in the middle of a job that writes to it."""
    machine.memory(kswapd=False)
    mm = MmStruct("process")
    vma = mm.mmap(0x1000, name="user buffer")
    vma.populate()

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        return True

    IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()

    def job() -> None:
        with vma.pages.device_access():
            pass

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")


@design
def shrinker_does_not_wait(machine: Machine) -> None:
    """The shrinker frees the pages of a buffer whatever its fence says."""
    machine.memory(kswapd=False)
    pages = DevicePages("buffer")

    def scan(_control: ShrinkControl) -> int:
        pages.release()
        return 1

    Shrinker("buffers", lambda _control: 0 if pages.gone else 1, scan)

    def job() -> None:
        with pages.device_access():
            pass

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")


@design
def forgets_the_translation_cache(machine: Machine) -> None:
    """The job is done and the entry is out of the page table; the cache still has it."""
    pages, mmu, fence = DevicePages("buffer"), DeviceMmu("gpu"), Timeline("gpu").fence()
    evicted = Completion("evicted")
    mmu.map(pages)

    def jobs() -> None:
        with mmu.access(pages):
            pass
        fence.signal()
        evicted.wait()
        with mmu.access(pages):
            pass

    def evict() -> None:
        fence.wait()
        mmu.unmap(pages)
        pages.release()
        evicted.complete()

    machine.hardware(jobs, "gpu", hangs=False)
    machine.kthread(evict)


@design
def notifier_waits_for_the_job(machine: Machine) -> None:
    """When the notifier returns the job is done; the next one finds the page gone."""
    machine.memory(kswapd=False)
    mm, fence = MmStruct("process"), Timeline("gpu").fence()
    vma = mm.mmap(0x1000, name="user buffer")
    vma.populate()

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        fence.wait()
        return True

    IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()

    def job() -> None:
        with vma.pages.device_access():
            pass
        fence.signal()

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")


@design
def shrinker_leaves_busy_pages(machine: Machine) -> None:
    """What is in use is not freed: the shrinker looks at the fence and goes on."""
    machine.memory(kswapd=False)
    pages, fence = DevicePages("buffer"), Timeline("gpu").fence()

    def scan(_control: ShrinkControl) -> int:
        if not fence.is_signaled():
            return SHRINK_STOP
        pages.release()
        return 1

    Shrinker("buffers", lambda _control: 0 if pages.gone else 1, scan)

    def job() -> None:
        with pages.device_access():
            pass
        fence.signal()

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")


@design
def flushes_before_it_frees(machine: Machine) -> None:
    """Unmapped, flushed, and only then freed: the next job takes a fault."""
    pages, mmu, fence = DevicePages("buffer"), DeviceMmu("gpu"), Timeline("gpu").fence()
    evicted = Completion("evicted")
    mmu.map(pages)

    def jobs() -> None:
        with mmu.access(pages):
            pass
        fence.signal()
        evicted.wait()
        with mmu.access(pages):
            pass

    def evict() -> None:
        fence.wait()
        mmu.unmap(pages)
        mmu.flush()
        pages.release()
        evicted.complete()

    machine.hardware(jobs, "gpu", hangs=False)
    machine.kthread(evict)


@design
def stops_the_device(machine: Machine) -> None:
    """Hardware that can be stopped in the middle of a job need not be waited for to the end."""
    pages, mmu = DevicePages("buffer"), DeviceMmu("gpu")
    mmu.map(pages)
    stopped = Completion("stopped")

    def job() -> None:
        with mmu.access(pages):
            pass
        stopped.complete()

    def evict() -> None:
        mmu.unmap(pages)
        mmu.flush()
        stopped.wait()
        pages.release()

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(evict)


@design
def reclaim_leaves_pinned_pages(machine: Machine) -> None:
    """Pinned pages stay, so a job may use them without anybody being told."""
    machine.memory(kswapd=False)
    vma = MmStruct("process").mmap(0x1000, name="user buffer")
    vma.populate()
    vma.pin()

    def job() -> None:
        with vma.pages.device_access():
            pass

    machine.hardware(job, "gpu", hangs=False)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")


_DF306 = Rule(
    "DF306",
    why="This is the rule that all the waiting is for. A device that writes to memory does not "
    "notice that the memory belongs to somebody else by now: it writes into a stranger's page, a "
    "page table, a password. No other rule of this contract is worth breaking this one for. So "
    "before memory is freed, moved or given to somebody else, whoever takes it makes sure that no "
    "device can reach it: waits for the fences of the jobs that use it, or stops the device and "
    "learns that it has stopped, and takes the translations away, from the table and from the "
    "caches that devices keep of it. Shrinkers take memory, MMU notifiers are told that it is "
    "taken, eviction moves it; most GPUs cannot be stopped quickly. Therefore waiting is permitted "
    "in all three, and whoever wants to forbid that has to say how else this rule is to be kept.",
    sources=(
        Source(
            '003, "minimally you need either preempt"',
            "fact: without stopping or faulting hardware there is only waiting",
        ),
        Source(
            '001, "and from mmu > notifier callbacks"',
            "fact: notifiers wait, as pages may not be used when they return",
        ),
        Source(
            "include/linux/mmu_notifier.h, invalidate_range_start",
            "must: when it returns no device accesses the range any more",
        ),
        Source(
            "drivers/gpu/drm/ttm/ttm_bo.c, ttm_bo_swapout_cb",
            "must: all fences of an object are waited for before its pages are taken",
        ),
    ),
    counterexample=notifier_does_not_wait,
    variants=(shrinker_does_not_wait, forgets_the_translation_cache),
    fix=notifier_waits_for_the_job,
    near_misses=(
        shrinker_leaves_busy_pages,
        flushes_before_it_frees,
        stops_the_device,
        reclaim_leaves_pinned_pages,
    ),
    allowed="Taking memory from under a device that was stopped, or that takes a fault and can go "
    "on after it, once its translations are gone.",
    checks=(
        Check(
            "run",
            "dmabuf.mm.device_pages.DevicePages.release",
            "memory is taken in the middle of an access, or accessed when it is gone",
        ),
        Check(
            "explore",
            "dmabuf.mm.device_pages.DevicePages.release",
            "the same, in every schedule and with memory short at any allocation",
        ),
    ),
)

PAGES = (_DF105, _DF306)
