"""User memory and page faults: DF203, DF209.

A page fault is the kernel's longest errand: it takes mmap_lock, allocates, and calls the driver
whose memory is mapped, which takes a reservation lock and may wait for fences.
"""

from __future__ import annotations

import errno

from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.mm.fault import (
    Retry,
    copy_from_user,
    copy_to_user,
    drop_mmap_lock,
    handle_mm_fault,
    pagefault_disable,
)
from dmabuf.mm.mm_struct import MmStruct, Vma
from dmabuf.mm.shrinker import Shrinker
from dmabuf.rules.frame import Check, Rule, Source

__all__ = ["PAGES"]


def mapping_of(buffer: Resv) -> Vma:
    """A buffer that a process has mapped: its pages are put there under the buffer's lock."""

    def fault(vma: Vma) -> None:
        if not buffer.trylock():
            drop_mmap_lock(vma)
            with buffer:
                pass
            raise Retry
        buffer.unlock()

    return MmStruct("process").mmap(0x1000, name="mapped buffer", fault=fault)


# -- DF203 -------------------------------------------------------------------------------------


@design
def copies_commands_after_publication(machine: Machine) -> None:
    """The commands are in a mapped buffer, which is held locked by who waits for the job."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()
    commands = mapping_of(buffer)

    def submit() -> None:
        copy_from_user(commands)
        fence.signal()

    def evict() -> None:
        with buffer:
            fence.wait()

    machine.kthread(submit)
    machine.kthread(evict)


@design
def maps_on_the_way(machine: Machine) -> None:
    """A fault handler waits for the job with mmap_lock held, and the job wants it for writing."""
    fence, mm = Timeline("gpu").fence(), MmStruct("process")
    window = mm.mmap(0x1000, name="window", fault=lambda _vma: fence.wait())

    def job() -> None:
        with mm.mmap_lock.write():
            pass
        fence.signal()

    machine.kthread(lambda: handle_mm_fault(window), "client")
    machine.kthread(job)


@design
def writes_the_result_before_the_signal(machine: Machine) -> None:
    """The page for the result has to be allocated, and a shrinker waits for this very job."""
    machine.memory()
    fence, result = Timeline("gpu").fence(), MmStruct("process").mmap(0x1000, name="result")

    def scan(_control: object) -> int:
        fence.wait()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def job() -> None:
        copy_to_user(result, 0)
        fence.signal()

    machine.kthread(job)


@design
def copies_before_publication(machine: Machine) -> None:
    """What comes from userspace is copied while nobody can wait for the job."""
    buffer, timeline = Resv("buffer"), Timeline("gpu")
    commands = mapping_of(buffer)

    def submit() -> None:
        copy_from_user(commands)
        fence = timeline.fence()
        with buffer:
            buffer.reserve_fences(1)
            buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    def evict() -> None:
        with buffer:
            buffer.wait(Usage.READ)

    machine.kthread(submit)
    machine.kthread(evict)


@design
def tries_with_faults_off(machine: Machine) -> None:
    """What is not there is not fetched: the job fails, and signals."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()
    commands = mapping_of(buffer)

    def submit() -> None:
        try:
            with pagefault_disable():
                copy_from_user(commands)
        except OSError:
            fence.set_error(-errno.EFAULT)
        fence.signal()

    def evict() -> None:
        with buffer:
            fence.wait()

    machine.kthread(submit)
    machine.kthread(evict)


@design
def writes_the_result_after_the_signal(machine: Machine) -> None:
    """Who wants the result waits for the fence and looks; the copy is nobody's business."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()
    result = mapping_of(buffer)

    def job() -> None:
        fence.signal()
        copy_to_user(result, 0)

    def evict() -> None:
        with buffer:
            fence.wait()

    machine.kthread(job)
    machine.kthread(evict)


_DF203 = Rule(
    "DF203",
    why="Userspace may map a buffer, so touching such memory ends in the driver's fault handler, "
    "which must know where the buffer is and therefore takes its reservation lock; and it may have "
    "to wait until the buffer has been moved. All that happens under mmap_lock, the lock of the "
    "process's address space. Userspace may also pass any address to a system call: that of a "
    "mapped buffer, or of plain memory that is not there yet, for which a page is allocated, which "
    "may reclaim. So any access to user memory may wait for a reservation lock, for mmap_lock, for "
    "memory; and each of these may be held by somebody who waits for the fence that you are about "
    "to signal. The kernel cannot tell an innocent pointer from such a one. Copy what you need "
    "from userspace first, publish afterwards.",
    sources=(
        Source(
            '001, "no userspace faulting allowed"',
            "must: what is needed for completion takes no fault on user memory",
        ),
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "must: mmap_lock comes before reservation locks, said at boot",
        ),
        Source(
            "drivers/gpu/drm/ttm/ttm_bo_vm.c, ttm_bo_vm_reserve",
            "fact: a fault tries the lock, and waits for it without mmap_lock",
        ),
    ),
    counterexample=copies_commands_after_publication,
    variants=(maps_on_the_way, writes_the_result_before_the_signal),
    fix=copies_before_publication,
    near_misses=(tries_with_faults_off, writes_the_result_after_the_signal),
    allowed="Touching user memory with page faults off, where failing is provided for.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "user memory or mmap_lock in a signalling section, also when no fault comes of it",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a task touches user memory, or waits for mmap_lock, while a fence waits for it",
        ),
    ),
)

# -- DF209 -------------------------------------------------------------------------------------


@design
def copies_under_the_lock(machine: Machine) -> None:
    """Relocations are read from user memory with the buffer locked."""
    buffer = Resv("buffer")
    relocations = MmStruct("process").mmap(0x1000, name="relocations")

    def submit() -> None:
        with buffer:
            copy_from_user(relocations)

    machine.kthread(submit)


@design
def looks_up_pages_under_the_lock(machine: Machine) -> None:
    """The pages of a user buffer are looked up, for which mmap_lock is taken, with it locked."""
    buffer, mm = Resv("user buffer"), MmStruct("process")

    def bind() -> None:
        with buffer, mm.mmap_lock.read():
            pass

    machine.kthread(bind)


@design
def copies_first(machine: Machine) -> None:
    """First everything from userspace, then the locks."""
    buffer = Resv("buffer")
    relocations = MmStruct("process").mmap(0x1000, name="relocations")

    def submit() -> None:
        copy_from_user(relocations)
        with buffer:
            pass

    machine.kthread(submit)
    machine.kthread(lambda: copy_from_user(relocations), "another")


@design
def with_faults_off_and_again(machine: Machine) -> None:
    """Under the lock only what is there is read; else the lock is dropped, and it is fetched."""
    buffer = Resv("buffer")
    relocations = mapping_of(buffer)

    def submit() -> None:
        while True:
            try:
                with buffer, pagefault_disable():
                    copy_from_user(relocations)
            except OSError:
                copy_from_user(relocations)
            else:
                return

    machine.kthread(submit)


@design
def tries_mmap_lock(machine: Machine) -> None:
    """The lock of the address space is only tried under the reservation lock."""
    buffer, mm = Resv("user buffer"), MmStruct("process")

    def bind() -> None:
        with buffer:
            if mm.mmap_lock.down_read_trylock():
                mm.mmap_lock.up_read()

    machine.kthread(bind)
    machine.kthread(lambda: copy_from_user(mm.mmap(0x1000)), "client")


_DF209 = Rule(
    "DF209",
    why="The fault handler of a mapped buffer takes the reservation lock under mmap_lock. There is "
    "no other way: the fault comes with mmap_lock held, and the handler needs to know where the "
    "buffer is. So mmap_lock comes first and reservation locks second, for everybody. Code that "
    "holds a reservation lock and touches user memory may fault, and then takes the two the other "
    "way round. Nor is it enough that another task has to come in between: the address that "
    "userspace passed may be in a mapping of the very buffer that is locked, and then the task "
    "waits for itself. Programs that do this need not be wicked; uploading from one buffer to "
    "another does.",
    sources=(
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "must: mmap_lock comes before reservation locks, said at boot",
        ),
        Source(
            "include/linux/uaccess.h, might_fault",
            "fact: every access counts as one that takes mmap_lock, unless faults are off",
        ),
        Source(
            '001, "no userspace faulting allowed"',
            "must: the same order seen from the way to a signal",
        ),
    ),
    counterexample=copies_under_the_lock,
    variants=(looks_up_pages_under_the_lock,),
    fix=copies_first,
    near_misses=(with_faults_off_and_again, tries_mmap_lock),
    allowed="An access with page faults off, and a trylock of mmap_lock.",
    checks=(
        Check(
            "run",
            "dmabuf.mm.mm_struct.check_no_resv",
            "user memory is touched, or mmap_lock waited for, by a holder of a reservation lock",
        ),
        Check("explore", "dmabuf.mm.mm_struct.check_no_resv", "the same, in every schedule"),
    ),
)

PAGES = (_DF203, _DF209)
