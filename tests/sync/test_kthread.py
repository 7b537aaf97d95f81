"""Kernel threads: stop, and park."""

import errno

import pytest

from dmabuf import Mutex, Status, WaitQueue, check_design, design
from dmabuf.errors import Interrupted
from dmabuf.sync.completion import Completion
from dmabuf.sync.kthread import (
    Kthread,
    kthread_parkme,
    kthread_should_park,
    kthread_should_stop,
)
from dmabuf.sync.spinlock import SpinLock


def test_kthread_stop_returns_its_result(rt):
    """Also of one that has ended before, and a second time."""

    def main():
        thread = Kthread(lambda: 42, "answer")
        rt.settle()
        return thread.stop(), thread.stop()

    assert (42, 42) == rt.run(main)


def test_kthread_stop_wakes_it_from_a_wait_queue(rt):
    """It looks at its condition again, of which should_stop is part."""

    def main():
        queue = WaitQueue("q")

        def body():
            queue.wait_event(kthread_should_stop)
            return "woken"

        thread = Kthread(body, "sleeper")
        rt.settle()
        before = rt.waiting()
        return before, thread.stop(), queue.is_active()

    assert ({"sleeper": "waitqueue.wait"}, "woken", False) == rt.run(main)


def test_kthread_stop_waits_until_it_has_ended(rt):
    """A thread that is blocked elsewhere is waited for."""

    def main():
        gate = Completion("gate")
        thread = Kthread(lambda: gate.wait() and "ended", "worker")
        rt.settle()
        results = []
        rt.spawn(lambda: results.append(thread.stop()), name="stopper")
        rt.settle()
        before, waiting = list(results), rt.waiting()["stopper"]
        gate.complete()
        rt.settle()
        return before, waiting, results

    assert ([], "kthread.join", ["ended"]) == rt.run(main)


def test_kthread_stop_is_no_signal(rt):
    """An interruptible wait for something else goes on."""

    def main():
        gate, seen = Completion("gate"), []

        def body():
            try:
                gate.wait_interruptible()
            except Interrupted:
                seen.append("interrupted")

        thread = Kthread(body, "worker")
        rt.settle()
        rt.spawn(thread.stop, name="stopper")
        rt.settle()
        gate.complete()
        rt.settle()
        return seen

    assert [] == rt.run(main)


def test_kthread_parks_until_it_is_unparked(rt):
    """`park` returns when it sleeps in parkme; stop unparks it first."""

    def main():
        queue, log = WaitQueue("q"), []

        def body():
            while not kthread_should_stop():
                queue.wait_event(lambda: kthread_should_stop() or kthread_should_park())
                kthread_parkme()
                log.append(1)
            return "ended"

        thread = Kthread(body, "worker")
        thread.park()
        rt.settle()
        parked = thread.parked, list(log)
        thread.unpark()
        rt.settle()
        unparked = thread.parked, list(log)
        thread.park()
        return parked, unparked, thread.stop()

    assert ((True, []), (False, [1]), "ended") == rt.run(main)


def test_kthread_park_twice_warns(rt):
    """EBUSY, where it is survived."""

    def main():
        thread = Kthread(lambda: (gate.wait(), kthread_parkme()), "worker")
        rt.settle()
        rt.spawn(thread.park, name="parker")
        rt.settle()
        try:
            thread.park()
        except OSError as error:
            numbers.append(error.errno)
        finally:
            if not rt.explored:
                gate.complete()
                thread.stop()

    numbers = []
    gate = None

    def run():
        nonlocal gate
        gate = Completion("gate")
        main()

    [(code, message)] = rt.reports(run)
    assert "DF004" == code
    assert "told to park already" in message
    assert numbers == ([] if rt.explored else [errno.EBUSY])


def test_kthread_park_of_one_that_has_ended_warns(rt):
    """ENOSYS, where it is survived."""

    def main():
        thread = Kthread(lambda: None, "gone")
        thread.stop()
        with pytest.raises(OSError, match="has ended") as caught:
            thread.park()
        assert caught.value.errno == errno.ENOSYS

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@pytest.mark.parametrize("call", [kthread_should_stop, kthread_should_park, kthread_parkme])
def test_kthread_questions_of_another_task_are_reported(rt, call):
    """Only a thread itself can ask."""
    assert ["DF004"] == [code for code, _ in rt.reports(call)]


@pytest.mark.parametrize("call", ["stop", "park"])
def test_kthread_waits_in_atomic_context_are_reported(rt, call):
    """Both sleep."""

    def main():
        thread = Kthread(lambda: None, "worker")
        with SpinLock("A"):
            getattr(thread, call)()

    assert "DF003" in [code for code, _ in rt.reports(main)]


# --- explored ---------------------------------------------------------------------------------


def _verdict(fn):
    verdict = check_design(design(fn), fn.__name__)
    return [finding.code for finding in verdict.findings], verdict.status


@pytest.mark.parametrize("held", [False, True])
def test_kthread_stopped_under_a_lock_that_it_takes_deadlocks(held):
    """Its end is waited for with what it needs."""

    def stops(machine):
        lock = Mutex("L")

        def body():
            with lock:
                pass

        thread = Kthread(body, "worker")

        def stop():
            if held:
                with lock:
                    thread.stop()
            else:
                thread.stop()

        machine.kthread(stop, "stopper")

    assert ((["DF001"], Status.VIOLATED) if held else ([], Status.PROVED)) == _verdict(stops)


def test_kthread_wait_event_never_misses_the_stop():
    """Whenever it comes: the queue is joined before the condition is looked at."""

    def stops(machine):
        queue = WaitQueue("q")
        thread = Kthread(lambda: queue.wait_event(kthread_should_stop), "worker")
        machine.kthread(thread.stop, "stopper")

    assert ([], Status.PROVED) == _verdict(stops)


def test_kthread_that_looks_before_it_queues_misses_the_stop():
    """The wake-up comes between the look and the sleep."""

    def stops(machine):
        queue = WaitQueue("q")

        def body():
            if not kthread_should_stop():
                queue.prepare_to_wait()
                queue.schedule()
                queue.finish_wait()

        thread = Kthread(body, "worker")
        machine.kthread(thread.stop, "stopper")

    codes, status = _verdict(stops)
    assert Status.VIOLATED is status
    assert codes


def test_kthread_park_and_stop_end_in_every_schedule():
    """A parked thread is woken by the stop."""

    def parks(machine):
        started, log = Completion("started"), []
        thread = Kthread(_parks_once(started, log), "worker")

        def owner():
            started.wait()
            thread.park()
            thread.stop()

        machine.kthread(owner)

    def _parks_once(started, log):
        def body():
            started.complete()
            queue.wait_event(lambda: kthread_should_stop() or kthread_should_park())
            kthread_parkme()
            log.append(1)

        queue = WaitQueue("q")
        return body

    assert ([], Status.PROVED) == _verdict(parks)
