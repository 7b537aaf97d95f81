"""DF201, DF203, DF204, DF209, DF304: reservation locks and mmap_lock."""

from __future__ import annotations

from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.sync.context import fs_reclaim, notifying, signalling, touches_user_memory
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.ww_acquire import ww_acquire
from tests.contract.case import in_turn
from tests.support import Ground


def resv_lock_in_a_section(_rt: Ground) -> None:
    bo = Resv("bo")
    with signalling(), bo:  # expect: DF201
        pass


def resv_lock_with_a_context_in_a_section(_rt: Ground) -> None:
    bo = Resv("bo")
    with ww_acquire() as ctx, signalling():
        ctx.lock(bo)  # expect: DF201


def resv_trylock_in_a_section(_rt: Ground) -> None:
    bo = Resv("bo")
    with signalling():
        if bo.trylock():
            bo.unlock()


def section_under_a_resv_lock(_rt: Ground) -> None:
    bo = Resv("bo")
    with bo, signalling():
        pass


def wait_under_a_resv_lock(_rt: Ground) -> None:
    bo, fence = Resv("bo"), Timeline("gpu").fence()
    fence.signal()
    with bo:
        fence.wait()


def wait_of_a_resv_under_its_lock(_rt: Ground) -> None:
    bo, fence = Resv("bo"), Timeline("gpu").fence()
    with bo:
        bo.reserve_fences(1)
        bo.add_fence(fence, Usage.WRITE)
        bo.wait(Usage.BOOKKEEP, 0)


def wait_of_an_empty_resv(rt: Ground) -> None:
    lock, bo = Mutex("A"), Resv("bo")

    def waiter() -> None:
        with lock:
            bo.wait(Usage.BOOKKEEP)

    def signaller() -> None:
        with signalling(), lock:  # expect: DF202
            pass

    in_turn(rt, waiter, signaller)


def wait_of_an_empty_resv_without_a_lock(rt: Ground) -> None:
    lock, bo = Mutex("A"), Resv("bo")

    def waiter() -> None:
        with lock:
            pass
        bo.wait(Usage.BOOKKEEP)

    def signaller() -> None:
        with signalling(), lock:
            pass

    in_turn(rt, waiter, signaller)


def lock_held_across_a_resv_lock(rt: Ground) -> None:
    lock, bo = Mutex("A"), Resv("bo")

    def other() -> None:
        with lock, bo:
            pass

    def signaller() -> None:
        with signalling(), lock:  # expect: DF202
            pass

    in_turn(rt, other, signaller)


def lock_inside_a_resv_lock(rt: Ground) -> None:
    lock, bo = Mutex("A"), Resv("bo")

    def other() -> None:
        with bo, lock:
            pass

    def signaller() -> None:
        with signalling(), lock:
            pass

    in_turn(rt, other, signaller)


def two_resv_without_a_context(_rt: Ground) -> None:
    a, b = Resv("a"), Resv("b")
    with a:
        b.lock()  # expect: DF204
        b.unlock()


def two_resv_with_a_context(_rt: Ground) -> None:
    a, b = Resv("a"), Resv("b")
    with ww_acquire() as ctx:
        ctx.lock(a)
        ctx.lock(b)


def second_resv_by_trylock(_rt: Ground) -> None:
    a, b = Resv("a"), Resv("b")
    with a:
        if b.trylock():
            b.unlock()


def user_memory_in_a_section(rt: Ground) -> None:
    with signalling():
        touches_user_memory(rt.runtime)  # expect: DF203


def user_memory_before_a_section(rt: Ground) -> None:
    touches_user_memory(rt.runtime)
    with signalling():
        pass


def user_memory_under_a_resv_lock(rt: Ground) -> None:
    with Resv("bo"):
        touches_user_memory(rt.runtime)  # expect: DF209


def user_memory_under_a_lock(rt: Ground) -> None:
    with Mutex("A"):
        touches_user_memory(rt.runtime)


def resv_lock_in_reclaim(_rt: Ground) -> None:
    bo = Resv("bo")
    with fs_reclaim(), bo:  # expect: DF304
        pass


def resv_trylock_and_wait_in_reclaim(_rt: Ground) -> None:
    bo, fence = Resv("bo"), Timeline("gpu").fence()
    fence.signal()
    with fs_reclaim():
        if bo.trylock():
            fence.wait()
            bo.unlock()


def resv_lock_in_a_notifier(_rt: Ground) -> None:
    bo = Resv("bo")
    with notifying(), bo:  # expect: DF304
        pass


def wait_in_a_notifier(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with notifying():
        fence.wait()
