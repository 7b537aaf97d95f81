"""rwlock_t: readers share, writers exclude, handlers read past waiting writers."""

import pytest

from dmabuf.sync.context import might_sleep
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.shared import Shared

SECTIONS = ["read", "write", "read_irqsave", "write_irqsave"]


def state(task):
    """Depths of atomic and irqs-off sections, and how many locks are held."""
    return task.atomic, task.irqs_off, len(task.held)


def queue_up(rt, lock, names, order):
    """Let tasks queue one after the other: "r1" reads, "w1" writes; each notes that it is in."""

    def enter(name):
        with lock.read() if name[0] == "r" else lock.write():
            order.append(name)

    for name in names:
        rt.spawn(lambda n=name: enter(n), name=name)
        rt.settle()


def test_rwlock_writers_exclude_everybody(rt):
    """While a writer is inside nobody else is, whatever the order of steps."""

    def main():
        lock, inside, seen = RwLock("L"), Shared(0, "inside"), []

        def write():
            for _ in range(3):
                with lock.write():
                    seen.append(inside.add(10))
                    inside.add(-10)

        def read():
            for _ in range(3):
                with lock.read():
                    seen.append(inside.add(1) // 10)
                    inside.add(-1)

        for body in (write, read, write, read):
            rt.spawn(body)
        rt.settle()
        return sorted(seen)

    assert [0] * 6 + [10] * 6 == rt.run(main)


@pytest.mark.parametrize("section", SECTIONS)
def test_rwlock_holder_is_atomic(rt, section):
    """Preemption is off inside, interrupts if asked, and both are as before afterwards."""

    def main():
        lock, task = RwLock("L"), rt.current()
        with getattr(lock, section)():
            inside = state(task)
        return inside, state(task)

    assert ((1, int("irqsave" in section), 1), (0, 0, 0)) == rt.run(main)


@pytest.mark.parametrize("section", SECTIONS)
def test_rwlock_waiter_spins(rt, section):
    """It cannot be preempted (nor interrupted, if asked so) and holds nothing yet."""

    def main():
        lock = RwLock("L")

        def enter():
            with getattr(lock, section)():
                pass

        with lock.write():
            waiter = rt.spawn(enter, name="waiter")
            rt.settle()
            during = state(waiter), rt.waiting(), lock.is_contended()
        rt.settle()
        return during, state(waiter), lock.is_contended()

    spinning = (1, int("irqsave" in section), 0), {"waiter": "rwlock.spin"}, True
    assert (spinning, (0, 0, 0), False) == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "arrivals", "expected"),
    [
        pytest.param("write", ["w1", "w2", "w3"], ["w1", "w2", "w3"], id="writers in order"),
        pytest.param("read", ["w1", "r1"], ["w1", "r1"], id="a reader behind a waiting writer"),
        pytest.param("write", ["w1", "r1", "w2"], ["w1", "r1", "w2"], id="strictly by arrival"),
    ],
)
def test_rwlock_lets_in_by_arrival(rt, holder, arrivals, expected):
    """In process context nobody passes anybody."""

    def main():
        lock, order = RwLock("L"), []
        with getattr(lock, holder)():
            queue_up(rt, lock, arrivals, order)
            assert order == []
        rt.settle()
        return order

    assert expected == rt.run(main)


def test_rwlock_handler_reads_past_a_waiting_writer(rt):
    """It waits for a writer inside only, as it may have interrupted a reader."""

    def main():
        lock, order = RwLock("L"), []

        def handler():
            with lock.read():
                order.append("handler")

        with lock.read():
            queue_up(rt, lock, ["w1"], order)
            IrqWork(handler).queue()
            rt.settle()
        rt.settle()
        return order

    assert ["handler", "w1"] == rt.run(main)


def test_rwlock_handler_waits_for_a_writer_inside(rt):
    """A handler that reads spins while somebody writes, outside the queue."""

    def main():
        lock, order = RwLock("L"), []

        def handler():
            with lock.read():
                order.append("handler")

        with lock.write():
            IrqWork(handler).queue()
            rt.settle()
            seen = list(order), lock.is_contended()
        rt.settle()
        return seen, order

    assert (([], False), ["handler"]) == rt.run(main)


@pytest.mark.parametrize("how", ["read", "write"])
def test_rwlock_trylock_fails_while_a_writer_waits(rt, how):
    """Trying does not pass the queue, and a failure changes nothing."""

    def main():
        lock, task = RwLock("L"), rt.current()
        with lock.read():
            queue_up(rt, lock, ["w1"], [])
            during = getattr(lock, f"{how}_trylock")(), state(task)
        rt.settle()
        after = getattr(lock, f"{how}_trylock")(), state(task)
        getattr(lock, f"{how}_unlock")()
        return during, after, state(task)

    assert ((False, (1, 0, 1)), (True, (1, 0, 1)), (0, 0, 0)) == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "attempt", "expected"),
    [
        ("read", "read", True),
        ("read", "write", False),
        ("write", "read", False),
        ("write", "write", False),
    ],
)
def test_rwlock_trylock_takes_what_is_compatible(rt, holder, attempt, expected):
    """Readers share and nothing else."""

    def main():
        lock, seen = RwLock("L"), []

        def other():
            seen.append(getattr(lock, f"{attempt}_trylock")())
            seen.append(state(rt.current()))
            if seen[0]:
                lock.read_unlock()

        with getattr(lock, holder)():
            rt.spawn(other)
            rt.settle()
        return seen

    assert [expected, (int(expected), 0, int(expected))] == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "section"),
    [("write", "read"), ("write", "write_irqsave"), ("read", "write"), ("write", "read_irqsave")],
)
def test_rwlock_taken_by_its_holder_is_reported(rt, holder, section):
    """It would spin for itself."""

    def main():
        lock = RwLock("L")
        with getattr(lock, holder)():
            getattr(lock, section)().__enter__()

    assert [("DF004", "main locks L, which it holds already")] == rt.reports(main)


@pytest.mark.parametrize(
    ("holder", "call", "message"),
    [
        ("", "read_unlock", "main unlocks L for reading, which nobody holds"),
        ("", "write_unlock", "main unlocks L for writing, which nobody holds"),
        ("read_lock", "read_unlock", "main unlocks L for reading, which other holds"),
        ("write_lock", "write_unlock", "main unlocks L for writing, which other holds"),
    ],
)
def test_rwlock_unlocked_by_somebody_else_is_reported(rt, holder, call, message):
    """DF004 names who unlocks and who holds."""

    def main():
        lock = RwLock("L")
        if holder:
            rt.spawn(getattr(lock, holder))
            rt.settle()
        getattr(lock, call)()

    assert [("DF004", message)] == rt.reports(main)


@pytest.mark.parametrize("section", SECTIONS)
def test_rwlock_holder_that_may_sleep_is_reported(rt, section):
    """DF003 names the lock that is held, also by a reader."""

    def main():
        with getattr(RwLock("L"), section)():
            might_sleep("a nap")

    assert [("DF003", "a nap may sleep, but main holds spinlock L")] == rt.reports(main)


@pytest.mark.parametrize("section", SECTIONS)
def test_rwlock_with_statement_unlocks_on_the_way_out(rt, section):
    """Also when the body raises, with interrupts and preemption as before."""

    def main():
        lock = RwLock("L")
        with pytest.raises(KeyError), getattr(lock, section)():
            raise KeyError("x")
        return lock.holders, state(rt.current())

    assert ((), (0, 0, 0)) == rt.run(main)


def test_rwlock_names_itself(rt):
    """repr says who holds it and how."""

    def main():
        lock = RwLock("L")
        seen = [repr(lock)]
        with lock.read():
            seen.append(repr(lock))
        with lock.write():
            seen.append(repr(lock))
        return seen

    expected = ["<RwLock L free>", "<RwLock L read by main>", "<RwLock L written by main>"]
    assert expected == rt.run(main)
