"""What a task holds, and assertions about it: each warns exactly when it is false."""

import pytest

from dmabuf.sync import lockdep
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.lockdep import Hold, lock_is_held
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.spinlock import SpinLock

SECTIONS = {
    "mutex": (lambda: Mutex("A"), lambda lock: lock, Hold.WRITE),
    "spinlock": (lambda: SpinLock("A"), lambda lock: lock, Hold.WRITE),
    "rwsem read": (lambda: RwSem("A"), lambda lock: lock.read(), Hold.READ),
    "rwsem write": (lambda: RwSem("A"), lambda lock: lock.write(), Hold.WRITE),
    "rwlock read": (lambda: RwLock("A"), lambda lock: lock.read(), Hold.READ),
    "rwlock write": (lambda: RwLock("A"), lambda lock: lock.write(), Hold.WRITE),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_lockdep_knows_how_a_lock_is_held(rt, section):
    """One answer for every kind of lock: not, for reading, for writing; of the task asked."""
    make, enter, how = SECTIONS[section]

    def main():
        lock, seen = make(), []
        seen.append(lock_is_held(lock))
        with enter(lock):
            me = rt.current()
            seen.append(lock_is_held(lock))
            rt.spawn(lambda: seen.extend([lock_is_held(lock), lock_is_held(lock, me)]))
            rt.settle()
        return [*seen, lock_is_held(lock)]

    assert [Hold.NONE, how, Hold.NONE, how, Hold.NONE] == rt.run(main)


def test_lockdep_reader_downgraded_holds_for_reading(rt):
    """The answer follows a downgrade."""

    def main():
        sem = RwSem("A")
        with sem.write():
            sem.downgrade_write()
            return lock_is_held(sem)

    assert Hold.READ is rt.run(main)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("name", "holds_for"),
    [
        ("assert_held", {Hold.READ, Hold.WRITE}),
        ("assert_held_read", {Hold.READ}),
        ("assert_held_write", {Hold.WRITE}),
        ("assert_not_held", {Hold.NONE}),
    ],
)
def test_lockdep_assertion_is_about_how_it_is_held(rt, section, name, holds_for):
    """It warns exactly if the caller holds the lock in no way that is asserted."""
    make, enter, how = SECTIONS[section]

    def main():
        lock = make()
        with enter(lock):
            getattr(lockdep, name)(lock)

    assert ([] if how in holds_for else ["DF004"]) == [code for code, _ in rt.reports(main)]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("assert_held", "relies on A, which it does not hold"),
        ("assert_held_read", "relies on A, which it does not hold for reading"),
        ("assert_held_write", "relies on A, which it does not hold for writing"),
    ],
)
def test_lockdep_message_names_the_task_and_what_it_holds(rt, name, what):
    """Held by another does not count; the locks of one's own are listed with their mode."""

    def main():
        lock = RwSem("A")
        rt.spawn(lock.down_read)
        rt.settle()
        with RwSem("B").read(), Mutex("C"):
            getattr(lockdep, name)(lock)

    assert [("DF004", f"main {what}; it holds B (read), C")] == rt.reports(main)


def test_lockdep_mutex_method_is_the_same_assertion(rt):
    """`Mutex.assert_held` asks in the same place."""
    expected = [("DF004", "main relies on A, which it does not hold; it holds no lock")]
    assert expected == rt.reports(lambda: Mutex("A").assert_held())


def test_lockdep_assertion_once_warns_once(live):
    """Of one line of code; another line warns again (live: explored, a report is the end)."""

    def main():
        lock = Mutex("A")
        for _ in range(3):
            lockdep.assert_held(lock, once=True)
        lockdep.assert_held(lock, once=True)

    assert 2 == len(live.reports(main))


def test_lockdep_none_held_is_about_all_locks(rt):
    """Any lock of the caller's fails it."""

    def main():
        lockdep.assert_none_held()
        with Mutex("A"):
            lockdep.assert_none_held()

    assert [("DF004", "main relies on holding no lock; it holds A")] == rt.reports(main)


CONTEXTS = ("plain", "spinlock", "rwlock", "irqs off", "handler")


@pytest.mark.parametrize("where", CONTEXTS)
@pytest.mark.parametrize(
    ("name", "true_in"),
    [
        ("assert_irqs_enabled", {"plain", "spinlock", "rwlock"}),
        ("assert_irqs_disabled", {"irqs off", "handler"}),
        ("assert_in_irq", {"handler"}),
        ("assert_preemption_enabled", {"plain"}),
        ("assert_preemption_disabled", {"spinlock", "rwlock", "irqs off", "handler"}),
    ],
)
def test_lockdep_assertion_about_context(rt, where, name, true_in):
    """Each warns exactly in the contexts of which it is false."""

    def main():
        ask = getattr(lockdep, name)
        if where == "plain":
            ask()
        elif where == "handler":
            IrqWork(ask).queue()
            rt.settle()
        else:
            sections = {"spinlock": SpinLock, "rwlock": lambda: RwLock().read()}
            with sections.get(where, local_irq_save)():
                ask()

    assert ([] if where in true_in else ["DF004"]) == [code for code, _ in rt.reports(main)]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", ["might_lock", "might_lock_read"])
def test_lockdep_might_lock_refuses_what_is_held(rt, section, name):
    """What would wait for itself warns now; a second read would not."""
    make, enter, how = SECTIONS[section]

    def main():
        lock = make()
        getattr(lockdep, name)(lock)
        with enter(lock):
            getattr(lockdep, name)(lock)

    allowed = name == "might_lock_read" and how is Hold.READ
    expected = [] if allowed else [("DF004", "main might lock A, which it holds already; ")]
    assert expected == [(code, text.partition("it holds A")[0]) for code, text in rt.reports(main)]


@pytest.mark.parametrize("make", [Mutex, RwSem])
def test_lockdep_might_lock_of_a_sleeping_lock_may_sleep(rt, make):
    """In atomic context that is DF003, whether or not it is taken this time."""

    def main():
        lock = make("A")
        with SpinLock("S"):
            lockdep.might_lock(lock)

    expected = [("DF003", "taking A may sleep, but main holds spinlock S")]
    assert expected == rt.reports(main)


@pytest.mark.parametrize("make", [SpinLock, RwLock])
def test_lockdep_might_lock_of_a_spinning_lock_may_not(rt, make):
    """Spinning locks are taken in any context."""

    def main():
        lock = make("A")
        with SpinLock("S"):
            lockdep.might_lock(lock)

    assert [] == rt.reports(main)
