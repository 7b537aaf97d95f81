"""DF004, DF206: primitives and annotations not used as documented."""

from __future__ import annotations

import contextlib

from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation
from dmabuf.sync.context import begin_signalling, end_signalling, signalling
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from tests.contract.case import in_turn
from tests.support import Ground


def end_without_begin(_rt: Ground) -> None:
    end_signalling(False)  # expect: DF004


def inner_end_with_the_outer_cookie(_rt: Ground) -> None:
    cookie = begin_signalling()
    begin_signalling()
    end_signalling(cookie)  # expect: DF004


def cookies_in_order(_rt: Ground) -> None:
    outer = begin_signalling()
    inner = begin_signalling()
    end_signalling(inner)
    end_signalling(outer)


def section_in_atomic_context(_rt: Ground) -> None:
    with SpinLock("ring"), signalling():
        pass


def initialised_again_while_held(_rt: Ground) -> None:
    lock = Mutex("A")
    with lock:
        try:
            lock.__init__("A")  # type: ignore[misc]  # expect: DF004
        finally:
            lock.owner = _rt.current()


def initialised_again_while_free(_rt: Ground) -> None:
    lock = Mutex("A")
    with lock:
        pass
    lock.__init__("A")  # type: ignore[misc]
    with lock:
        pass


def destroyed_while_held(_rt: Ground) -> None:
    lock = Mutex("A")
    lock.lock()
    try:
        lock.destroy()  # expect: DF004
    finally:
        lock.unlock()


def destroyed_when_free(_rt: Ground) -> None:
    lock = Mutex("A")
    with lock:
        pass
    lock.destroy()


def freed_by_another(rt: Ground) -> None:
    lock = Mutex("A")

    def other() -> None:
        with contextlib.suppress(ContractViolation):
            lock.unlock()  # expect: DF004

    with lock:
        in_turn(rt, other)


def wait_in_atomic_context(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with SpinLock("ring"), contextlib.suppress(ContractViolation):
        fence.wait()  # expect: DF206


def wait_any_in_atomic_context(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with SpinLock("ring"), contextlib.suppress(ContractViolation):
        wait_any([fence])  # expect: DF206


def asking_in_atomic_context(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    with SpinLock("ring"):
        fence.is_signaled()


def ended_inside_a_section(rt: Ground) -> None:
    def forgetful() -> None:
        begin_signalling()  # expect: DF004

    in_turn(rt, forgetful)
