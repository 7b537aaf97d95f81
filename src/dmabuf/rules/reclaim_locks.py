"""Reservation locks in reclaim: DF304."""

from __future__ import annotations

from dmabuf.core.resv import Resv
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, Range
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.context import allocate
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex

__all__ = ["PAGES"]

# -- DF304 -------------------------------------------------------------------------------------


@design
def shrinker_locks_its_victim(machine: Machine) -> None:
    """Who needs memory for a fence's slot holds a reservation lock, and the shrinker wants one."""
    machine.memory()
    buffer, victim = Resv("buffer"), Resv("victim")

    def scan(_control: ShrinkControl) -> int:
        with victim:
            return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)

    machine.kthread(submit)


@design
def notifier_locks_the_buffer(machine: Machine) -> None:
    """The notifier of a process's pages takes the lock of the buffer that was made of them."""
    machine.memory()
    mm, buffer = MmStruct("process"), Resv("user buffer")
    mm.mmap(0x1000).populate()

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        with buffer:
            notifier.set_seq(seq)
        return True

    IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()

    def submit() -> None:
        with buffer:
            allocate(Gfp.KERNEL, "a job")

    machine.kthread(submit)


@design
def in_kswapd_only(machine: Machine) -> None:
    """Nobody who holds a reservation lock reclaims; kswapd does, and stops for everybody."""
    machine.memory()
    victim = Resv("victim")

    def scan(_control: ShrinkControl) -> int:
        with victim:
            return 1

    Shrinker("buffers", lambda _control: 1, scan)
    machine.kthread(lambda: allocate(Gfp.ATOMIC, "a packet"), "network")


@design
def shrinker_tries_its_victim(machine: Machine) -> None:
    """A buffer whose lock is taken is in use by somebody, and is left alone."""
    machine.memory()
    buffer, victim = Resv("buffer"), Resv("victim")

    def scan(_control: ShrinkControl) -> int:
        if not victim.trylock():
            return SHRINK_STOP
        victim.unlock()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)

    machine.kthread(submit)
    machine.kthread(lambda: (victim.lock(), victim.unlock()), "another")


@design
def tries_and_then_waits(machine: Machine) -> None:
    """With the lock got by trying, the shrinker may wait for the buffer's fences under it."""
    machine.memory()
    victim, fence = Resv("victim"), Timeline("gpu").fence()

    def scan(_control: ShrinkControl) -> int:
        if not victim.trylock():
            return SHRINK_STOP
        fence.wait()
        victim.unlock()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)
    machine.kthread(lambda: allocate(Gfp.KERNEL, "anything"), "client")
    machine.kthread(fence.signal, "job")


@design
def a_lock_that_nobody_allocates_under(machine: Machine) -> None:
    """The shrinker's own list lock may be waited for: nobody who holds it needs memory."""
    machine.memory()
    buffer, lru = Resv("buffer"), Mutex("lru")

    def scan(_control: ShrinkControl) -> int:
        with lru:
            return 1

    Shrinker("buffers", lambda _control: 1, scan)

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
        with lru:
            pass

    machine.kthread(submit)


_DF304 = Rule(
    "DF304",
    why="Memory is allocated under reservation locks all the time: for slots of fences, for page "
    "tables, for the pages of a buffer that is being brought back. So when a shrinker or a "
    "notifier runs, the task that it runs in may hold one of these locks, and other tasks that "
    "hold others may be in reclaim at the same time. Locks of the class have no order; what makes "
    "them safe is that all are taken with one acquire context, whose holder can be told to drop "
    "them. A shrinker cannot: it does not know what its caller holds, and cannot drop it. If it "
    "waits for a lock, it may wait for its own caller, or for somebody who waits for its caller. "
    "So it tries, and what it does not get it leaves alone, which costs nothing: a buffer whose "
    "lock is taken is in use anyway. This goes for everybody in reclaim, kswapd too, as others "
    "wait for what kswapd was to free.",
    sources=(
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "must: reservation locks come before fs_reclaim, said at boot",
        ),
        Source(
            "drivers/gpu/drm/ttm/ttm_bo_util.c, ttm_lru_walk_for_evict",
            "must: a walk in reclaim takes locks by trylock only",
        ),
        Source(
            '001, "the entire established"',
            "fact: the order of locks around reservation objects is part of the contract",
        ),
    ),
    counterexample=shrinker_locks_its_victim,
    variants=(notifier_locks_the_buffer, in_kswapd_only),
    fix=shrinker_tries_its_victim,
    near_misses=(tries_and_then_waits, a_lock_that_nobody_allocates_under),
    allowed="Waiting for fences under a reservation lock that was got by trylock.",
    checks=(
        Check(
            "run",
            "dmabuf.sync.ww_mutex.WwMutex.lock",
            "a task that reclaims memory asks for a reservation lock and would wait",
        ),
        Check(
            "explore",
            "dmabuf.sync.ww_mutex.WwMutex.lock",
            "the same, in every schedule and with memory short at any allocation",
        ),
    ),
)

PAGES = (_DF304,)
