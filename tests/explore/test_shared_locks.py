"""Locks with several holders under every schedule: which designs deadlock, and who is named."""

from __future__ import annotations

import pytest

from dmabuf import Completion, Machine, Shared, Status, Timeline, check_design, design
from dmabuf.explore.check import Budget
from dmabuf.machine import Design
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore


@design
def reads_twice(machine: Machine) -> None:
    """A writer that comes in between waits for the reader and makes it wait."""
    sem = RwSem("mmap_lock")

    def fault() -> None:
        with sem.read(), sem.read():
            pass

    def mmap() -> None:
        with sem.write():
            pass

    machine.kthread(fault)
    machine.kthread(mmap)


@design
def spins_twice(machine: Machine) -> None:
    """The same with a spinning lock in process context."""
    lock = RwLock("tasklist")

    def walk() -> None:
        with lock.read(), lock.read():
            pass

    def fork() -> None:
        with lock.write_irqsave():
            pass

    machine.kthread(walk)
    machine.kthread(fork)


@design
def opposite_orders(machine: Machine) -> None:
    """Each reads what the other wants to write."""
    a, b = RwSem("A"), RwSem("B")

    def one() -> None:
        with a.read(), b.write():
            pass

    def other() -> None:
        with b.read(), a.write():
            pass

    machine.kthread(one)
    machine.kthread(other)


@design
def second_reader_waits(machine: Machine) -> None:
    """The cycle goes through the second of two readers."""
    sem, done = RwSem("S"), RwSem("T")
    both = Completion("both")

    def harmless() -> None:
        with sem.read():
            both.complete()

    def reader() -> None:
        with sem.read(), done.write():
            pass

    def writer() -> None:
        both.wait()
        with done.write(), sem.write():
            pass

    machine.kthread(harmless)
    machine.kthread(reader)
    machine.kthread(writer)


@design
def reader_waits_for_fence(machine: Machine) -> None:
    """A fence wait under the read side, and a write on the way to the signal."""
    sem, fence = RwSem("vm"), Timeline("gpu").fence()

    def evict() -> None:
        with sem.read():
            fence.wait()

    def retire() -> None:
        with sem.write():
            pass
        fence.signal()

    machine.kthread(evict)
    machine.kthread(retire)


@design
def handler_writes(machine: Machine) -> None:
    """The handler spins for the reader that it has interrupted."""
    lock = RwLock("list")

    def handle() -> None:
        with lock.write():
            pass

    line = machine.irq(handle, "line")

    def walk() -> None:
        with lock.read():
            line.raise_irq()

    machine.kthread(walk)


@design
def keeps_reading(machine: Machine) -> None:
    """A reader ends without unlocking."""
    sem = RwSem("S")
    machine.kthread(sem.down_read, "reader")


@pytest.mark.parametrize(
    ("fn", "code", "message"),
    [
        (
            reads_twice,
            "DF001",
            "fault waits for mmap_lock, mmap waits for mmap_lock",
        ),
        (spins_twice, "DF001", "fork waits for tasklist, walk waits for tasklist"),
        (opposite_orders, "DF001", "one waits for B, other waits for A"),
        (second_reader_waits, "DF001", "reader waits for T, writer waits for S"),
        (
            reader_waits_for_fence,
            "DF202",
            (
                "evict holds vm while it waits for fence gpu:1; "
                "retire needs vm on the way to that signal"
            ),
        ),
        (
            handler_writes,
            "DF003",
            "a handler spins for list, which the task that it interrupted holds",
        ),
        (keeps_reading, "DF004", "reader ended while it held S"),
    ],
)
def test_shared_locks_deadlock_is_found(fn: Design, code: str, message: str) -> None:
    """The rule and the sentence name the tasks that wait for each other."""
    verdict = check_design(fn, fn.__name__)

    found = [(one.code, one.message) for one in verdict.findings]
    assert [(code, message)] == found[:1]


@design
def handler_reads(machine: Machine) -> None:
    """A handler reads what the interrupted task reads, past the writer that waits."""
    lock = RwLock("list")

    def handle() -> None:
        with lock.read():
            pass

    line = machine.irq(handle, "line")

    def walk() -> None:
        with lock.read():
            line.raise_irq()

    def add() -> None:
        with lock.write_irqsave():
            pass

    machine.kthread(walk)
    machine.kthread(add)


@design
def two_slots(machine: Machine) -> None:
    """Never more than the count inside."""
    slots, inside = Semaphore(2, "slots"), Shared(0, "inside")

    def enter() -> None:
        slots.down()
        assert inside.add(1) <= 2
        inside.add(-1)
        slots.up()

    for name in ("a", "b", "c"):
        machine.kthread(enter, name)


@design
def downgraded(machine: Machine) -> None:
    """Nobody writes between a write and the reading that follows its downgrade."""
    sem, cell = RwSem("S"), Shared(0, "cell")

    def writer(value: int) -> None:
        with sem.write():
            cell.write(value)
            sem.downgrade_write()
            assert cell.read() == value

    machine.kthread(lambda: writer(1), "one")
    machine.kthread(lambda: writer(2), "two")


@design
def one_order(machine: Machine) -> None:
    """Two locks in one order, in whichever mode."""
    a, b = RwSem("A"), RwSem("B")

    def one() -> None:
        with a.read(), b.write():
            pass

    def other() -> None:
        with a.write(), b.read():
            pass

    machine.kthread(one)
    machine.kthread(other)


@pytest.mark.parametrize("fn", [handler_reads, two_slots, downgraded, one_order])
def test_shared_locks_correct_design_is_proved(fn: Design) -> None:
    """No schedule of these goes wrong, and all were tried."""
    verdict = check_design(fn, fn.__name__)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


@design
def deadlocks_beside_a_loop(machine: Machine) -> None:
    """Two tasks wait for each other while a third goes on for ever."""
    a, b, ticks = RwSem("A"), RwSem("B"), Shared(0, "ticks")

    def one() -> None:
        with a.read(), b.write():
            pass

    def other() -> None:
        with b.read(), a.write():
            pass

    def tick() -> None:
        while True:
            ticks.write(1)

    machine.kthread(one)
    machine.kthread(other)
    machine.kthread(tick)


@design
def cycle_through_the_second_reader(machine: Machine) -> None:
    """The first reader goes on for ever; the second waits for the writer that waits for both."""
    a, b = RwSem("A"), RwSem("B")
    first, ticks = Completion("first"), Shared(0, "ticks")

    def forever() -> None:
        with a.read():
            first.complete()
            while True:
                ticks.write(1)

    def reader() -> None:
        first.wait()
        with a.read(), b.write():
            pass

    def writer() -> None:
        with b.write(), a.write():
            pass

    machine.kthread(forever)
    machine.kthread(reader)
    machine.kthread(writer)


@pytest.mark.parametrize("fn", [deadlocks_beside_a_loop, cycle_through_the_second_reader])
def test_shared_locks_cycle_is_found_in_a_run_without_end(fn: Design) -> None:
    """Readers and queued writers are definite, so nothing needs to come to rest."""
    budget = Budget(seconds=None, executions=200)

    verdict = check_design(fn, fn.__name__, budget=budget)

    assert "DF001" in [one.code for one in verdict.findings]
