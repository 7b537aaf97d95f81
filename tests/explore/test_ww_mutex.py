"""Acquire contexts under every schedule: what backs off never deadlocks, what does not is found."""

from __future__ import annotations

import pytest

from dmabuf import Machine, Shared, Status, check_design, design
from dmabuf.errors import WouldDeadlock
from dmabuf.machine import Design
from dmabuf.sync.ww_acquire import WwAcquire, ww_acquire
from dmabuf.sync.ww_mutex import WwMutex

ROUNDS = 4
"""An attempt more than there can be older contexts in the way of three tasks."""


def lock_all(ctx: WwAcquire, *locks: WwMutex) -> int:
    """Take all of them, backing off where needed; how many times it was."""
    slow: WwMutex | None = None
    for attempts in range(ROUNDS):
        try:
            for lock in locks:
                if lock is not slow:
                    ctx.lock(lock)
        except WouldDeadlock:
            ctx.unlock_all()
            slow = ctx.lock_slow()
        else:
            return attempts
    raise AssertionError("it gives way for ever")


@design
def two_contexts(machine: Machine) -> None:
    """Opposite orders; the older one never backs off."""
    a, b, inside = WwMutex("A"), WwMutex("B"), Shared(0, "inside")

    def take(*locks: WwMutex) -> None:
        with ww_acquire() as ctx:
            backed_off = lock_all(ctx, *locks)
            assert ctx.stamp > 1 or not backed_off
            assert inside.add(1) == 1
            inside.add(-1)

    machine.kthread(lambda: take(a, b), "ab")
    machine.kthread(lambda: take(b, a), "ba")


@design
def three_contexts(machine: Machine) -> None:
    """A ring of three."""
    locks = [WwMutex(name) for name in "ABC"]

    def take(first: int) -> None:
        with ww_acquire() as ctx:
            backed_off = lock_all(ctx, locks[first], locks[(first + 1) % 3])
            assert ctx.stamp > 1 or not backed_off

    for index, name in enumerate("abc"):
        machine.kthread(lambda i=index: take(i), name)


@design
def single_lock_beside(machine: Machine) -> None:
    """A lock without a context, by a task that holds nothing else, does no harm."""
    a, b = WwMutex("A"), WwMutex("B")

    def both() -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, a, b)

    def one() -> None:
        with b:
            pass

    machine.kthread(both)
    machine.kthread(one)


@design
def tries(machine: Machine) -> None:
    """A trylock in the wrong order does not wait, so nothing is wrong."""
    a, b = WwMutex("A"), WwMutex("B")

    def both() -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, a, b)

    def attempt() -> None:
        with b:
            if a.trylock():
                a.unlock()

    machine.kthread(both)
    machine.kthread(attempt)


@pytest.mark.slow
@pytest.mark.parametrize("fn", [two_contexts, three_contexts, single_lock_beside, tries])
def test_ww_mutex_backing_off_is_proved(fn: Design) -> None:
    """No schedule deadlocks, everybody gets through, and the oldest context never gives way."""
    verdict = check_design(fn, fn.__name__)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


@design
def ignores(machine: Machine) -> None:
    """Tries again at once, with the other lock still held."""
    a, b = WwMutex("A"), WwMutex("B")

    def take(*locks: WwMutex) -> None:
        with ww_acquire() as ctx:
            ctx.lock(locks[0])
            try:
                ctx.lock(locks[1])
            except WouldDeadlock:
                ctx.lock(locks[1])

    machine.kthread(lambda: take(a, b), "ab")
    machine.kthread(lambda: take(b, a), "ba")


@design
def lets_through(machine: Machine) -> None:
    """Does not expect it at all."""
    a, b = WwMutex("A"), WwMutex("B")

    def take(*locks: WwMutex) -> None:
        with ww_acquire() as ctx:
            for lock in locks:
                ctx.lock(lock)

    machine.kthread(lambda: take(a, b), "ab")
    machine.kthread(lambda: take(b, a), "ba")


@design
def without_context(machine: Machine) -> None:
    """The second lock knows of no context, so nobody gives way if that task is the younger."""
    a, b = WwMutex("A"), WwMutex("B")

    def mixed() -> None:
        with ww_acquire() as ctx:
            ctx.lock(a)
            with b:
                pass

    def both() -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, b, a)

    machine.kthread(mixed)
    machine.kthread(both)


@design
def two_single_locks(machine: Machine) -> None:
    """Opposite orders without contexts: as with mutexes."""
    a, b = WwMutex("A"), WwMutex("B")

    def one() -> None:
        with a, b:
            pass

    def other() -> None:
        with b, a:
            pass

    machine.kthread(one)
    machine.kthread(other)


@pytest.mark.parametrize(
    ("fn", "code", "words"),
    [
        (ignores, "DF204", "after WouldDeadlock without having unlocked"),
        (lets_through, "DF204", "gives way to an older acquire context"),
        (without_context, "DF204", "mixed locks B while it holds A"),
        (two_single_locks, "DF204", "without one acquire context"),
    ],
)
def test_ww_mutex_misuse_is_found(fn: Design, code: str, words: str) -> None:
    """The rule and the sentence say what was wrong."""
    verdict = check_design(fn, fn.__name__)

    found = [(one.code, one.message) for one in verdict.findings]
    assert code == found[0][0]
    assert words in found[0][1]
