"""dma_fence: waiting for the first of several."""

import errno

import pytest

from dmabuf.core.fence_steps import ENABLED, state_of
from dmabuf.core.fence_wait import wait_any
from dmabuf.errors import Interrupted
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, flags, pending, pending_of
from tests.facts import fact


@fact("F1.90", "F1.91")
@pytest.mark.parametrize(("count", "timeout"), [(0, None), (0, 0), (1, -1)])
def test_wait_any_of_nothing_or_negative_warns_and_is_einval(rt, count, timeout):
    """A caller's mistake; live, where warnings are survived, it is EINVAL as well."""
    refused: list[int | None] = []

    def main():
        with pytest.raises(OSError, match="at least one fence") as error:
            wait_any([pending() for _ in range(count)], timeout)
        refused.append(error.value.errno)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]
    assert ([] if rt.explored else [errno.EINVAL]) == refused


@fact("F1.92")
def test_wait_any_without_time_only_asks(rt):
    """Each fence is asked in order until one says yes: nothing is enabled, nothing queued."""

    def main():
        no = Driver(enable_signaling=lambda _f: True, signaled=lambda _f: False)
        yes = Driver(enable_signaling=lambda _f: True, signaled=lambda _f: True)
        fences = [pending_of(no), pending_of(yes), pending_of(yes)]
        found = wait_any(fences, 0)
        nothing = wait_any(fences[:1], 0)
        return found, nothing, no.calls, yes.calls, [flags(f) & ENABLED for f in fences]

    assert (1, None, ["signaled", "signaled"], ["signaled"], [0, 0, 0]) == rt.run(main)


@fact("F1.93", "F1.94", "F1.95")
def test_wait_any_enables_in_order_up_to_one_that_is_done(rt):
    """Those before the fence that is done are enabled, those after it are not."""

    def main():
        order = []
        fences = [
            pending_of(Driver(enable_signaling=lambda _f, n=n: order.append(n) or True))
            for n in range(4)
        ]
        fences[2].signal()
        return wait_any(fences), order

    assert (2, [0, 1]) == rt.run(main)


@fact("F1.93", "F1.94")
def test_wait_any_ends_at_a_driver_that_says_done(rt):
    """A fence whose enable hook says it is done comes before a later signalled one."""

    def main():
        fences = [pending(), pending_of(Driver(enable_signaling=lambda _f: False)), pending()]
        fences[2].signal()
        return wait_any(fences)

    assert 1 == rt.run(main)


@fact("F1.94")
@pytest.mark.parametrize("timeout", [None, 0, 5])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_wait_any_answers_the_index_of_one_that_is_done(rt, timeout, done):
    """No time passes for a fence that is signalled already."""

    def main():
        fences = [pending() for _ in range(3)]
        fences[done].signal()
        before = rt.now()
        return wait_any(fences, timeout), rt.now() - before < 2_000_000_000

    assert (done, True) == rt.run(main)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_wait_any_sleeps_until_the_first_signals(rt, which):
    """The sleeper is woken by whichever fence it is and answers its index."""

    def main():
        fences, seen = [pending() for _ in range(3)], []
        rt.spawn(lambda: seen.append(wait_any(fences)), name="waiter")
        rt.settle()
        asleep = rt.waiting()
        fences[which].signal()
        rt.settle()
        return asleep, seen

    assert ({"waiter": "wait_any.sleep"}, [which]) == rt.run(main)


@fact("F1.96")
def test_wait_any_answers_the_lowest_index_of_those_signalled(rt):
    """Woken through the second fence while the first has signalled too: the first it is."""

    def main():
        first, second, seen = pending(), pending(), []
        first.add_callback(lambda _f: second.signal())
        rt.spawn(lambda: seen.append(wait_any([first, second])))
        rt.settle()
        first.signal()
        rt.settle()
        return seen

    assert [0] == rt.run(main)


@fact("F1.97")
def test_wait_any_that_timed_out_does_not_change_its_mind(rt):
    """A signal between the end of its time and its return is too late."""

    def main():
        fence, seen = pending(), []
        rt.spawn(lambda: seen.append(wait_any([fence], 0.05)), name="waiter")
        rt.settle()
        with fence.lock.irqsave():
            rt.nap(0.2)
            late = rt.waiting()
            fence.signal_locked()
        rt.settle()
        return late, seen

    assert ({"waiter": "fence.remove_callback"}, [None]) == rt.run(main)


@fact("F1.97")
def test_wait_any_whose_time_runs_out_answers_none(rt):
    """Not before the time has passed."""

    def main():
        fences = [pending(), pending()]
        before = rt.now()
        return wait_any(fences, 0.005), rt.now() - before >= 5_000_000

    assert (None, True) == rt.run(main)


@fact("F1.98", "F1.99")
def test_wait_any_ends_when_a_signal_is_pending(rt):
    """The sleeper is woken by the signal, says so, and leaves nothing behind."""

    def main():
        fences, seen = [pending(), pending()], []

        def wait():
            with pytest.raises(Interrupted):
                wait_any(fences)
            seen.append("interrupted")

        waiter = rt.spawn(wait)
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        return seen, [state_of(f).callbacks for f in fences]

    assert (["interrupted"], [[], []]) == rt.run(main)


@fact("F1.98")
def test_wait_any_not_interruptible_ignores_signals(rt):
    """Only a fence ends it."""

    def main():
        fences, seen = [pending(), pending()], []
        waiter = rt.spawn(lambda: seen.append(wait_any(fences, interruptible=False)))
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        before = list(seen)
        fences[1].signal()
        rt.settle()
        return before, seen

    assert ([], [1]) == rt.run(main)


@fact("F1.99")
@pytest.mark.parametrize("ending", ["signal", "timeout", "done"])
def test_wait_any_takes_its_callbacks_back(rt, ending):
    """However it ends, the other fences have nothing queued afterwards."""

    def main():
        fences = [pending() for _ in range(3)]
        if ending == "done":
            fences[1].signal()
        rt.spawn(lambda: wait_any(fences, 0.01 if ending == "timeout" else None))
        rt.settle()
        if ending == "signal":
            fences[1].signal()
        if ending == "timeout":
            rt.nap(0.05)
        rt.settle()
        return [state_of(f).callbacks for f in fences]

    middle = [] if ending == "timeout" else None
    assert [[], middle, []] == rt.run(main)


@fact("F1.100")
def test_wait_any_takes_fences_with_a_wait_of_their_own(rt):
    """The hook is not called, and not refused either."""

    def main():
        driver = Driver(wait=lambda _f, _intr, _limit: 1)
        fences, seen = [pending_of(driver), pending_of(driver)], []
        rt.spawn(lambda: seen.append(wait_any(fences)))
        rt.settle()
        fences[1].signal()
        rt.settle()
        return seen, driver.calls

    assert ([1], []) == rt.run(main)


def test_wait_any_of_one_fence_many_times_is_fine(rt):
    """The same fence may be named more than once; its first index is the answer."""

    def main():
        fence, seen = pending(), []
        rt.spawn(lambda: seen.append(wait_any([fence, fence, fence])))
        rt.settle()
        fence.signal()
        rt.settle()
        return seen

    assert [0] == rt.run(main)


@pytest.mark.parametrize("timeout", [None, 1])
def test_wait_any_in_atomic_context_is_reported(rt, timeout):
    """It may sleep, so an atomic task must not call it."""

    def main():
        with SpinLock("A"):
            wait_any([pending()], timeout)

    assert ["DF206"] == [code for code, _ in rt.reports(main)]


def test_wait_any_without_time_is_fine_in_atomic_context(rt):
    """A poll never sleeps."""

    def main():
        with SpinLock("A"):
            return wait_any([pending()], 0)

    assert rt.run(main) is None


def test_wait_any_by_many_tasks_on_the_same_fences(rt):
    """Every waiter is woken by the one signal."""

    def main():
        fences, seen = [pending() for _ in range(3)], []
        for _ in range(4):
            rt.spawn(lambda: seen.append(wait_any(fences)))
        rt.settle()
        fences[2].signal()
        rt.settle()
        return seen

    assert [2] * 4 == rt.run(main)
