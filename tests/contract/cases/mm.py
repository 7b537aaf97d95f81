"""DF203, DF209, DF301, DF304 in a world where memory can be short: what `mm` itself does."""

from __future__ import annotations

import contextlib

from dmabuf.core.resv import Resv
from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation
from dmabuf.mm.fault import copy_from_user, pagefault_disable
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import MmuNotifier, Range
from dmabuf.mm.reclaim import Kinds, reclaim
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.sync.context import signalling
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from tests.contract.case import in_turn
from tests.support import Ground


def user_memory_that_is_there_in_a_section(_rt: Ground) -> None:
    command = MmStruct("client").mmap(0x1000, value="draw")
    copy_from_user(command)
    with signalling():
        copy_from_user(command)  # expect: DF203


def user_memory_with_faults_off(_rt: Ground) -> None:
    command = MmStruct("client").mmap(0x1000, value="draw")
    copy_from_user(command)
    with signalling(), pagefault_disable():
        copy_from_user(command)


def user_memory_under_a_resv_lock(_rt: Ground) -> None:
    command = MmStruct("client").mmap(0x1000, value="draw")
    with Resv("bo"), contextlib.suppress(ContractViolation):
        copy_from_user(command)  # expect: DF209


def mmap_lock_in_a_section(_rt: Ground) -> None:
    mm = MmStruct("client")
    with signalling():
        with mm.mmap_lock.read():  # expect: DF203
            pass
        with mm.mmap_lock.write():  # expect: DF203
            pass


def mmap_lock_tried_in_a_section(_rt: Ground) -> None:
    mm = MmStruct("client")
    with signalling():
        if mm.mmap_lock.down_read_trylock():
            mm.mmap_lock.up_read()


def wait_under_mmap_lock(_rt: Ground) -> None:
    mm, fence = MmStruct("client"), Timeline("gpu").fence()
    fence.signal()
    with mm.mmap_lock.read():
        fence.wait()


def lock_held_across_user_memory(rt: Ground) -> None:
    lock, command = Mutex("A"), MmStruct("client").mmap(0x1000, value="draw")

    def user() -> None:
        with lock:
            copy_from_user(command)

    def signaller() -> None:
        with signalling(), lock:  # expect: DF202
            pass

    in_turn(rt, user, signaller)


def shrinker_that_locks(rt: Ground) -> None:
    bo = Resv("bo")

    def scan(_control: ShrinkControl) -> int:
        with contextlib.suppress(ContractViolation), bo:  # expect: DF304
            pass
        return 0

    shrinker = Shrinker("cache", lambda _control: 1, scan)
    reclaim(rt.runtime, Gfp.KERNEL, Kinds.SLAB, lambda _pages: None)
    shrinker.free()


def shrinker_that_tries(rt: Ground) -> None:
    bo = Resv("bo")

    def scan(_control: ShrinkControl) -> int:
        if bo.trylock():
            bo.unlock()
        return SHRINK_STOP

    shrinker = Shrinker("cache", lambda _control: 1, scan)
    reclaim(rt.runtime, Gfp.KERNEL, Kinds.SLAB, lambda _pages: None)
    shrinker.free()


def list_notifier_that_locks(_rt: Ground) -> None:
    mm, bo = MmStruct("client"), Resv("bo")
    pages = mm.mmap(0x1000)

    class Notifier(MmuNotifier):
        def invalidate_range_start(self, found: Range) -> bool:
            with bo:  # expect: DF304
                return True

    notifier = Notifier()
    notifier.register(mm)
    mm.munmap(pages)
