"""Waits for an event under a lock that whoever sets the event needs, and near-misses."""

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from dmabuf.pywatch import watch
from tests.pywatch.helpers import in_turn, takes, told


def under(lock, wait):
    """A body that waits with a lock held."""

    def waiter():
        with lock:
            wait()

    return waiter


def event():
    made = threading.Event()
    return made.set, made.wait


def semaphore():
    made = threading.Semaphore(0)
    return made.release, made.acquire


def fifo():
    made = queue.Queue()
    return lambda: made.put(1), made.get


def simple_queue():
    made = queue.SimpleQueue()
    return lambda: made.put(1), made.get


def bounded_queue():
    made = queue.Queue(maxsize=2)
    made.put(0)
    return made.get, lambda: made.put(1)


def future():
    made = Future()
    return lambda: made.set_result(1), made.result


KINDS = [event, semaphore, fifo, simple_queue, bounded_queue, future]
SETTERS = [kind for kind in KINDS if kind is not bounded_queue]
"""Those whose set is no wait: who gets from a queue begins anew with what it got."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_under_the_lock_that_the_setter_holds_is_certain(kind):
    """Held at the set: it can never be set while somebody waits so."""
    with watch() as watcher:
        sets, waits = kind()
        lock = threading.Lock()
        in_turn(under(lock, sets), under(lock, waits))

    (finding,) = watcher.certain
    assert "waiter waits for" in finding.message
    assert "waiter holds" in finding.message
    assert "lock (Lock" in finding.message


@pytest.mark.parametrize("kind", SETTERS)
def test_a_wait_under_a_lock_that_the_setter_took_before_is_suspected(kind):
    """Taken and freed on the way to the set."""
    with watch() as watcher:
        sets, waits = kind()
        lock = threading.Lock()

        def setter():
            with lock:
                pass
            sets()

        in_turn(setter, under(lock, waits))

    (finding,) = watcher.suspected
    assert () == watcher.certain
    assert "setter takes and frees lock" in finding.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_under_a_lock_that_the_setter_took_before_it_stood_idle_is_quiet(kind):
    """A worker that waits for work with nothing in hand begins anew."""
    with watch() as watcher:
        sets, waits = kind()
        lock, work = threading.Lock(), threading.Event()

        def setter():
            with lock:
                pass
            work.wait()
            sets()

        work.set()
        in_turn(setter, under(lock, waits))

    assert [] == told(watcher)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_under_a_lock_of_ones_own_is_quiet(kind):
    """The setter has a lock too, but another one."""
    with watch() as watcher:
        sets, waits = kind()
        lock = threading.Lock()
        other = threading.Lock()
        in_turn(under(other, sets), under(lock, waits))

    assert [] == told(watcher)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_after_the_lock_was_freed_is_quiet(kind):
    """The order that is right: free, then wait."""
    with watch() as watcher:
        sets, waits = kind()
        lock = threading.Lock()

        def waiter():
            with lock:
                pass
            waits()

        in_turn(under(lock, sets), waiter)

    assert [] == told(watcher)


def test_a_wait_with_a_timeout_is_told_as_one():
    """It gives up, and is found all the same."""
    with watch() as watcher:
        done, lock = threading.Event(), threading.Lock()
        in_turn(under(lock, done.set), under(lock, lambda: done.wait(60)))

    (message,) = told(watcher)
    assert message.endswith("(a timeout ends the wait)")


def test_a_look_without_a_wait_is_quiet():
    """`wait(0)` asks."""
    with watch() as watcher:
        done, lock = threading.Event(), threading.Lock()
        work = queue.Queue()
        sema = threading.Semaphore(0)

        def asks():
            with lock:
                done.wait(0)
                done.is_set()
                assert not sema.acquire(blocking=False)
                with pytest.raises(queue.Empty):
                    work.get_nowait()
                with pytest.raises(queue.Empty):
                    work.get(timeout=0)

        def sets():
            with lock:
                done.set()
                work.put(1)
                work.get()
                sema.release()

        in_turn(asks, sets)

    assert [] == told(watcher)


def test_a_wait_through_a_third_thread_is_found():
    """The setter needs M, which somebody holds who wants L, under which the wait is."""
    with watch() as watcher:
        done = threading.Event()
        outer, inner = watcher.lock("outer"), watcher.lock("inner")
        in_turn(under(inner, done.set), takes(inner, outer), under(outer, done.wait))

    (finding,) = watcher.certain
    assert 3 == len(finding.waits)


def test_a_setter_that_has_another_way_makes_it_suspected():
    """Somebody sets it without the lock, too."""
    with watch() as watcher:
        done, lock = threading.Event(), threading.Lock()
        in_turn(under(lock, done.set), done.set, under(lock, done.wait))

    (finding,) = watcher.suspected
    assert "it was also set without that lock" in finding.message


def test_an_event_that_was_set_before_the_waiter_was_started_is_quiet():
    """Nobody waits for what is done."""
    with watch() as watcher:
        done, lock = threading.Event(), threading.Lock()
        with lock:
            done.set()
        in_turn(under(lock, done.wait))

    assert [] == told(watcher)


def test_a_condition_frees_its_own_lock_while_it_waits():
    """Whoever notifies has that lock, always."""
    with watch() as watcher:
        ready, seen = threading.Condition(), []

        def waits():
            with ready:
                ready.wait_for(lambda: seen, timeout=60)

        def notifies():
            with ready:
                seen.append(1)
                ready.notify_all()

        first, second = threading.Thread(target=waits), threading.Thread(target=notifies)
        first.start()
        second.start()
        first.join()
        second.join()

    assert [] == told(watcher)


@pytest.mark.parametrize("name", ["Lock", "RLock", None])
def test_a_condition_does_not_free_another_lock(name):
    """A wait with a second lock held, which the notifier takes first."""
    with watch() as watcher:
        ready = threading.Condition(name and getattr(threading, name)())
        outer = threading.Lock()
        seen = []

        def notifies():
            with outer, ready:
                ready.notify()

        def waits():
            with outer, ready:
                ready.wait(timeout=0.001)
                seen.append(1)

        in_turn(notifies, waits)

    (finding,) = watcher.certain
    assert [1] == seen
    assert "notifies holds outer" in finding.message


def test_a_condition_takes_its_lock_again_under_what_is_held():
    """Own lock, other lock, wait: at the end the order is the other way round."""
    with watch() as watcher:
        ready, inner = threading.Condition(), threading.Lock()

        def waits():
            with ready, inner:
                ready.wait(timeout=0.001)

        def nests():
            with ready, inner:
                pass

        in_turn(waits, nests)

    (finding,) = watcher.certain
    assert "waits takes" in finding.message


def test_two_conditions_on_one_lock_are_quiet():
    """As in a bounded queue."""
    with watch() as watcher:
        work = queue.Queue(maxsize=1)

        def produces():
            for number in range(20):
                work.put(number)

        def consumes():
            for _ in range(20):
                work.get()
                work.task_done()

        threads = [threading.Thread(target=body) for body in (produces, consumes)]
        for thread in threads:
            thread.start()
        work.join()
        for thread in threads:
            thread.join()

    assert [] == told(watcher)


def test_a_join_under_a_lock_of_a_thread_that_was_joined_before_is_quiet():
    """It has ended, whatever it took."""
    with watch() as watcher:
        lock = threading.Lock()
        worker = threading.Thread(target=takes(lock))
        worker.start()
        worker.join()
        with lock:
            worker.join()

    assert [] == told(watcher)


def test_a_join_under_a_lock_that_a_running_thread_took_is_suspected():
    """It may not have come to that lock yet."""
    with watch() as watcher:
        lock, gone = threading.Lock(), threading.Event()

        def work():
            with lock:
                pass
            gone.set()

        worker = threading.Thread(target=work, name="worker")
        worker.start()
        gone.wait()
        with lock:
            worker.join()

    assert () == watcher.certain
    assert any("comes to the end of thread" in message for message in told(watcher))


def test_a_semaphore_of_one_is_a_lock():
    """Taken and released by the same thread: its order counts."""
    with watch() as watcher:
        permit, lock = threading.Semaphore(), threading.Lock()

        def one():
            with permit, lock:
                pass

        def other():
            with lock, permit:
                pass

        in_turn(one, other)

    assert 1 == len(watcher.certain)


def test_a_bounded_semaphore_of_one_is_a_lock():
    """The same for the one that counts."""
    with watch() as watcher:
        permit, lock = threading.BoundedSemaphore(), threading.Lock()
        in_turn(takes(permit, lock), takes(lock, permit))

    assert 1 == len(watcher.certain)


def test_a_semaphore_of_many_is_suspected():
    """All units have to be gone."""
    with watch() as watcher:
        permits, lock = threading.Semaphore(4), threading.Lock()
        in_turn(takes(permits, lock), takes(lock, permits))

    assert () == watcher.certain
    assert 1 == len(watcher.suspected)


def test_a_semaphore_released_by_others_is_an_event():
    """It holds nothing, so what its taker takes next is no order."""
    with watch() as watcher:
        permit, lock = threading.Semaphore(), threading.Lock()

        def takes_it():
            permit.acquire()
            with lock:
                pass

        def gives_it():
            permit.release()

        in_turn(takes_it, gives_it, under(lock, permit.acquire))

    assert () == watcher.certain


def test_a_barrier_under_a_lock_that_another_party_holds_is_found():
    """Both come with the same lock in hand."""
    with watch() as watcher:
        lock, gate = threading.Lock(), threading.Barrier(2)
        broken = []

        def party():
            with lock:
                try:
                    gate.wait(timeout=0.001)
                except threading.BrokenBarrierError:
                    broken.append(1)

        in_turn(party, party)

    assert [1, 1] == broken
    assert 1 == len(watcher.certain)


def test_a_barrier_without_locks_is_quiet():
    """And one under a lock that only one party has."""
    with watch() as watcher:
        lock, gate = threading.Lock(), threading.Barrier(2)

        def with_lock():
            with lock:
                gate.wait()

        threads = [threading.Thread(target=with_lock), threading.Thread(target=gate.wait)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [] == told(watcher)


def test_a_result_waited_for_under_a_lock_that_the_job_takes_is_suspected():
    """The executor's worker begins anew with each job."""
    with watch() as watcher:
        lock = threading.Lock()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(takes(lock)).result()
            pool.submit(int).result()
            with lock:
                pool.submit(int).result()
            assert [] == told(watcher)
            job = pool.submit(takes(lock))
            pool.submit(int).result()
            with lock:
                job.result()

    (finding,) = watcher.suspected
    assert () == watcher.certain
    assert "takes and frees lock" in finding.message
