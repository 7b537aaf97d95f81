"""dma_fence: waiting for one fence."""

import errno

import pytest

from dmabuf.errors import Interrupted
from dmabuf.rt.clock import NS_PER_S
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, pending, pending_of
from tests.facts import fact


@fact("F1.75", "F1.76")
def test_wait_with_a_negative_timeout_warns_and_is_einval(rt):
    """A caller's mistake; live, where warnings are survived, it is EINVAL as well."""
    refused: list[int | None] = []

    def main():
        with pytest.raises(OSError, match="not negative") as error:
            pending().wait(-1)
        refused.append(error.value.errno)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]
    assert ([] if rt.explored else [errno.EINVAL]) == refused


@fact("F1.77")
@pytest.mark.parametrize("timeout", [None, 0, 0.01])
def test_wait_turns_signalling_on(rt, timeout):
    """The driver's hook is called by the waiter, whatever the timeout."""

    def main():
        driver = Driver(enable_signaling=lambda _f: True)
        fence = pending_of(driver)
        rt.spawn(lambda: fence.wait(timeout))
        rt.settle()
        seen = list(driver.calls)
        fence.signal()
        return seen

    assert ["enable_signaling"] == rt.run(main)


@fact("F1.78")
def test_wait_for_a_signalled_fence_answers_what_is_left(rt):
    """Nothing is waited for, and the rest of the timeout comes back."""

    def main():
        fence = pending()
        fence.signal()
        return fence.wait_ns(NS_PER_S)

    left = rt.run(main)
    assert NS_PER_S == left if rt.explored else NS_PER_S / 2 < left <= NS_PER_S


@fact("F1.78")
def test_wait_that_slept_answers_what_is_left(rt):
    """The time slept is missing from the answer."""

    def main():
        fence, left = pending(), []
        rt.spawn(lambda: left.append(fence.wait_ns(30 * NS_PER_S)))
        rt.settle()
        rt.nap(0.01)
        fence.signal()
        rt.settle()
        return left[0]

    left = rt.run(main)
    most = 30 * NS_PER_S - NS_PER_S // 100
    assert most == left if rt.explored else 0 < left <= most


@fact("F1.79")
def test_wait_without_time_for_a_signalled_fence_answers_one(rt):
    """Success must not look like a timeout."""

    def main():
        fence = pending()
        fence.signal()
        return fence.wait_ns(0), fence.wait(0)

    assert (1, True) == rt.run(main)


@fact("F1.80")
def test_wait_whose_time_runs_out_answers_zero(rt):
    """Not before the time has passed, and with or without any time."""

    def main():
        fence = pending()
        before = rt.now()
        answers = fence.wait_ns(5_000_000), fence.wait(0.005), fence.wait_ns(0), fence.wait(0)
        return answers, rt.now() - before >= 10_000_000

    assert ((0, False, 0, False), True) == rt.run(main)


@fact("F1.81")
@pytest.mark.parametrize("timeout", [None, 30])
def test_wait_interruptible_ends_when_a_signal_becomes_pending(rt, timeout):
    """A sleeping waiter is woken by the signal and says so."""

    def main():
        fence, seen = pending(), []
        waiter = rt.spawn(lambda: seen.append(interrupted(lambda: fence.wait(timeout))))
        rt.settle()
        before = list(seen)
        rt.interrupt(waiter)
        rt.settle()
        return before, seen

    assert ([], [errno.EINTR]) == rt.run(main)


@fact("F1.81")
def test_wait_interruptible_does_not_begin_with_a_signal_pending(rt):
    """A signal that is pending already ends the wait as well."""

    def main():
        rt.current().signal_pending = True
        return interrupted(pending().wait)

    assert errno.EINTR == rt.run(main)


@fact("F1.82")
def test_wait_not_interruptible_ignores_signals(rt):
    """Only the fence ends it."""

    def main():
        fence, seen = pending(), []
        waiter = rt.spawn(lambda: seen.append(fence.wait(interruptible=False)))
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        before = list(seen)
        fence.signal()
        rt.settle()
        return before, seen

    assert ([], [True]) == rt.run(main)


@fact("F1.83")
@pytest.mark.parametrize("timeout", [None, 0, 30])
def test_wait_sees_the_fence_before_a_pending_signal(rt, timeout):
    """A signalled fence is success, pending signal or not."""

    def main():
        fence = pending()
        fence.signal()
        rt.current().signal_pending = True
        return fence.wait(timeout)

    assert rt.run(main)


@fact("F1.84")
def test_wait_without_time_sees_a_pending_signal(rt):
    """With a signal pending, even a wait that only looks is interrupted."""

    def main():
        rt.current().signal_pending = True
        return interrupted(lambda: pending().wait(0)), pending().wait(0, interruptible=False)

    assert (errno.EINTR, False) == rt.run(main)


@fact("F1.85")
@pytest.mark.parametrize("timeout", [None, 0, 30])
def test_wait_does_not_answer_the_error(rt, timeout):
    """Waiting for a fence that failed succeeds."""

    def main():
        fence = pending()
        fence.set_error(-errno.EIO)
        fence.signal()
        return fence.wait(timeout)

    assert rt.run(main)


@fact("F1.86")
def test_wait_without_a_timeout_ends_with_the_signal(rt):
    """Time alone does not end it."""

    def main():
        fence, seen = pending(), []
        rt.spawn(lambda: seen.append(fence.wait()), name="waiter")
        rt.settle()
        rt.nap(0.02)
        before = rt.waiting()
        fence.signal()
        rt.settle()
        return before, seen

    assert ({"waiter": "fence.wait"}, [True]) == rt.run(main)


@fact("F1.87")
def test_wait_is_the_drivers_own_if_it_has_one(rt):
    """The hook gets the fence, whether it is interruptible and the limit; its answer counts."""

    def main():
        seen = []
        driver = Driver(wait=lambda _f, intr, limit: seen.append((intr, limit)) or 7)
        fence = pending_of(driver)
        return fence.wait_ns(9, interruptible=False), fence.wait(), seen

    assert (7, True, [(False, 9), (True, None)]) == rt.run(main)


def test_wait_of_a_driver_may_fall_back_on_the_default(rt):
    """A wait hook can call the default wait."""

    def main():
        driver = Driver(wait=lambda f, intr, limit: f.default_wait_ns(limit, interruptible=intr))
        fence = pending_of(driver)
        timed_out = fence.wait(0.001)
        fence.signal()
        return timed_out, fence.wait(1)

    assert (False, True) == rt.run(main)


@pytest.mark.parametrize("timeout", [None, 0, 1])
@pytest.mark.parametrize("done", [False, True])
def test_wait_in_atomic_context_is_reported(rt, timeout, done):
    """Also when it would not have to sleep: for any timeout, and for a signalled fence."""

    def main():
        fence = pending()
        if done:
            fence.signal()
        with SpinLock("A"):
            fence.wait(timeout)

    assert ["DF206"] == [code for code, _ in rt.reports(main)]


def test_wait_with_interrupts_off_is_reported(rt):
    """Interrupts off are atomic context too."""

    def main():
        with local_irq_save():
            pending().wait(0)

    assert ["DF206"] == [code for code, _ in rt.reports(main)]


def test_wait_is_as_long_for_everybody(rt):
    """Waiters with different timeouts run out in order of these, the patient one gets the fence."""

    def main():
        fence, order = pending(), []
        ended = Completion("ended")

        def waiter(seconds):
            order.append((seconds, fence.wait(seconds)))
            ended.complete()

        for seconds in (30, 0.03, 0.01):
            rt.spawn(lambda s=seconds: waiter(s))
        for _ in range(2):
            ended.wait()
        fence.signal()
        ended.wait()
        return order

    assert [(0.01, False), (0.03, False), (30, True)] == rt.run(main)


def interrupted(wait):
    """The errno with which an interrupted wait fails; None if it was not interrupted."""
    try:
        wait()
    except Interrupted as error:
        return error.errno
    return None
