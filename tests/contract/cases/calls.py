"""DF001, DF108: waits for the end of calls of notifiers and shrinkers, and of RCU readers."""

from __future__ import annotations

import contextlib

from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, MmuNotifier, Range
from dmabuf.mm.reclaim import Kinds, reclaim
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rcu import call_rcu, rcu_read_lock, synchronize_rcu
from dmabuf.sync.spinlock import SpinLock
from tests.support import Ground


def _interval(mm: MmStruct, lock: Mutex) -> IntervalNotifier:
    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        with lock:
            notifier.set_seq(seq)
        return True

    return IntervalNotifier(mm, 0x1000, 0x1000, invalidate, "range")


def looks_under_the_lock_of_the_notifier(_rt: Ground) -> None:
    mm, lock = MmStruct("client"), Mutex("A")
    pages = mm.mmap(0x1000)
    notifier = _interval(mm, lock)
    notifier.insert()
    mm.munmap(pages)
    with lock:
        notifier.read_begin()  # expect: DF001


def looks_without_it(_rt: Ground) -> None:
    mm, lock = MmStruct("client"), Mutex("A")
    pages = mm.mmap(0x1000)
    notifier = _interval(mm, lock)
    notifier.insert()
    seq = notifier.read_begin()
    with lock:
        notifier.read_retry(seq)
    mm.munmap(pages)


def looks_at_a_range_in_a_section(_rt: Ground) -> None:
    notifier = _interval(MmStruct("client"), Mutex("A"))
    notifier.insert()
    with signalling():
        notifier.read_begin()  # expect: DF108


def asks_in_a_section_whether_to_retry(_rt: Ground) -> None:
    notifier = _interval(MmStruct("client"), Mutex("A"))
    notifier.insert()
    seq = notifier.read_begin()
    with signalling():
        notifier.read_retry(seq)


def unregisters_a_range_in_a_section(_rt: Ground) -> None:
    notifier = _interval(MmStruct("client"), Mutex("A"))
    notifier.insert()
    with signalling():
        notifier.remove()  # expect: DF108


def unregisters_a_notifier_in_a_section(_rt: Ground) -> None:
    mm, notifier = MmStruct("client"), MmuNotifier()
    notifier.register(mm)
    with signalling():
        notifier.unregister(mm)  # expect: DF108


def unregisters_a_shrinker_under_its_lock(rt: Ground) -> None:
    lock = Mutex("A")

    def scan(_control: ShrinkControl) -> int:
        with lock:
            return SHRINK_STOP

    shrinker = Shrinker("cache", lambda _control: 1, scan)
    reclaim(rt.runtime, Gfp.KERNEL, Kinds.SLAB, lambda _pages: None)
    with lock:
        shrinker.free()  # expect: DF001


def unregisters_a_shrinker_after_it(rt: Ground) -> None:
    lock = Mutex("A")

    def scan(_control: ShrinkControl) -> int:
        with lock:
            return SHRINK_STOP

    shrinker = Shrinker("cache", lambda _control: 1, scan)
    reclaim(rt.runtime, Gfp.KERNEL, Kinds.SLAB, lambda _pages: None)
    with lock:
        pass
    shrinker.free()


def grace_period_in_a_reader(_rt: Ground) -> None:
    with rcu_read_lock(), contextlib.suppress(ContractViolation):
        synchronize_rcu()  # expect: DF003


def grace_period_in_a_section(_rt: Ground) -> None:
    with signalling():
        synchronize_rcu()  # readers do not sleep: their end is owed


def grace_period_under_a_spinlock(_rt: Ground) -> None:
    with SpinLock("A"), contextlib.suppress(ContractViolation):
        synchronize_rcu()  # expect: DF003


def mutex_in_a_reader(_rt: Ground) -> None:
    lock = Mutex("A")
    with rcu_read_lock(), contextlib.suppress(ContractViolation), lock:  # expect: DF003
        pass


def allocation_in_a_reader(_rt: Ground) -> None:
    with rcu_read_lock():
        allocate(Gfp.NOWAIT, "an entry")
        with contextlib.suppress(ContractViolation):
            allocate(Gfp.KERNEL, "an entry")  # expect: DF003


def wait_in_a_reader(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    with rcu_read_lock(), contextlib.suppress(ContractViolation):
        fence.wait(0.001)  # expect: DF206


def spinlock_and_callback_of_a_reader(rt: Ground) -> None:
    lock = SpinLock("A")
    with rcu_read_lock(), lock.irqsave():
        call_rcu(lambda: None, rt.runtime)
    rt.settle()
