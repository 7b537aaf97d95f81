"""DF301, DF302: memory on the way to a signal."""

from __future__ import annotations

from dmabuf.contract.sections import V6_12
from dmabuf.core.timeline import Timeline
from dmabuf.sync.context import (
    allocate,
    fs_reclaim,
    memalloc_nofs,
    memalloc_noio,
    memalloc_noreclaim,
    signalling,
)
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from tests.contract.case import as_of, in_turn
from tests.support import Ground


def kernel_in_a_section(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301


def kernel_in_two_sections(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301


def kernel_in_one_section_again_and_again(_rt: Ground) -> None:
    for _ in range(3):
        with signalling():
            allocate(Gfp.KERNEL)  # expect: DF301


def nofs_in_a_section(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.NOFS)  # expect: DF302


def noio_in_a_section(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.NOIO)  # expect: DF302


def kernel_and_nofs(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301
        allocate(Gfp.NOFS)  # expect: DF302


def kernel_in_a_nofs_scope(_rt: Ground) -> None:
    with signalling(), memalloc_nofs():
        allocate(Gfp.KERNEL)  # expect: DF302


def kernel_in_a_noio_scope(_rt: Ground) -> None:
    with signalling(), memalloc_noio():
        allocate(Gfp.KERNEL)  # expect: DF302


def atomic_in_a_section(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.ATOMIC)
        allocate(Gfp.NOWAIT)


def kernel_by_a_memalloc_task(_rt: Ground) -> None:
    with signalling(), memalloc_noreclaim():
        allocate(Gfp.KERNEL)


def kernel_before_a_section(_rt: Ground) -> None:
    allocate(Gfp.KERNEL)
    with signalling():
        pass


@as_of(mmu_notifier=False)
def nofs_without_notifiers(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.NOFS)
        allocate(Gfp.NOIO)


@as_of(mmu_notifier=False)
def kernel_without_notifiers(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301


@as_of(V6_12)
def kernel_in_a_section_6_12(_rt: Ground) -> None:
    with signalling():
        allocate(Gfp.KERNEL)  # expect: DF301


def lock_held_across_an_allocation(rt: Ground) -> None:
    lock = Mutex("A")

    def other() -> None:
        with lock:
            allocate(Gfp.KERNEL)

    def signaller() -> None:
        with signalling(), lock:  # expect: DF202
            pass

    in_turn(rt, other, signaller)


def lock_held_across_an_atomic_allocation(rt: Ground) -> None:
    lock = Mutex("A")

    def other() -> None:
        with lock:
            allocate(Gfp.NOWAIT)

    def signaller() -> None:
        with signalling(), lock:
            pass

    in_turn(rt, other, signaller)


def lock_in_reclaim_and_across_an_allocation(rt: Ground) -> None:
    lock = Mutex("cache")

    def shrinker() -> None:
        with fs_reclaim(), lock:
            pass

    def user() -> None:
        with lock:
            allocate(Gfp.KERNEL)  # expect: DF001

    in_turn(rt, shrinker, user)


def lock_in_reclaim_and_across_nofs(rt: Ground) -> None:
    lock = Mutex("cache")

    def shrinker() -> None:
        with fs_reclaim(), lock:
            pass

    def user() -> None:
        with lock:
            allocate(Gfp.NOFS)

    in_turn(rt, shrinker, user)


def wait_in_a_shrinker(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with fs_reclaim():
        fence.wait()
