"""The watcher is never the reason why a program stops, and says what it did not look at."""

import _thread
import copy
import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from dmabuf.pywatch import Limits, LockOrderError, watch
from dmabuf.pywatch import ledger as ledger_module
from dmabuf.pywatch import locks as locks_module
from tests.pywatch.helpers import in_turn, takes, told


def test_nothing_is_raised_in_the_program():
    """Findings wait until somebody asks."""
    with watch() as watcher:
        a, b = threading.Lock(), threading.Lock()
        in_turn(takes(a, b), takes(b, a))

    assert 1 == len(watcher.certain)


def test_raise_on_finding_raises_before_the_wait():
    """In the thread that would close the cycle; what it held is its own business."""
    with watch(raise_on_finding=True):
        a, b = threading.Lock(), threading.Lock()

        def closes():
            with b, pytest.raises(LockOrderError, match=r"takes a .*while it holds b"):
                a.acquire()

        in_turn(takes(a, b), closes)

    assert not a.locked()
    assert not b.locked()


def test_a_program_that_hangs_says_why(monkeypatch):
    """A wait that seems to be a deadlock is told on stderr, once: nobody may come to ask."""
    real, told = _thread.allocate_lock(), []
    real.acquire()

    class Stream:
        def write(self, text):
            told.append(text)
            real.release()

    monkeypatch.setattr(locks_module, "STALLS", 0.001)
    monkeypatch.setattr(sys, "stderr", Stream())
    with watch() as watcher:
        a = watcher.lock("a")

        def waits_for_itself():
            a.acquire()
            a.acquire()

        thread = threading.Thread(target=waits_for_itself, name="stuck")
        thread.start()
        real.acquire()
        a.release()
        thread.join()

    assert 1 == len(told)
    assert told[0].startswith("stuck waits for a lock for long.\n")
    assert "stuck waits for a, which it holds itself" in told[0]


def test_raise_on_finding_leaves_suspicions_alone():
    """They are for people to judge."""
    with watch(raise_on_finding=True) as watcher:
        a, b = threading.Lock(), threading.Lock()
        takes(a, b)()
        takes(b, a)()

    assert 1 == len(watcher.suspected)


def test_raise_on_finding_ends_a_real_deadlock():
    """Both threads have one lock and want the other's."""
    with watch(raise_on_finding=True):
        a, b = threading.Lock(), threading.Lock()
        met, raised = threading.Barrier(2), []

        def both(one, other):
            try:
                with one:
                    met.wait()
                    with other:
                        pass
            except LockOrderError:
                raised.append(1)

        threads = [threading.Thread(target=both, args=pair) for pair in ((a, b), (b, a))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [1] == raised


def test_a_finaliser_that_takes_locks_disturbs_nothing():
    """The collector runs it in the middle of anything, also of the watcher."""

    class Node:
        def __init__(self):
            self.itself = self

        def __del__(self):
            with a:
                pass

    def work():
        for number in range(300):
            Node()
            with b, watcher.lock(f"lock {number}"):
                pass

    before = gc.get_threshold()
    with watch() as watcher:
        a, b = threading.RLock(), threading.RLock()
        gc.set_threshold(1)
        try:
            work()
        finally:
            gc.set_threshold(*before)
            gc.collect()
        in_turn(takes(a), takes(b))
        assert not a._is_owned()
        assert [] == watcher._ledger.here().locks

    assert () == watcher.certain


def test_a_weak_reference_callback_that_takes_locks_disturbs_nothing():
    """It runs where the last reference goes."""
    with watch() as watcher:
        a, b, c = threading.Lock(), threading.Lock(), threading.Lock()

        class Thing:
            pass

        for _ in range(50):
            thing = Thing()
            weak = weakref.ref(thing, lambda _: takes(a, b)())
            with c:
                del thing
            assert weak() is None

    assert [] == told(watcher)


def test_a_signal_handler_that_takes_locks_disturbs_nothing():
    """It runs in the main thread, whatever that holds."""
    with watch() as watcher:
        a, b = threading.RLock(), threading.RLock()
        before = signal.signal(signal.SIGUSR1, lambda *_: takes(b)())
        try:
            for _ in range(50):
                with a:
                    os.kill(os.getpid(), signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert [] == watcher._ledger.here().locks

    assert [] == told(watcher)


def test_locks_taken_inside_the_watcher_are_not_put_down():
    """The guard itself: busy, a lock is a plain lock."""
    with watch() as watcher:
        a, b = threading.Lock(), threading.RLock()
        here = watcher._ledger.here()
        here.busy = True
        with a, b, b:
            assert a.locked()
            assert [] == here.locks
        assert type(threading.Lock()) is not type(a)
        here.busy = False
        assert not a.locked()


def test_what_happens_inside_the_watcher_is_made_up_for_afterwards():
    """A lock freed by a handler in there is not held for ever; events pass unseen."""
    with watch() as watcher:
        a, b, event = threading.Lock(), threading.Lock(), threading.Event()
        here = watcher._ledger.here()
        with b:
            a.acquire()
            here.busy = True
            a.release()
            event.set()
            event.wait()
            here.busy = False
            assert [b, a] == here.locks
            event.wait()
            assert [b] == here.locks

    assert {} == watcher._ledger._totals
    assert () == watcher.limits


def test_tables_in_use_for_too_long_are_a_limit(monkeypatch):
    """Who holds them may be stopped by the very thread that wants them."""
    monkeypatch.setattr(ledger_module, "_PATIENCE", 0.001)
    with watch() as watcher:
        a, b = threading.Lock(), threading.Lock()
        with watcher._ledger.lock.lock:
            takes(a, b)()
        takes(a, b)()

    assert any("the tables were in use for too long" in told for told in watcher.limits)
    assert not a.locked()


@pytest.mark.slow
def test_a_child_process_goes_on():
    """After a fork the locks of threads that are not there hinder nobody."""
    program = """
import os, threading
from dmabuf.pywatch import watch
with watch() as watcher:
    a, b = threading.Lock(), threading.Lock()
    with watcher._ledger.lock.lock:
        child = os.fork()
        if not child:
            def one():
                with a, b: pass
            def other():
                with b, a: pass
            threads = [threading.Thread(target=body) for body in (one, other)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            os._exit(len(watcher.findings))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(watcher.findings))
"""

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("1 0\n", "") == (done.stdout, done.stderr)


@pytest.mark.slow
def test_a_program_may_end_while_it_is_watched():
    """Daemon threads, an executor and a lock that is held, at exit."""
    program = """
import threading
from concurrent.futures import ThreadPoolExecutor
from dmabuf.pywatch import watch
watcher = watch()
watcher.__enter__()
lock, go = threading.Lock(), threading.Event()
threading.Thread(target=lambda: (lock.acquire(), go.wait()), daemon=True).start()
ThreadPoolExecutor(2).submit(int)
print("end")
"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (0, "end\n", "") == (done.returncode, done.stdout, done.stderr)


def test_limits_are_told():
    """Classes beyond the limit are made without being watched."""
    with watch(limits=Limits(classes=2)) as watcher:
        locks = [threading.Lock(), threading.Lock(), threading.Lock()]
        takes(*locks)()

    assert ("more than 2 lock classes: 1 times locks of other classes were not looked at",) == (
        watcher.limits
    )


def test_many_locks_of_one_line_are_a_limit():
    """A chain of classes is compared for so many locks, and the rest is counted."""
    with watch() as watcher:
        outer = threading.Lock()
        for _ in range(300):
            inner = threading.Lock()
            with outer, inner:
                pass

    assert ("44 acquisitions of further locks were not compared with the others",) == watcher.limits


def test_the_same_finding_is_told_once():
    """However often it happens, with whichever threads."""
    with watch() as watcher:
        a, b = threading.Lock(), threading.Lock()
        for _ in range(5):
            in_turn(takes(a, b), takes(b, a), takes(a, b), takes(b, a))

    assert 1 == len(watcher.findings)


def test_an_exception_under_a_lock_frees_it():
    """For the watcher, too."""
    with watch() as watcher:
        a, b = threading.Lock(), threading.Lock()
        with pytest.raises(ZeroDivisionError), a:
            raise ZeroDivisionError
        assert [] == watcher._ledger.here().locks
        in_turn(takes(b, a))

    assert [] == told(watcher)


@pytest.mark.parametrize("name", ["Lock", "RLock"])
@pytest.mark.parametrize("what", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_watched_lock_is_not_copied(name, what):
    """Whoever asks whether something can be sent elsewhere gets the same answer."""
    with watch():
        lock = getattr(threading, name)()
        with pytest.raises(TypeError, match="cannot pickle"):
            what(lock)


def test_a_condition_frees_all_levels_of_its_lock():
    """And has them all back after the wait."""
    with watch() as watcher:
        ready, inner = threading.Condition(), threading.Lock()
        with ready, ready:
            ready.wait(timeout=0.001)
            assert [ready._lock] == watcher._ledger.here().locks
            with inner:
                pass
        assert [] == watcher._ledger.here().locks
        in_turn(takes(ready))

    assert [] == told(watcher)


@pytest.mark.parametrize("name", ["Lock", "RLock"])
def test_a_watched_lock_refuses_what_a_real_one_refuses(name):
    """The same exceptions for the same mistakes."""

    def mistakes(lock):
        for call in (
            lock.release,
            lambda: lock.acquire(blocking=False, timeout=1),
            lambda: lock.acquire(timeout=-2),
            lambda: lock.acquire("no", "number"),
        ):
            with pytest.raises((RuntimeError, ValueError, TypeError)) as raised:
                call()
            yield raised.type

    real = [*mistakes(getattr(threading, name)())]
    with watch():
        watched = [*mistakes(getattr(threading, name)())]

    assert real == watched


@pytest.mark.slow
def test_threads_that_really_run_side_by_side_leave_clean_books():
    """One order, many threads, tries, conditions and events: quiet, and nothing is held."""
    with watch() as watcher:
        locks = [*(threading.Lock() for _ in range(3)), *(threading.RLock() for _ in range(3))]
        turn, books, errors = threading.Condition(), [], []
        flag = threading.Event()

        def work(seed):
            try:
                chance = random.Random(seed)
                for _ in range(60):
                    chosen = sorted(chance.sample(range(6), 3))
                    held = [locks[index] for index in chosen]
                    taken = [lock for lock in held if lock.acquire(chance.random() < 0.8)]
                    for lock in chance.sample(taken, len(taken)):
                        lock.release()
                    with turn:
                        turn.notify_all()
                        turn.wait(timeout=0)
                    flag.set()
                    flag.wait()
                books.append(watcher._ledger.here().locks)
            except BaseException as error:  # noqa: BLE001 - told by the test
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [] == errors
    assert [[]] * 8 == books
    assert all(lock.acquire(False) for lock in locks)
    assert () == watcher.certain
