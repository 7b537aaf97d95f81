"""struct mutex: one owner, sleeping waiters, first come first served."""

import pytest

from dmabuf.errors import Interrupted
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def test_mutex_excludes(rt):
    """While one task is inside no other is, whatever the order of steps."""

    def main():
        lock, inside, worst = Mutex("A"), Shared(0, "inside"), []

        def enter():
            for _ in range(5):
                with lock:
                    worst.append(inside.add(1))
                    inside.add(-1)

        for _ in range(3):
            rt.spawn(enter)
        rt.settle()
        return worst

    assert [1] * 15 == rt.run(main)


def test_mutex_knows_its_owner(rt):
    """Owned between lock and unlock, free before and after; the owner holds it on its list."""

    def main():
        lock, task = Mutex("A"), rt.current()
        seen = [(lock.is_locked(), lock.owner, list(task.held))]
        lock.lock()
        seen.append((lock.is_locked(), lock.owner is task, list(task.held) == [lock]))
        lock.unlock()
        return [*seen, (lock.is_locked(), lock.owner, list(task.held))]

    assert [(False, None, []), (True, True, True), (False, None, [])] == rt.run(main)


def test_mutex_hands_over_in_order_of_arrival(live):
    """The longest waiter gets it next (live only: explored, any of them may)."""

    def main():
        lock, order = Mutex("A"), []

        def enter(name):
            with lock:
                order.append(name)

        with lock:
            for name in "BCDE":
                live.spawn(lambda n=name: enter(n), name=name)
                live.settle()
        live.settle()
        return order

    assert list("BCDE") == live.run(main)


def test_mutex_is_given_to_a_waiter_before_its_last_owner_comes_back(live):
    """Handing over is at once: whoever unlocks and locks again waits (live only)."""

    def main():
        lock, order = Mutex("A"), []

        def enter():
            with lock:
                order.append("waiter")

        lock.lock()
        live.spawn(enter)
        live.settle()
        lock.unlock()
        with lock:
            order.append("main")
        return order

    assert ["waiter", "main"] == live.run(main)


def test_mutex_trylock_takes_a_free_one_only(rt):
    """True and held, or False and unchanged, never waiting."""

    def main():
        lock, seen = Mutex("A"), []
        with lock:
            rt.spawn(lambda: seen.append(lock.trylock()))
            rt.settle()
        taken = lock.trylock()
        owner = lock.owner is rt.current()
        again = lock.trylock()
        lock.unlock()
        return seen, taken, owner, again

    assert ([False], True, True, False) == rt.run(main)


@pytest.mark.parametrize("state", ["free", "another's", "unlocked twice"])
def test_mutex_unlock_by_somebody_else_is_reported(rt, state):
    """DF004 names who unlocks and who holds."""

    def main():
        lock = Mutex("A")
        if state == "another's":
            rt.spawn(lock.lock, name="holder")
            rt.settle()
        if state == "unlocked twice":
            lock.lock()
            lock.unlock()
        lock.unlock()

    holder = "holder" if state == "another's" else "nobody"
    assert [("DF004", f"main unlocks A, which {holder} holds")] == rt.reports(main)


def test_mutex_unlock_by_somebody_else_does_not_free_it(live):
    """The owner keeps it (live only: explored, the report is the end)."""
    seen = []

    def main():
        lock = Mutex("A")
        live.spawn(lock.lock, name="holder")
        live.settle()
        try:
            lock.unlock()
        finally:
            seen.append(lock.owner.name)

    live.reports(main)
    assert ["holder"] == seen


@pytest.mark.parametrize("call", ["lock", "lock_interruptible"])
def test_mutex_lock_by_its_owner_is_reported(rt, call):
    """It is not recursive."""

    def main():
        with Mutex("A") as lock:
            getattr(lock, call)()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "which it holds already" in message


@pytest.mark.parametrize("call", ["lock", "lock_interruptible"])
@pytest.mark.parametrize("where", ["spinlock", "irqs off", "handler"])
def test_mutex_lock_in_atomic_context_is_reported(rt, call, where):
    """It may sleep, even if it is free: DF003, saying why the task may not."""

    def main():
        take = getattr(Mutex("A"), call)
        if where == "handler":
            IrqWork(take).queue()
            rt.settle()
        else:
            with SpinLock("S") if where == "spinlock" else local_irq_save():
                take()

    why = {"spinlock": "holds spinlock S", "irqs off": "has interrupts off", "handler": "handler"}
    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert why[where] in message


def test_mutex_unlock_in_atomic_context_is_fine(rt):
    """Only what may sleep is refused."""

    def main():
        lock = Mutex("A")
        lock.lock()
        with SpinLock("S"):
            lock.unlock()
            return lock.is_locked()

    assert rt.run(main) is False


def test_mutex_lock_interruptible_ends_with_a_signal(rt):
    """The waiter gets Interrupted and not the lock."""

    def main():
        lock, seen = Mutex("A"), []

        def take():
            with pytest.raises(Interrupted):
                lock.lock_interruptible()
            seen.append(list(rt.current().held))

        with lock:
            waiter = rt.spawn(take)
            rt.settle()
            rt.interrupt(waiter)
            rt.settle()
        return seen, lock.is_locked()

    assert ([[]], False) == rt.run(main)


def test_mutex_lock_interruptible_takes_a_free_one_despite_a_signal(rt):
    """Nothing is waited for, so nothing is interrupted."""

    def main():
        rt.current().signal_pending = True
        lock = Mutex("A")
        lock.lock_interruptible()
        taken = lock.owner is rt.current()
        lock.unlock()
        return taken

    assert rt.run(main)


def test_mutex_lock_ignores_signals(rt):
    """The plain form waits on."""

    def main():
        lock = Mutex("A")
        with lock:
            waiter = rt.spawn(lambda: lock.lock() or lock.unlock(), name="waiter")
            rt.settle()
            rt.interrupt(waiter)
            rt.settle()
            return rt.waiting()

    assert {"waiter": "mutex.lock"} == rt.run(main)


def test_mutex_with_statement_unlocks_on_the_way_out(rt):
    """Also when the body raises."""

    def main():
        lock = Mutex("A")
        with pytest.raises(KeyError), lock:
            raise KeyError("x")
        return lock.is_locked()

    assert rt.run(main) is False


@pytest.mark.parametrize("who", ["nobody", "another", "itself"])
def test_mutex_assert_held_is_about_the_caller(rt, who):
    """Only a lock of one's own will do."""

    def main():
        lock = Mutex("A")
        if who == "another":
            rt.spawn(lock.lock)
            rt.settle()
        if who == "itself":
            lock.lock()
        lock.assert_held()

    assert ([] if who == "itself" else ["DF004"]) == [code for code, _ in rt.reports(main)]


def test_mutex_names_itself(rt):
    """repr says who holds it."""

    def main():
        lock = Mutex("A")
        free = repr(lock)
        with lock:
            return free, repr(lock)

    assert ("<Mutex A free>", "<Mutex A held by main>") == rt.run(main)


@pytest.mark.parametrize("held", [True, False])
def test_mutex_destroyed_while_held_warns(rt, held):
    """Its holder is named; one that nobody holds goes in silence."""

    def main():
        lock = Mutex("A")
        if held:
            lock.lock()
        lock.destroy()

    assert [("DF004", "main destroys A, which main holds")] * held == rt.reports(main)
