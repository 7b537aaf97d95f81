"""dma_fence: asking whether it is signalled, and with which error."""

import errno

import pytest

from dmabuf.core.fence_steps import ENABLED
from dmabuf.core.timeline import Timeline
from tests.core.drivers import Driver, flags, pending, pending_of
from tests.facts import fact


@fact("F1.60")
def test_is_signaled_of_a_signalled_fence_asks_nobody(rt):
    """The flag is enough; the driver's hook is for pending fences."""

    def main():
        driver = Driver(signaled=lambda _f: False)
        fence = pending_of(driver)
        fence.signal()
        return fence.is_signaled(), driver.calls

    assert (True, []) == rt.run(main)


@fact("F1.61")
@pytest.mark.parametrize("answer", [False, True])
def test_is_signaled_of_a_pending_fence_is_the_hooks_answer(rt, answer):
    """The driver's hook is asked about a pending fence, and its answer is the answer."""

    def main():
        driver = Driver(signaled=lambda _f: answer)
        return pending_of(driver).is_signaled(), driver.calls

    assert (answer, ["signaled"]) == rt.run(main)


@fact("F1.62")
def test_is_signaled_that_learns_so_signals_the_fence(rt):
    """A true answer of the hook runs callbacks, wakes waiters and sets the flag."""

    def main():
        done, calls = [], []
        fence = pending_of(Driver(signaled=lambda _f: bool(done)))
        fence.add_callback(calls.append)
        rt.spawn(fence.wait, name="waiter")
        rt.settle()
        before = fence.is_signaled(), len(calls)
        done.append(True)
        after = fence.is_signaled(), len(calls)
        rt.settle()
        return before, after, rt.waiting()

    assert ((False, 0), (True, 1), {}) == rt.run(main)


@fact("F1.62")
def test_is_signaled_by_a_holder_of_the_lock_signals_under_it(rt):
    """Asked with the lock held, as by the _locked form, it signals with that lock."""

    def main():
        fence, calls = pending_of(Driver(signaled=lambda _f: True)), []
        fence.add_callback(calls.append)
        with fence.lock.irqsave():
            return fence.is_signaled(), len(calls), fence.lock.owner is rt.current()

    assert (True, 1, True) == rt.run(main)


@fact("F1.63")
def test_is_signaled_does_not_turn_signalling_on(rt):
    """A fence whose driver works only when enabled stays pending however often one asks."""

    def main():
        enabled = []
        driver = Driver(
            enable_signaling=lambda _f: enabled.append(1) or True,
            signaled=lambda _f: bool(enabled),
        )
        fence = pending_of(driver)
        asked = [fence.is_signaled() for _ in range(5)]
        off = flags(fence) & ENABLED
        fence.enable_signaling()
        return asked, off, fence.is_signaled()

    assert ([False] * 5, 0, True) == rt.run(main)


@fact("F1.64", "F1.65", "F1.66")
@pytest.mark.parametrize(("error", "status"), [(0, 1), (-errno.EIO, -errno.EIO), (-4095, -4095)])
def test_status_is_pending_then_done_or_the_error(rt, error, status):
    """0 until the signal, then 1 or the negative error."""

    def main():
        fence = pending()
        seen = [fence.status]
        if error:
            fence.set_error(error)
        fence.signal()
        return [*seen, fence.status, fence.error]

    assert [0, status, error] == rt.run(main)


@fact("F1.67")
def test_status_does_not_show_an_error_before_the_signal(rt):
    """The member is set, the status is still pending."""

    def main():
        fence = pending()
        fence.set_error(-errno.EIO)
        early = fence.status, fence.error
        fence.signal()
        return early, fence.status

    assert ((0, -errno.EIO), -errno.EIO) == rt.run(main)


@fact("F1.68")
def test_status_can_signal(rt):
    """It asks as `is_signaled` does, so a driver that says yes has its fence signalled."""

    def main():
        fence, calls = pending_of(Driver(signaled=lambda _f: True)), []
        fence.add_callback(calls.append)
        return fence.status, len(calls)

    assert (1, 1) == rt.run(main)


def test_status_and_error_never_tear(rt):
    """Whoever sees a fence signalled sees the error that was set before the signal."""

    def main():
        seen = []
        for _ in range(20):
            fence = Timeline("gpu").fence()

            def reader(fence=fence):
                while not (status := fence.status):
                    pass
                seen.append(status)

            rt.spawn(reader)
            fence.set_error(-errno.EIO)
            fence.signal()
            rt.settle()
        return seen

    assert [-errno.EIO] * 20 == rt.run(main)


@fact("F1.69")
@pytest.mark.parametrize("callbacks", [0, 1])
def test_set_error_after_the_signal_warns(rt, callbacks):
    """Too late: DF106."""

    def main():
        fence = pending()
        for _ in range(callbacks):
            fence.add_callback(lambda _f: None)
        fence.signal()
        fence.set_error(-errno.EIO)

    assert ["DF106"] == [code for code, _ in rt.reports(main)]


@fact("F1.70")
@pytest.mark.parametrize("error", [0, 1, errno.EIO, -4096])
def test_set_error_to_no_errno_warns(rt, error):
    """Only -4095 to -1 are errors."""
    assert ["DF004"] == [code for code, _ in rt.reports(lambda: pending().set_error(error))]
