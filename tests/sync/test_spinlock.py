"""spinlock_t: taken in any context, its holder is atomic."""

import pytest

from dmabuf.sync.completion import Completion
from dmabuf.sync.context import might_sleep
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def state(task):
    """Depths of atomic and irqs-off sections, and how many locks are held."""
    return task.atomic, task.irqs_off, len(task.held)


def test_spinlock_excludes(rt):
    """While one task is inside no other is, whatever the order of steps."""

    def main():
        lock, inside, worst = SpinLock("A"), Shared(0, "inside"), []

        def enter(section):
            for _ in range(5):
                with section():
                    worst.append(inside.add(1))
                    inside.add(-1)

        rt.spawn(lambda: enter(lambda: lock))
        rt.spawn(lambda: enter(lock.irqsave))
        rt.spawn(lambda: enter(lambda: lock))
        rt.settle()
        return worst

    assert [1] * 15 == rt.run(main)


def test_spinlock_holder_is_atomic(rt):
    """Preemption is off inside, interrupts are not, and both are as before afterwards."""

    def main():
        lock, task = SpinLock("A"), rt.current()
        with lock:
            inside = state(task), task.is_atomic, lock.is_locked()
        return inside, state(task), task.is_atomic, lock.is_locked()

    assert (((1, 0, 1), True, True), (0, 0, 0), False, False) == rt.run(main)


def test_spinlock_irqsave_turns_interrupts_off_and_restores(rt):
    """Sections nest: only the outermost turns interrupts on again."""

    def main():
        a, b, task = SpinLock("A"), SpinLock("B"), rt.current()
        seen = []
        with a.irqsave():
            seen.append(state(task))
            with b.irqsave():
                seen.append(state(task))
            seen.append(state(task))
        return [*seen, state(task)]

    assert [(1, 1, 1), (2, 2, 2), (1, 1, 1), (0, 0, 0)] == rt.run(main)


def test_spinlock_trylock_takes_a_free_one_only(rt):
    """True and atomic, or False and nothing changed."""

    def main():
        lock, seen = SpinLock("A"), []
        with lock:
            rt.spawn(lambda: seen.append((lock.trylock(), state(rt.current()))))
            rt.settle()
        seen.append((lock.trylock(), state(rt.current())))
        lock.unlock()
        return [*seen, state(rt.current())]

    assert [(False, (0, 0, 0)), (True, (1, 0, 1)), (0, 0, 0)] == rt.run(main)


def test_spinlock_waiters_spin_until_it_is_free(rt):
    """They wait without being atomic themselves, and get it one after the other."""

    def main():
        lock, order = SpinLock("A"), []

        def enter(name):
            with lock:
                order.append(name)

        with lock:
            for name in "BC":
                rt.spawn(lambda n=name: enter(n), name=name)
            rt.settle()
            waiting = rt.waiting()
        rt.settle()
        return waiting, sorted(order)

    assert ({"B": "spinlock.lock", "C": "spinlock.lock"}, ["B", "C"]) == rt.run(main)


@pytest.mark.parametrize("how", ["lock", "irqsave"])
def test_spinlock_taken_by_its_owner_is_reported(rt, how):
    """It would spin for ever."""

    def main():
        with SpinLock("A") as lock:
            if how == "lock":
                lock.lock()
            else:
                lock.irqsave().__enter__()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "main locks A, which it holds already" == message


@pytest.mark.parametrize("by", ["nobody", "another"])
def test_spinlock_unlock_by_somebody_else_is_reported(rt, by):
    """DF004 names who unlocks and who holds."""

    def main():
        lock = SpinLock("A")
        if by == "another":
            rt.spawn(lock.lock, name="another")
            rt.settle()
        lock.unlock()

    assert [("DF004", f"main unlocks A, which {by} holds")] == rt.reports(main)


@pytest.mark.parametrize("section", ["lock", "irqsave"])
def test_spinlock_holder_that_may_sleep_is_reported(rt, section):
    """DF003 names the lock that is held."""

    def main():
        lock = SpinLock("A")
        with lock if section == "lock" else lock.irqsave():
            might_sleep("a nap")

    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert "a nap may sleep, but main holds spinlock A" == message


def test_spinlock_is_taken_in_a_handler(rt):
    """Irq context is no reason not to."""

    def main():
        lock, seen = SpinLock("A"), []

        def handler():
            with lock:
                seen.append(rt.current().in_irq)

        IrqWork(handler).queue()
        rt.settle()
        return seen

    assert [True] == rt.run(main)


@pytest.mark.parametrize("section", ["lock", "irqsave"])
def test_spinlock_with_statement_unlocks_on_the_way_out(rt, section):
    """Also when the body raises, with interrupts and preemption as before."""

    def main():
        lock = SpinLock("A")
        with pytest.raises(KeyError), lock if section == "lock" else lock.irqsave():
            raise KeyError("x")
        return lock.owner, state(rt.current())

    assert (None, (0, 0, 0)) == rt.run(main)


def test_spinlock_out_of_order_unlock_is_fine(rt):
    """Locks need not be freed in reverse order."""

    def main():
        a, b, task = SpinLock("A"), SpinLock("B"), rt.current()
        a.lock()
        b.lock()
        a.unlock()
        inside = state(task), list(task.held) == [b]
        b.unlock()
        return inside, state(task)

    assert (((1, 0, 1), True), (0, 0, 0)) == rt.run(main)


def test_spinlock_of_another_task_does_not_make_one_atomic(rt):
    """Atomic is the holder, nobody else."""

    def main():
        lock, gate = SpinLock("A"), SpinLock("gate")
        gate.lock()

        def hold():
            with lock, gate:
                pass

        rt.spawn(hold)
        rt.settle()
        gate.unlock()
        Completion("never").wait(timeout=0)
        return rt.current().is_atomic

    assert rt.run(main) is False


def test_spinlock_names_itself(rt):
    """repr says who holds it."""

    def main():
        lock = SpinLock("A")
        free = repr(lock)
        with lock:
            return free, repr(lock)

    assert ("<SpinLock A free>", "<SpinLock A held by main>") == rt.run(main)
