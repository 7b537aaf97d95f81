"""DF202, DF108: locks and waits on the way to a signal."""

from __future__ import annotations

from dmabuf.contract.sections import V6_12
from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.sync.context import signalling
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.spinlock import SpinLock
from tests.contract.case import as_of, handle, in_turn
from tests.support import Ground


def lock_across_a_wait_and_before_a_signal(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, signaller, waiter)


def the_wait_first(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def signaller() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            fence.signal()

    in_turn(rt, waiter, signaller)


def lock_dropped_before_the_wait(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with lock:
                pass
            fence.signal()

    def waiter() -> None:
        with lock:
            pass
        fence.wait()

    in_turn(rt, signaller, waiter)


def lock_taken_before_the_section(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with lock:
            pass
        with signalling():
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, signaller, waiter)


def lock_tried_in_the_section(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            if lock.trylock():
                lock.unlock()
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, signaller, waiter)


def through_a_second_lock(rt: Ground) -> None:
    outer, inner, fence = Mutex("outer"), Mutex("inner"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with inner:  # expect: DF202
                pass
            fence.signal()

    def middle() -> None:
        with inner, outer:
            pass

    def waiter() -> None:
        with outer:
            fence.wait()

    in_turn(rt, signaller, middle, waiter)


def read_lock_across_a_wait(rt: Ground) -> None:
    sem, fence = RwSem("vm"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with sem.read():  # expect: DF202
                pass
            fence.signal()

    def waiter() -> None:
        with sem.read():
            fence.wait()

    in_turn(rt, signaller, waiter)


def wait_of_no_time(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    in_turn(rt, waiter, signaller)


def asking_only(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with lock:
                pass
            fence.signal()

    def asker() -> None:
        with lock:
            fence.is_signaled()

    in_turn(rt, asker, signaller)


def wait_any_counts(rt: Ground) -> None:
    lock, line = Mutex("A"), Timeline("gpu")
    fences = [line.fence(), line.fence()]

    def signaller() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            fences[0].signal()

    def waiter() -> None:
        with lock:
            wait_any(fences)

    in_turn(rt, signaller, waiter)


def wait_inside_a_section(_rt: Ground) -> None:
    line = Timeline("gpu")
    first, second = line.fence(), line.fence()
    first.signal()
    with signalling():
        first.wait()
        second.signal()


def wait_inside_a_nested_section(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with signalling(), signalling():
        fence.wait()


def lock_between_begin_and_wait(_rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.signal()
    with signalling(), lock:  # expect: DF202
        fence.wait()


def lock_between_that_is_dropped(_rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.signal()
    with signalling():
        with lock:
            pass
        fence.wait()


def section_under_a_lock_and_lock_in_a_section(rt: Ground) -> None:
    lock = Mutex("A")

    def one() -> None:
        with lock, signalling():
            pass

    def other() -> None:
        with signalling(), lock:
            pass

    in_turn(rt, one, other)


@as_of(V6_12)
def section_under_a_lock_and_lock_in_a_section_6_12(rt: Ground) -> None:
    lock = Mutex("A")

    def one() -> None:
        with lock, signalling():
            pass

    def other() -> None:
        with signalling(), lock:  # expect: DF202
            pass

    in_turn(rt, one, other)


@as_of(V6_12)
def lock_across_a_wait_6_12(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, signaller, waiter)


@as_of(V6_12)
def wait_inside_a_section_6_12(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with signalling():
        fence.wait()


def callback_takes_a_lock_held_across_adding(rt: Ground) -> None:
    lock, fence = SpinLock("ring"), Timeline("gpu").fence()

    def add() -> None:
        with lock.irqsave():
            fence.add_callback(lambda _fence: finish())

    def finish() -> None:
        with lock.irqsave():  # expect: DF001
            pass

    def signal() -> None:
        with signalling():
            fence.signal()

    in_turn(rt, add, signal)


def callback_takes_a_lock_of_its_own(rt: Ground) -> None:
    lock, fence = SpinLock("ring"), Timeline("gpu").fence()

    def add() -> None:
        fence.add_callback(lambda _fence: finish())

    def finish() -> None:
        with lock.irqsave():
            pass

    def signal() -> None:
        with signalling():
            fence.signal()

    in_turn(rt, add, signal)


def signal_in_a_handler(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def handler() -> None:
        with signalling():
            fence.signal()

    in_turn(rt, waiter)
    handle(rt, handler)


def section_waits_for_its_own_fence(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    with signalling():
        fence.wait(0)
        fence.signal()  # expect: DF108


def section_waits_for_an_earlier_fence(_rt: Ground) -> None:
    line = Timeline("gpu")
    earlier, own = line.fence(), line.fence()
    with signalling():
        earlier.wait(0)
        own.signal()


def signal_under_the_drivers_lock(rt: Ground) -> None:
    lock = SpinLock("ring")
    fence = Timeline("gpu", lock=lock).fence()
    fence.add_callback(lambda _fence: None)

    def handler() -> None:
        with lock.irqsave():
            fence.signal_locked()

    handle(rt, handler)


def look_under_the_drivers_lock(_rt: Ground) -> None:
    lock = SpinLock("ring")
    fence = Timeline("gpu", lock=lock).fence()
    with lock.irqsave():
        fence.signal_locked()
