"""Waits under a reservation lock: DF201."""

from __future__ import annotations

from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue
from dmabuf.sync.ww_acquire import ww_acquire

__all__ = ["PAGES"]


class Job:
    """A buffer, and a job of which everybody who has the buffer knows."""

    def __init__(self) -> None:
        self.buffer = Resv("buffer")
        self.fence = Timeline("gpu").fence()
        with self.buffer as resv:
            resv.reserve_fences(1)
            resv.add_fence(self.fence, Usage.WRITE)

    def evict(self) -> None:
        """Somebody else's driver, or memory management: wait with the lock held."""
        with self.buffer as resv:
            resv.wait(Usage.BOOKKEEP, interruptible=False)

    def tidy(self) -> None:
        """Work on the buffer that needs its lock."""
        with self.buffer:
            pass


@design
def tidies_before_the_signal(machine: Machine) -> None:
    """A job that is done is taken off the buffer's books, and then its fence signals."""
    job = Job()

    def retire() -> None:
        job.tidy()
        job.fence.signal()

    machine.kthread(job.evict)
    machine.kthread(retire)


@design
def with_a_context(machine: Machine) -> None:
    """Backing off helps against other lockers; a waiter who holds the lock gives way to nobody."""
    job = Job()

    def retire() -> None:
        with ww_acquire() as ctx:
            ctx.lock(job.buffer)
        job.fence.signal()

    machine.kthread(job.evict)
    machine.kthread(retire)


@design
def behind_a_lock_of_its_own(machine: Machine) -> None:
    """Retiring takes the driver's lock only, but binding holds that and wants the buffer's."""
    job, vm = Job(), Mutex("vm")

    def bind() -> None:
        with vm:
            job.tidy()

    def retire() -> None:
        with vm:
            pass
        job.fence.signal()

    machine.kthread(job.evict)
    machine.kthread(bind)
    machine.kthread(retire)


@design
def in_front_of_it_in_the_queue(machine: Machine) -> None:
    """The signal is a work item of its own, behind one on the same queue that takes the lock."""
    job, queue = Job(), WorkQueue("gpu", ordered=True)
    tidy, signal = Work(job.tidy, "tidy"), Work(job.fence.signal, "signal")

    def done() -> None:
        queue.queue(tidy)
        queue.queue(signal)

    machine.kthread(job.evict)
    machine.kthread(done)


@design
def each_others_buffers(machine: Machine) -> None:
    """Neither job needs the lock of the buffer that its own fence is in."""
    first, second = Job(), Job()

    def retire(own: Job, other: Job) -> None:
        other.tidy()
        own.fence.signal()

    machine.kthread(first.evict, "evict first")
    machine.kthread(second.evict, "evict second")
    machine.kthread(lambda: retire(first, second), "retire first")
    machine.kthread(lambda: retire(second, first), "retire second")


@design
def tidies_after_the_signal(machine: Machine) -> None:
    """The fence signals first; whoever waited with the lock held lets go of it."""
    job = Job()

    def retire() -> None:
        job.fence.signal()
        job.tidy()

    machine.kthread(job.evict)
    machine.kthread(retire)


@design
def only_tries_the_lock(machine: Machine) -> None:
    """Where the lock is taken somebody else tidies up; nobody waits for it."""
    job = Job()

    def retire() -> None:
        if job.buffer.trylock():
            job.buffer.unlock()
        job.fence.signal()

    machine.kthread(job.evict)
    machine.kthread(retire)


@design
def locks_before_publication(machine: Machine) -> None:
    """Submitting takes the lock to publish the fence: nobody can wait for it yet."""
    buffer = Resv("buffer")
    fence = Timeline("gpu").fence()

    def submit() -> None:
        with buffer as resv:
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.WRITE)
        fence.signal()

    def evict() -> None:
        with buffer as resv:
            resv.wait(Usage.BOOKKEEP, interruptible=False)

    machine.kthread(submit)
    machine.kthread(evict)


@design
def queued_behind_the_signal(machine: Machine) -> None:
    """What needs the lock is a work item that nobody on the way to the signal waits for."""
    job, queue = Job(), WorkQueue("gpu", ordered=True)
    tidy = Work(job.tidy, "tidy")

    def retire() -> None:
        queue.queue(tidy)
        job.fence.signal()

    machine.kthread(job.evict)
    machine.kthread(retire)


_DF201 = Rule(
    "DF201",
    why="A buffer's reservation lock is what keeps new jobs away from it. So whoever needs the "
    "buffer idle, to move it, to take its memory or to give it to the CPU, waits for the fences "
    "that are there while holding the lock: if the lock were dropped for the wait, there would "
    "be new ones each time. That is why the wait is allowed, to every driver and to memory "
    "management, and why nobody can be asked to stop it. Buffers are shared between drivers, so "
    "you do not know who waits, nor for how long. Now the prohibition follows: if your code needs "
    "a reservation lock before it signals, it may need it from somebody who waits for that very "
    "signal. The acquire context does not help, as it settles who goes first among those who "
    "want locks, and the waiter wants none. Nor does it help to take another buffer's lock only: "
    "whoever holds that one may wait for a fence that stands behind yours.",
    sources=(
        Source(
            '001, "fence completion cannot acquire a"',
            "must: waiting under the lock is allowed, so completion does not take it",
        ),
        Source(
            '002, "fundamental to how eviction works with ttm"',
            "must: the permission is needed for eviction, and no way to a signal takes the lock",
        ),
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "fact: the kernel teaches its lock checker the order at boot, before any driver runs",
        ),
    ),
    counterexample=tidies_before_the_signal,
    variants=(
        with_a_context,
        behind_a_lock_of_its_own,
        in_front_of_it_in_the_queue,
        each_others_buffers,
    ),
    fix=tidies_after_the_signal,
    near_misses=(only_tries_the_lock, locks_before_publication, queued_behind_the_signal),
    allowed="A trylock does not wait, and before publication nobody can wait for the fence.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "a reservation lock taken in a signalling section, in the first run already",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a closed chain of waits with a fence in it and a reservation lock in front of the "
            "signal",
        ),
    ),
)

PAGES = (_DF201,)
