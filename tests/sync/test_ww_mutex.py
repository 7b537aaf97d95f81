"""struct ww_mutex of the wait-die kind: stamps decide who waits and who gives way."""

import errno

import pytest

from dmabuf.errors import AlreadyLocked, Interrupted, WouldDeadlock
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.lockdep import lock_is_held
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.ww_acquire import WwAcquire, WwClass, ww_acquire
from dmabuf.sync.ww_mutex import WwMutex
from tests.facts import fact


def attempt(call, *args):
    """What became of a lock call, in a word."""
    try:
        call(*args)
    except WouldDeadlock:
        return "dies"
    except AlreadyLocked:
        return "already"
    except Interrupted:
        return "interrupted"
    return "in"


class Contender:
    """A task with a context of its own that holds `first`, if given, and then asks for `lock`."""

    def __init__(self, rt, name, lock, log, *, first=None):
        self.rt, self.name, self.lock, self.log = rt, name, lock, log
        self.first = first
        self.begun = Mutex(f"{name} may go on")

    def start(self):
        """Begin, take `first`, and wait at a gate that the main task holds."""
        self.begun.lock()
        self.rt.spawn(self._run, name=self.name)
        self.rt.settle()

    def ask(self):
        """Ask for the lock now; returns when it has it, died, or waits."""
        self.begun.unlock()
        self.rt.settle()

    def _run(self):
        with ww_acquire() as ctx:
            if self.first is not None:
                ctx.lock(self.first)
            with self.begun:
                pass
            self.log.append((self.name, attempt(ctx.lock, self.lock)))


def contenders(rt, lock, log, *names):
    """Tasks with contexts from old to young; those in upper case hold a lock already."""
    made = {}
    for name in names:
        first = WwMutex(f"{name}'s own") if name.isupper() else None
        made[name] = Contender(rt, name, lock, log, first=first)
        made[name].start()
    return made


@fact("F5.01")
def test_ww_acquire_stamps_grow(rt):
    """A context is younger than those that began before it."""

    def main():
        older, younger = WwAcquire(), WwAcquire()
        return younger.is_younger(older), older.is_younger(younger), older.is_younger(older)

    assert (True, False, False) == rt.run(main)


def test_ww_mutex_excludes(rt):
    """One task at a time is inside, with a context or without."""

    def main():
        lock, inside, seen = WwMutex("A"), Shared(0, "inside"), []

        def visit(with_context):
            for _ in range(3):
                if with_context:
                    with ww_acquire() as ctx:
                        ctx.lock(lock)
                        seen.append(inside.add(1))
                        inside.add(-1)
                else:
                    with lock:
                        seen.append(inside.add(1))
                        inside.add(-1)

        for with_context in (True, False, True):
            rt.spawn(lambda w=with_context: visit(w))
        rt.settle()
        return seen

    assert [1] * 9 == rt.run(main)


@fact("F5.02")
def test_ww_mutex_queue_is_in_stamp_order(rt):
    """Whoever asks first, the oldest context gets it first."""

    def main():
        lock, log = WwMutex("A"), []
        lock.lock()
        tasks = contenders(rt, lock, log, "a", "b", "c")
        for name in ("c", "a", "b"):
            tasks[name].ask()
        lock.unlock()
        rt.settle()
        return log

    assert [("a", "in"), ("b", "in"), ("c", "in")] == rt.run(main)


@fact("F5.03")
def test_ww_mutex_waiters_without_context_keep_their_place(rt):
    """An older context goes before a younger one, and so before those behind it only."""

    def main():
        lock, log = WwMutex("A"), []

        def plain(name):
            with lock:
                log.append((name, "in"))

        lock.lock()
        tasks = contenders(rt, lock, log, "a", "b")
        rt.spawn(lambda: plain("p1"), name="p1")
        rt.settle()
        tasks["b"].ask()
        rt.spawn(lambda: plain("p2"), name="p2")
        rt.settle()
        tasks["a"].ask()
        lock.unlock()
        rt.settle()
        return [name for name, _ in log]

    assert ["p1", "a", "b", "p2"] == rt.run(main)


@fact("F5.04")
def test_ww_mutex_younger_dies_at_older_holder(rt):
    """A context that holds a lock is told at once that an older one holds the next."""

    def main():
        lock, log = WwMutex("A"), []
        older = WwAcquire()
        lock.lock(older)
        contenders(rt, lock, log, "B")["B"].ask()
        at_once = list(log)
        older.unlock_all()
        return at_once

    assert [("B", "dies")] == rt.run(main)


@fact("F5.05")
def test_ww_mutex_younger_dies_behind_older_waiter(rt):
    """Also if the older one only waits, for a holder without a context."""

    def main():
        lock, log = WwMutex("A"), []
        lock.lock()
        tasks = contenders(rt, lock, log, "a", "B")
        tasks["a"].ask()
        tasks["B"].ask()
        at_once = list(log)
        lock.unlock()
        rt.settle()
        return at_once, log

    assert ([("B", "dies")], [("B", "dies"), ("a", "in")]) == rt.run(main)


@fact("F5.06")
def test_ww_mutex_who_holds_nothing_waits(rt):
    """With nothing held the youngest waits for older holders and behind older waiters."""

    def main():
        lock, log = WwMutex("A"), []
        older = WwAcquire()
        lock.lock(older)
        tasks = contenders(rt, lock, log, "a", "b")
        tasks["a"].ask()
        tasks["b"].ask()
        at_once = list(log)
        older.unlock_all()
        rt.settle()
        return at_once, log

    assert ([], [("a", "in"), ("b", "in")]) == rt.run(main)


@fact("F5.07")
def test_ww_mutex_younger_waiter_dies_when_older_comes(rt):
    """A waiter that holds something dies when an older one queues; one that does not, stays."""

    def main():
        lock, log = WwMutex("A"), []
        lock.lock()
        tasks = contenders(rt, lock, log, "a", "B", "c")
        tasks["B"].ask()
        tasks["c"].ask()
        before = list(log)
        tasks["a"].ask()
        after = list(log)
        lock.unlock()
        rt.settle()
        return before, after, log[1:]

    assert ([], [("B", "dies")], [("a", "in"), ("c", "in")]) == rt.run(main)


@fact("F5.08")
def test_ww_mutex_older_waits_for_younger_holder(rt):
    """The older context waits, though it holds something."""

    def main():
        lock, log = WwMutex("A"), []
        tasks = contenders(rt, lock, log, "A")
        younger = WwAcquire()
        lock.lock(younger)
        tasks["A"].ask()
        at_once = list(log)
        younger.unlock_all()
        rt.settle()
        return at_once, log

    assert ([], [("A", "in")]) == rt.run(main)


@fact("F5.09")
def test_ww_mutex_same_context_twice(rt):
    """The second time is answered with EALREADY, and nothing has changed."""

    def main():
        lock = WwMutex("A")
        with ww_acquire() as ctx:
            ctx.lock(lock)
            with pytest.raises(AlreadyLocked) as caught:
                ctx.lock(lock)
            return caught.value.errno, ctx.acquired, lock.is_locked()

    assert (errno.EALREADY, 1, True) == rt.run(main)


@fact("F5.10")
def test_ww_mutex_without_context_never_dies(rt):
    """A single lock waits for an older context, whatever else of another class its task holds."""

    def main():
        a, b, log = WwMutex("A", WwClass("other")), WwMutex("B"), []

        def other():
            with a:
                log.append(attempt(b.lock))
                b.unlock()

        with ww_acquire() as ctx:
            ctx.lock(b)
            rt.spawn(other)
            rt.settle()
            waited = list(log)
        rt.settle()
        return waited, log

    assert ([], ["in"]) == rt.run(main)


@fact("F5.11")
def test_ww_mutex_trylock_with_context(rt):
    """A free lock joins the context; one that is held is left alone."""

    def main():
        a, b = WwMutex("A"), WwMutex("B")
        with ww_acquire() as ctx:
            taken = a.trylock(ctx), a.ctx is ctx, ctx.acquired
            again = a.trylock(ctx), a.trylock()
            without = b.trylock(), b.ctx, ctx.acquired
            b.unlock()
        return taken, again, without, a.is_locked()

    assert ((True, True, 1), (False, False), (True, None, 1), False) == rt.run(main)


def backing_off(rt, then):
    """Let a younger context that holds B die at A, then do `then(ctx, a, b)`; the reports."""

    def main():
        a, b, gate = WwMutex("A"), WwMutex("B"), Mutex("gate")
        older = WwAcquire()
        a.lock(older)
        gate.lock()

        def dies():
            ctx = WwAcquire()
            ctx.lock(b)
            assert attempt(ctx.lock, a) == "dies"
            with gate:
                then(ctx, a, b)

        rt.spawn(dies, name="younger")
        rt.settle()
        older.unlock_all()
        gate.unlock()
        rt.settle()

    return [message for _code, message in rt.reports(main)]


@fact("F5.12")
def test_ww_mutex_slow_way_with_locks_held_warns(rt):
    """What the context still holds is named."""

    def forgets(ctx, _a, _b):
        ctx.lock_slow()

    messages = backing_off(rt, forgets)

    assert "younger locks A after WouldDeadlock without having unlocked B" == messages[0]


@fact("F5.12")
def test_ww_mutex_slow_way_with_nothing_held(rt):
    """Everything dropped, the lock in question is waited for and taken."""

    def backs_off(ctx, a, b):
        ctx.unlock_all()
        assert ctx.lock_slow() is a
        ctx.lock(b)
        assert list(ctx.locks) == [a, b]
        ctx.unlock_all()

    assert [] == backing_off(rt, backs_off)


@fact("F5.13")
def test_ww_mutex_another_lock_after_dying_warns(rt):
    """The lock that it was about comes first."""

    def takes_another(ctx, _a, b):
        ctx.unlock_all()
        ctx.lock(b)

    messages = backing_off(rt, takes_another)

    assert "younger locks B after WouldDeadlock, before A that it was about" == messages[0]


def test_ww_mutex_trylock_after_dying_warns(rt):
    """So does another lock that happens to be free."""

    def takes_another(ctx, _a, _b):
        ctx.unlock_all()
        ctx.contending.trylock(ctx)
        WwMutex("C").trylock(ctx)
        ctx.contending = WwMutex("D")
        WwMutex("E").trylock(ctx)

    messages = backing_off(rt, takes_another)

    assert "younger locks E after WouldDeadlock without having unlocked A, C" == messages[0]


@fact("F5.14")
def test_ww_mutex_slow_way_unasked_warns(rt):
    """Nobody was told to take it."""

    def main():
        WwMutex("A").lock_slow(WwAcquire())

    assert [("DF004", "main takes the slow way to A without WouldDeadlock")] == rt.reports(main)


@fact("F5.15")
@pytest.mark.parametrize("then", ["lock", "done"])
def test_ww_acquire_done_is_the_last_word(rt, then):
    """After it neither a lock nor another done."""

    def main():
        ctx = WwAcquire()
        ctx.done()
        if then == "lock":
            ctx.lock(WwMutex("A"))
        else:
            ctx.done()

    reports = rt.reports(main)

    assert ["DF004"] == [code for code, _ in reports]
    assert "has all locks" in reports[0][1]


@fact("F5.16")
def test_ww_acquire_fini_twice_warns(rt):
    """A context ends once."""

    def main():
        ctx = WwAcquire()
        ctx.fini()
        ctx.fini()

    assert [("DF004", "main ends an acquire context twice")] == rt.reports(main)


@fact("F5.16")
def test_ww_acquire_fini_with_locks_warns(rt):
    """The lock that was forgotten is named."""

    def main():
        ctx = WwAcquire()
        ctx.lock(WwMutex("A"))
        ctx.fini()

    assert [("DF004", "main ends an acquire context that holds A")] == rt.reports(main)


@fact("F5.17")
def test_ww_mutex_of_another_class_warns(rt):
    """Stamps of two classes have nothing to do with each other."""

    def main():
        WwAcquire(WwClass("one")).lock(WwMutex("A", WwClass("two")))

    assert [("DF004", "main locks A of two with a context of one")] == rt.reports(main)


@fact("F5.18")
def test_ww_mutex_interrupted_wait(rt):
    """The wait ends, the context holds what it held, and others get the lock."""

    def main():
        lock, own, log = WwMutex("A"), WwMutex("own"), []

        def waits():
            with ww_acquire() as ctx:
                ctx.lock(own)
                log.append(attempt(ctx.lock_interruptible, lock))
                log.append((ctx.acquired, ctx.contending))

        lock.lock()
        task = rt.spawn(waits)
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        queued = list(lock.queue)
        lock.unlock()
        return log, queued, lock.is_locked()

    assert (["interrupted", (1, None)], [], False) == rt.run(main)


@fact("F5.19")
def test_ww_mutex_destroying_a_locked_one_warns(rt):
    """Its holder is named."""

    def main():
        lock = WwMutex("A")
        lock.lock()
        lock.destroy()

    assert [("DF004", "main destroys A, which main holds")] == rt.reports(main)


def test_ww_mutex_use_after_destroy(rt):
    """A destroyed lock is not locked again."""

    def main():
        lock = WwMutex("A")
        lock.destroy()
        lock.lock()

    assert [("DF004", "main locks A, which was destroyed")] == rt.reports(main)


@fact("F5.20")
def test_ww_mutex_unlock_hands_over(rt):
    """The moment it is unlocked it belongs to the first waiter's context."""

    def main():
        lock, log = WwMutex("A"), []
        lock.lock()
        tasks = contenders(rt, lock, log, "a")
        tasks["a"].ask()
        waiter, context = lock.queue[0]
        lock.unlock()
        rt.settle()
        return waiter.name, context.acquired, log, lock.is_locked()

    assert ("a", 0, [("a", "in")], False) == rt.run(main)


def test_ww_mutex_recursion_is_reported(rt):
    """A task that holds it otherwise would wait for itself."""

    def main():
        lock = WwMutex("A")
        lock.lock()
        WwAcquire().lock(lock)

    assert [("DF004", "main locks A, which it holds already")] == rt.reports(main)


def test_ww_mutex_unlock_by_another_is_reported(rt):
    """Only its owner unlocks it."""

    def main():
        lock = WwMutex("A")
        lock.lock()
        rt.spawn(lock.unlock, name="other")
        rt.settle()

    assert ("DF004", "other unlocks A, which main holds") == rt.reports(main)[0]


def test_ww_mutex_in_atomic_context_is_reported(rt):
    """It may sleep."""

    def main():
        with local_irq_save():
            WwMutex("A").lock()

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_ww_acquire_of_another_task_is_reported(rt):
    """A context is its task's own."""

    def main():
        ctx = WwAcquire()
        rt.spawn(lambda: ctx.lock(WwMutex("A")), name="other")
        rt.settle()

    assert [("DF004", "other locks A with the acquire context of main")] == rt.reports(main)


def test_ww_mutex_is_held_by_its_task(rt):
    """lockdep's question has an answer."""

    def main():
        lock = WwMutex("A")
        with lock:
            lock.assert_held()
            return bool(lock_is_held(lock))

    assert rt.run(main)


# --- several locks without one context -----------------------------------------------------------


def _nested(way):
    """Take B while holding A, in that way."""
    a, b = WwMutex("A"), WwMutex("B")
    if way == "no context":
        with a, b:
            pass
    elif way == "beside its context":
        with ww_acquire() as ctx:
            ctx.lock(a)
            with b:
                pass
    elif way == "two contexts":
        with ww_acquire() as ctx, ww_acquire() as other:
            ctx.lock(a)
            other.lock(b)
    elif way == "tried before the context":
        a.trylock()
        with ww_acquire() as ctx:
            ctx.lock(b)
        a.unlock()
    elif way == "tried inside the context":
        with ww_acquire() as ctx:
            ctx.lock(WwMutex("first"))
            a.trylock()
            ctx.lock(b)
            a.unlock()
    elif way == "tried second":
        with a:
            b.trylock()
            b.unlock()
    elif way == "one context":
        with ww_acquire() as ctx:
            ctx.lock(a)
            ctx.lock(b)
    else:
        with a, WwMutex("B", WwClass("other")):
            pass


@pytest.mark.parametrize(
    ("way", "is_wrong"),
    [
        ("no context", True),
        ("beside its context", True),
        ("two contexts", True),
        ("tried before the context", True),
        ("tried inside the context", True),
        ("tried second", False),
        ("one context", False),
        ("another class", False),
    ],
)
def test_ww_mutex_second_lock_needs_the_context_of_the_first(rt, way, is_wrong):
    """Who waits for a lock must be able to drop all others; no deadlock has to happen."""
    message = "main locks B while it holds A, without one acquire context for both"

    assert ([("DF204", message)] if is_wrong else []) == rt.reports(lambda: _nested(way))


def test_ww_mutex_taken_without_context_is_still_taken(rt):
    """Live the kernel only warns: the lock is there, and is given back."""
    held = []

    def main():
        a, b = WwMutex("A"), WwMutex("B")
        with a, b:
            held.append(b.is_locked())
        held.append(b.is_locked())

    assert ["DF204"] == [code for code, _ in rt.reports(main)]
    assert held == ([] if rt.explored else [True, False])
