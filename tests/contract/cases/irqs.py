"""DF003: locks that meet interrupts, and sleeping where nobody may."""

from __future__ import annotations

import contextlib

from dmabuf.contract.sections import V6_12
from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.softirq import local_bh_disable
from dmabuf.sync.spinlock import RawSpinLock, SpinLock
from tests.contract.case import as_of, handle, in_turn, softirq
from tests.support import Ground


def handler_takes_what_is_held_with_irqs_on(rt: Ground) -> None:
    lock = SpinLock("ring")

    def handler() -> None:
        with lock:
            pass

    def task() -> None:
        with lock:  # expect: DF003
            pass

    in_turn(rt, task)
    handle(rt, handler)


def handler_takes_what_is_held_with_irqs_off(rt: Ground) -> None:
    lock = SpinLock("ring")

    def handler() -> None:
        with lock:
            pass

    def task() -> None:
        with lock.irqsave():
            pass
        with local_irq_save(), lock:
            pass

    in_turn(rt, task)
    handle(rt, handler)


def irqs_on_again_too_early(rt: Ground) -> None:
    lock = SpinLock("ring")

    def handler() -> None:
        with lock:
            pass

    def task() -> None:
        with local_irq_save():
            lock.lock()  # expect: DF003
        lock.unlock()

    in_turn(rt, task)
    handle(rt, handler)


def inversion(rt: Ground) -> None:
    ring, stats = SpinLock("ring"), SpinLock("stats")

    def handler() -> None:
        with ring:
            pass

    def submit() -> None:
        with ring.irqsave(), stats:
            pass

    def show() -> None:
        with stats:  # expect: DF003
            pass

    handle(rt, handler)
    in_turn(rt, submit, show)


def no_inversion(rt: Ground) -> None:
    ring, stats = SpinLock("ring"), SpinLock("stats")

    def handler() -> None:
        with ring:
            pass

    def submit() -> None:
        with ring.irqsave(), stats:
            pass

    def show() -> None:
        with stats.irqsave():
            pass

    handle(rt, handler)
    in_turn(rt, submit, show)


def softirq_takes_what_is_held(rt: Ground) -> None:
    lock = SpinLock("pending")

    def callback() -> None:
        with lock:
            pass

    def task() -> None:
        with lock:  # expect: DF003
            pass

    softirq(rt, callback)
    in_turn(rt, task)


def softirq_takes_what_is_held_without_softirqs(rt: Ground) -> None:
    lock = SpinLock("pending")

    def callback() -> None:
        with lock:
            pass

    def task() -> None:
        with lock.bh():
            pass
        with local_bh_disable(), lock:
            pass

    softirq(rt, callback)
    in_turn(rt, task)


def softirqs_off_is_not_irqs_off(rt: Ground) -> None:
    lock = SpinLock("pending")

    def handler() -> None:
        with lock:
            pass

    def task() -> None:
        with lock.bh():  # expect: DF003
            pass

    in_turn(rt, task)
    handle(rt, handler)


def mutex_under_a_spinlock(_rt: Ground) -> None:
    spin, lock = SpinLock("spin"), Mutex("lock")
    with spin, contextlib.suppress(ContractViolation):
        lock.lock()  # expect: DF003


def mutex_tried_under_a_spinlock(_rt: Ground) -> None:
    spin, lock = SpinLock("spin"), Mutex("lock")
    with spin:
        if lock.trylock():
            lock.unlock()


def mutex_tried_in_a_handler(rt: Ground) -> None:
    lock = Mutex("lock")

    def handler() -> None:
        if lock.trylock():  # expect: DF003
            lock.unlock()

    handle(rt, handler)


def spinlock_inside_a_raw_one(_rt: Ground) -> None:
    raw, lock = RawSpinLock("raw"), SpinLock("A")
    with raw, lock:  # expect: DF003
        pass


def raw_spinlock_inside_a_spinlock(_rt: Ground) -> None:
    raw, lock = RawSpinLock("raw"), SpinLock("A")
    with lock, raw:
        pass


def raw_spinlocks_inside_each_other(_rt: Ground) -> None:
    outer, inner = RawSpinLock("outer"), RawSpinLock("inner")
    with outer, inner:
        pass


def spinlock_tried_inside_a_raw_one(_rt: Ground) -> None:
    raw, lock = RawSpinLock("raw"), SpinLock("A")
    with raw:
        if lock.trylock():
            lock.unlock()


def reader_inside_a_raw_spinlock(_rt: Ground) -> None:
    raw, lock = RawSpinLock("raw"), RwLock("A")
    with raw, lock.read():  # expect: DF003
        pass


@as_of(V6_12)
def spinlock_inside_a_raw_one_6_12(_rt: Ground) -> None:
    raw, lock = RawSpinLock("raw"), SpinLock("A")
    with raw, lock:
        pass


def signal_inside_a_raw_spinlock(_rt: Ground) -> None:
    raw, fence = RawSpinLock("raw"), Timeline("gpu").fence()
    with raw:
        fence.signal()  # expect: DF003
