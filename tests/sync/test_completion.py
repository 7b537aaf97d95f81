"""struct completion: a counted event."""

import pytest

from dmabuf.errors import Interrupted
from dmabuf.sync.completion import Completion
from dmabuf.sync.spinlock import SpinLock


def test_completion_each_complete_lets_one_waiter_pass(rt):
    """Of four waiters as many go on as there were completes."""

    def main():
        done, passed = Completion("done"), []
        for number in range(4):
            rt.spawn(lambda n=number: passed.append((done.wait(), n)))
        rt.settle()
        counts = [len(passed)]
        for _ in range(4):
            done.complete()
            rt.settle()
            counts.append(len(passed))
        return counts

    assert [0, 1, 2, 3, 4] == rt.run(main)


def test_completion_waiters_pass_in_order_of_arrival(live):
    """The longest waiter goes first (live only: explored, any of them may)."""

    def main():
        done, order = Completion("done"), []
        for number in range(4):
            live.spawn(lambda n=number: done.wait() and order.append(n))
            live.settle()
        for _ in range(4):
            done.complete()
            live.settle()
        return order

    assert [0, 1, 2, 3] == live.run(main)


def test_completion_complete_before_the_wait_is_not_lost(rt):
    """Completes are counted, and each wait consumes one."""

    def main():
        done = Completion("done")
        done.complete()
        done.complete()
        return done.wait(), done.wait(), done.wait(timeout=0.001), done.is_done()

    assert (True, True, False, False) == rt.run(main)


def test_completion_complete_all_lets_everybody_pass_for_good(rt):
    """Those who wait, those who come later, and a complete afterwards changes nothing."""

    def main():
        done, passed = Completion("done"), []
        for _ in range(3):
            rt.spawn(lambda: passed.append(done.wait()))
        rt.settle()
        done.complete_all()
        rt.settle()
        done.complete()
        later = [done.wait(timeout=0), done.try_wait(), done.try_wait(), done.is_done()]
        return passed, later

    assert ([True] * 3, [True] * 4) == rt.run(main)


def test_completion_reinit_forgets(rt):
    """After it the count starts at nothing, complete_all or not."""

    def main():
        done, seen = Completion("done"), []
        for complete in (done.complete, done.complete_all):
            complete()
            done.reinit()
            seen.append((done.is_done(), done.try_wait()))
            done.complete()
            seen.append((done.try_wait(), done.try_wait()))
        return seen

    assert [(False, False), (True, False)] * 2 == rt.run(main)


def test_completion_try_wait_consumes_one_or_answers_false(rt):
    """It never waits."""

    def main():
        done = Completion("done")
        empty = done.try_wait()
        done.complete()
        return empty, done.try_wait(), done.try_wait()

    assert (False, True, False) == rt.run(main)


def test_completion_is_done_consumes_nothing(rt):
    """Asking leaves the count alone."""

    def main():
        done = Completion("done")
        before = done.is_done()
        done.complete()
        return before, done.is_done(), done.is_done(), done.try_wait(), done.is_done()

    assert (False, True, True, True, False) == rt.run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_completion_wait_times_out_not_before_its_time(rt, timeout):
    """False, and at least that much time has passed."""

    def main():
        before = rt.now()
        return Completion("never").wait(timeout), rt.now() - before >= timeout * 1e9

    assert (False, True) == rt.run(main)


def test_completion_wait_that_timed_out_took_nothing(rt):
    """A complete that comes later is for the next waiter."""

    def main():
        done = Completion("done")
        timed_out = done.wait(timeout=0.001)
        done.complete()
        return timed_out, done.wait(timeout=0)

    assert (False, True) == rt.run(main)


def test_completion_wait_interruptible_ends_with_a_signal(rt):
    """Both forms raise Interrupted, and nothing is consumed."""

    def main():
        done, seen = Completion("done"), []

        def wait(call):
            with pytest.raises(Interrupted):
                call()
            seen.append("interrupted")

        calls = [done.wait_interruptible, lambda: done.wait(interruptible=True)]
        waiters = [rt.spawn(lambda c=call: wait(c)) for call in calls]
        rt.settle()
        for waiter in waiters:
            rt.interrupt(waiter)
        rt.settle()
        done.complete()
        return seen, done.try_wait()

    assert (["interrupted"] * 2, True) == rt.run(main)


def test_completion_done_is_seen_before_a_pending_signal(rt):
    """What is complete is passed, signal or not."""

    def main():
        done = Completion("done")
        done.complete()
        rt.current().signal_pending = True
        return done.wait(interruptible=True)

    assert rt.run(main)


def test_completion_wait_ignores_signals(rt):
    """The plain form waits on."""

    def main():
        done = Completion("done")
        waiter = rt.spawn(done.wait, name="waiter")
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        waiting = rt.waiting()
        done.complete()
        return waiting

    assert {"waiter": "completion.wait"} == rt.run(main)


@pytest.mark.parametrize("done", [False, True])
def test_completion_wait_in_atomic_context_is_reported(rt, done):
    """It may sleep, even if it would not now."""

    def main():
        completion = Completion("done")
        if done:
            completion.complete()
        with SpinLock("A"):
            completion.wait(timeout=0)

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_completion_complete_and_asking_are_fine_in_atomic_context(rt):
    """Only the wait may sleep."""

    def main():
        done = Completion("done")
        with SpinLock("A"):
            done.complete()
            seen = done.is_done(), done.try_wait()
            done.complete_all()
            done.reinit()
        return seen

    assert (True, True) == rt.run(main)
