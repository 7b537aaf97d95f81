"""struct semaphore: a count, first come first served, no owner."""

import pytest

from dmabuf.errors import Interrupted
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def test_semaphore_lets_in_so_many(rt):
    """Never more inside than the count, whatever the order of steps."""

    def main():
        slots, inside, seen = Semaphore(2, "slots"), Shared(0, "inside"), []

        def enter():
            for _ in range(3):
                slots.down()
                seen.append(inside.add(1))
                inside.add(-1)
                slots.up()

        for _ in range(4):
            rt.spawn(enter)
        rt.settle()
        return max(seen) <= 2, len(seen), slots.count

    assert (True, 12, 2) == rt.run(main)


def test_semaphore_serves_in_order_of_arrival(rt):
    """Each up lets in the longest waiter, and only that."""

    def main():
        slots, order = Semaphore(0, "slots"), []
        for name in "BCD":
            rt.spawn(lambda n=name: slots.down() or order.append(n), name=name)
            rt.settle()
        seen = []
        for _ in range(3):
            slots.up()
            rt.settle()
            seen.append("".join(order))
        return seen, slots.count

    assert (["B", "BC", "BCD"], 0) == rt.run(main)


def test_semaphore_up_belongs_to_the_waiter(rt):
    """What was given to a waiter nobody else can take."""

    def main():
        slots, got = Semaphore(0, "slots"), []
        rt.spawn(lambda: slots.down() or got.append("waiter"))
        rt.settle()
        slots.up()
        taken = slots.down_trylock()
        rt.settle()
        return taken, got

    assert (False, ["waiter"]) == rt.run(main)


def test_semaphore_trylock_never_waits(rt):
    """True while the count lasts."""

    def main():
        slots = Semaphore(2, "slots")
        return [slots.down_trylock() for _ in range(3)]

    assert [True, True, False] == rt.run(main)


def test_semaphore_up_by_anybody_counts(rt):
    """Also by a handler that never went in, under a spinlock, and beyond the first count."""

    def main():
        slots = Semaphore(0, "slots")
        IrqWork(slots.up).queue()
        slots.down()
        with SpinLock("spin"):
            slots.up()
            slots.up()
        return slots.count, rt.current().held

    assert (2, {}) == rt.run(main)


@pytest.mark.parametrize("timeout", [0.0, 0.001])
def test_semaphore_timeout_leaves_the_queue(rt, timeout):
    """False, and a later up is not lost on whoever gave up."""

    def main():
        slots = Semaphore(0, "slots")
        in_time = slots.down_timeout(timeout)
        slots.up()
        return in_time, slots.count, slots.down_timeout(timeout)

    assert (False, 1, True) == rt.run(main)


def test_semaphore_down_in_time(rt):
    """True if an up comes before the time has run out."""

    def main():
        slots, seen = Semaphore(0, "slots"), []
        rt.spawn(lambda: seen.append(slots.down_timeout(60.0)))
        rt.settle()
        slots.up()
        rt.settle()
        return seen

    assert [True] == rt.run(main)


def test_semaphore_signal_ends_the_interruptible_wait(rt):
    """Interrupted, and out of the queue."""

    def main():
        slots, seen = Semaphore(0, "slots"), []

        def take():
            with pytest.raises(Interrupted):
                slots.down_interruptible()
            seen.append(dict(slots.queue))

        waiter = rt.spawn(take)
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        slots.up()
        return seen, slots.count

    assert ([{}], 1) == rt.run(main)


def test_semaphore_plain_wait_ignores_signals(rt):
    """The plain form waits on."""

    def main():
        slots = Semaphore(0, "slots")
        waiter = rt.spawn(slots.down, name="waiter")
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        seen = rt.waiting()
        slots.up()
        return seen

    assert {"waiter": "semaphore.wait"} == rt.run(main)


@pytest.mark.parametrize("call", ["down", "down_interruptible", "down_timeout"])
def test_semaphore_down_in_atomic_context_is_reported(rt, call):
    """It may sleep, even if the count is positive: DF003."""

    def main():
        slots = Semaphore(1, "slots")
        with SpinLock("spin"):
            getattr(slots, call)(*([1.0] if call == "down_timeout" else []))

    expected = f"{call} of slots may sleep, but main holds spinlock spin"
    assert [("DF003", expected)] == rt.reports(main)


def test_semaphore_counts_from_zero():
    """A negative count is refused."""
    with pytest.raises(ValueError, match="from 0 up"):
        Semaphore(-1)


def test_semaphore_names_itself(rt):
    """repr says how many may go in."""
    assert "<Semaphore slots count=2 waiters=0>" == rt.run(lambda: repr(Semaphore(2, "slots")))
