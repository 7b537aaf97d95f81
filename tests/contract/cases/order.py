"""DF001: locks that are taken in an order without a beginning."""

from __future__ import annotations

import contextlib

from dmabuf.errors import ContractViolation, Interrupted, WouldDeadlock
from dmabuf.sync.lockdep import (
    lock_nest_lock,
    lock_nested,
    lockdep_set_class,
    lockdep_set_subclass,
    might_lock,
)
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.ww_acquire import WwAcquire, WwClass
from dmabuf.sync.ww_mutex import WwMutex
from tests.contract.case import in_turn
from tests.support import Ground


def two_locks_both_ways(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        with b, a:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def two_locks_one_way(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def first() -> None:
        with a, b:
            pass

    def second() -> None:
        with a:
            pass
        with b:
            pass
        with a, b:
            pass

    in_turn(rt, first, second)


def through_a_third_lock(rt: Ground) -> None:
    a, b, c = Mutex("A"), Mutex("B"), Mutex("C")

    def first() -> None:
        with a, b:
            pass

    def second() -> None:
        with b, c:
            pass

    def third() -> None:
        with c, a:  # expect: DF001
            pass

    in_turn(rt, first, second, third)


def mutex_and_rwsem(rt: Ground) -> None:
    a, sem = Mutex("A"), RwSem("sem")

    def reader() -> None:
        with sem.read(), a:
            pass

    def other() -> None:
        with a, sem.read():  # expect: DF001
            pass

    in_turn(rt, reader, other)


def spinlocks_both_ways(rt: Ground) -> None:
    a, b = SpinLock("A"), SpinLock("B")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        with b, a:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def trylock_the_other_way(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        with b:
            if a.trylock():
                a.unlock()

    in_turn(rt, forward, backward)


def trylock_then_lock(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        assert b.trylock()
        with a:  # expect: DF001
            pass
        b.unlock()

    in_turn(rt, forward, backward)


def _make(name: str) -> Mutex:
    return Mutex(name)


def two_of_one_class(_rt: Ground) -> None:
    a, b = _make("A"), _make("B")
    with a, b:  # expect: DF001
        pass


def two_of_one_class_apart(_rt: Ground) -> None:
    a, b = _make("A"), _make("B")
    with a:
        pass
    with b:
        pass


def two_of_one_class_on_two_levels(_rt: Ground) -> None:
    parent, child = _make("parent"), _make("child")
    with parent:
        lock_nested(child, 1)
        child.unlock()


def levels_both_ways(_rt: Ground) -> None:
    parent, child = _make("parent"), _make("child")
    with parent:
        lock_nested(child, 1)
        child.unlock()
    lock_nested(child, 1)
    with parent:  # expect: DF001
        pass
    child.unlock()


def many_of_one_class_under_another(_rt: Ground) -> None:
    outer = Mutex("all of them")
    children = [_make("child") for _ in range(3)]
    with outer:
        for child in children:
            lock_nest_lock(child, outer)
        for child in children:
            child.unlock()


def nest_lock_that_is_not_held(_rt: Ground) -> None:
    outer, child = Mutex("all of them"), _make("child")
    lock_nest_lock(child, outer)  # expect: DF004
    child.unlock()


def one_line_two_classes(_rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")
    with a, b:
        pass


def one_key_for_both(_rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")
    for lock in (a, b):
        lockdep_set_class(lock, "bo")
    with a, b:  # expect: DF001
        pass


def another_key_for_one(_rt: Ground) -> None:
    a, b = _make("A"), _make("B")
    lockdep_set_class(b, "special")
    with a, b:
        pass


def classes_not_instances(rt: Ground) -> None:
    first, second = Mutex("first"), [_make("one"), _make("other")]

    def forward() -> None:
        with first, second[0]:
            pass

    def backward() -> None:
        with second[1], first:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def might_lock_is_enough(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def forward() -> None:
        with a:
            might_lock(b)

    def backward() -> None:
        with b, a:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def hand_over_hand(rt: Ground) -> None:
    a, b, c = Mutex("A"), Mutex("B"), Mutex("C")

    def walk() -> None:
        a.lock()
        b.lock()
        a.unlock()
        c.lock()
        b.unlock()
        c.unlock()

    def other() -> None:
        with a, c:
            pass

    in_turn(rt, walk, other)


def interrupted_before_it_had_the_lock(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def impatient() -> None:
        with contextlib.suppress(Interrupted):
            a.lock_interruptible()
        with b:
            pass

    def other() -> None:
        with b, a:
            pass

    with a:
        task = rt.spawn(impatient, name="impatient")
        rt.settle()
        rt.interrupt(task)
        rt.settle()
    in_turn(rt, other)


def interrupted_before_it_had_the_semaphore(rt: Ground) -> None:
    a, b = RwSem("A"), Mutex("B")

    def impatient() -> None:
        with contextlib.suppress(Interrupted):
            a.down_read(interruptible=True)
        with b:
            pass

    def other() -> None:
        with b, a.write():
            pass

    with a.write():
        task = rt.spawn(impatient, name="impatient")
        rt.settle()
        rt.interrupt(task)
        rt.settle()
    in_turn(rt, other)


def gave_way_before_it_had_the_lock(rt: Ground) -> None:
    family = WwClass("family")
    a, b, lock = WwMutex("a", family), WwMutex("b", family), Mutex("lock")
    older = WwAcquire(family)

    def gives_way() -> None:
        with WwAcquire(family) as younger, contextlib.suppress(WouldDeadlock):
            younger.lock(b)
            younger.lock(a)
        with lock:
            pass

    older.lock(a)
    in_turn(rt, gives_way)
    older.unlock_all()
    with lock, a:
        pass


def two_sites_of_one_ww_class(rt: Ground) -> None:
    family = WwClass("family")
    a = WwMutex("a", family)
    b = WwMutex("b", family)
    lock = Mutex("lock")

    def forward() -> None:
        with a, lock:
            pass

    def backward() -> None:
        with lock, b:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def destroyed_while_held(_rt: Ground) -> None:
    lock = WwMutex("a", WwClass("family"))
    with lock, contextlib.suppress(ContractViolation):
        lock.destroy()  # expect: DF004


def levels_said_beforehand(rt: Ground) -> None:
    outer, inner = (Mutex(name) for name in "ab")
    lockdep_set_class(outer, "tree")
    lockdep_set_class(inner, "tree")
    lockdep_set_subclass(inner, 1)

    def walk() -> None:
        with outer, inner:
            pass

    in_turn(rt, walk)
