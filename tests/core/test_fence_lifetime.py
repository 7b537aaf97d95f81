"""dma_fence: names, operations and references, and what the signal takes away."""

import errno
import gc
import warnings

import pytest

from dmabuf.core.fence_steps import state_of
from dmabuf.core.timeline import Timeline
from dmabuf.errors import KernelWarning
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.rcu import rcu_read_lock
from tests.core.drivers import Driver, pending, pending_of
from tests.facts import fact


@fact("F1.134", "F1.135")
def test_describe_is_one_line(rt):
    """Context, seqno, timeline, driver and state; no names once signalled."""

    def main():
        fence = Timeline("ring0", ops=Driver(), context=7).fence_at(3)
        before = fence.describe()
        fence.signal()
        return before, fence.describe()

    assert ("7:3 ring drv unsignalled", "7:3   signalled") == rt.run(main)


@fact("F1.136", "F1.137")
def test_names_are_the_drivers_until_the_signal(rt):
    """Afterwards the driver may be gone, so the kernel answers for it."""

    def main():
        fence = pending_of(Driver())
        with rcu_read_lock():
            before = fence.driver_name, fence.timeline_name
        fence.signal()
        return before, (fence.driver_name, fence.timeline_name)

    assert (("drv", "ring"), ("detached-driver", "signaled-timeline")) == rt.run(main)


@fact("F1.137")
def test_names_of_a_signalled_fence_do_not_ask_the_driver(rt):
    """Even operations that stay are not asked."""

    def main():
        ops = Driver(release=lambda _f: None)
        fence = pending_of(ops)
        fence.signal()
        ops.get_driver_name = ops.get_timeline_name = None
        return fence.driver_name, fence.timeline_name, fence.ops is ops

    assert ("detached-driver", "signaled-timeline", True) == rt.run(main)


@fact("F1.138", "F1.139")
@pytest.mark.parametrize(
    ("hooks", "stay"),
    [
        ([], False),
        (["enable_signaling", "signaled", "set_deadline"], False),
        (["release"], True),
        (["wait"], True),
    ],
)
def test_ops_are_detached_by_the_signal_unless_needed(rt, hooks, stay):
    """Release and wait may be called later, so operations that have one stay."""

    def main():
        driver = Driver(**{hook: lambda *_: None for hook in hooks})
        fence = pending_of(driver)
        before = fence.ops is driver
        fence.signal()
        return before, fence.ops is driver, fence.ops is None

    assert (True, stay, not stay) == rt.run(main)


@fact("F1.01", "F1.140")
def test_get_of_a_fence_without_references_answers_none(rt):
    """What was put for the last time cannot be had again."""

    def main():
        fence = pending()
        with rcu_read_lock():
            taken = fence.get() is fence
            fence.put()
            fence.put()
            return taken, fence.get(), state_of(fence).references

    assert (True, None, 0) == rt.run(main)


def test_put_without_a_reference_is_reported(rt):
    """One put more than gets."""

    def main():
        fence = pending()
        fence.put()
        fence.put()

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F1.141")
def test_put_for_the_last_time_calls_the_release_hook(rt):
    """Only the last put, and once."""

    def main():
        driver = Driver(release=lambda _f: None)
        fence = pending_of(driver)
        fence.get()
        fence.put()
        early = list(driver.calls)
        fence.put()
        return early, driver.calls

    assert ([], ["release"]) == rt.run(main)


@fact("F1.141")
def test_put_for_the_last_time_may_happen_in_irq_context(rt):
    """The release hook runs there then."""

    def main():
        seen = []
        fence = pending_of(Driver(release=lambda _f: seen.append(rt.current().in_irq)))
        IrqWork(fence.put, "put").queue()
        rt.settle()
        return seen

    assert [True] == rt.run(main)


@fact("F1.142", "F1.143", "F1.144")
def test_put_of_a_pending_fence_with_callbacks_warns(rt):
    """DF106, with driver, timeline, context and seqno in the message."""

    def main():
        fence = Timeline("ring0", ops=Driver(), context=7).fence_at(3)
        fence.add_callback(print)
        fence.put()

    [(code, message)] = rt.reports(main)
    assert "DF106" == code
    assert "drv:ring:7:3" in message


@fact("F1.143", "F1.144")
def test_put_of_a_pending_fence_with_callbacks_runs_them_with_an_error(live):
    """They get -EDEADLK, then it is released (live only: explored, the warning is the end)."""
    seen = []

    def main():
        fence = pending_of(Driver(release=lambda _f: seen.append("released")))
        fence.add_callback(lambda f: seen.append(f.status))
        fence.put()

    live.reports(main)
    assert [-errno.EDEADLK, "released"] == seen


@fact("F1.145")
@pytest.mark.parametrize("before", ["nothing", "removed", "signalled"])
def test_put_without_callbacks_is_silent(rt, before):
    """Nobody waits, so nobody is let down; callbacks that ran or were removed do not count."""

    def main():
        fence = pending()
        handle = fence.add_callback(lambda _f: None) if before != "nothing" else None
        if before == "removed":
            fence.remove_callback(handle)
        if before == "signalled":
            fence.signal()
        fence.put()

    assert [] == rt.reports(main)


# --- what the collector finds (live only: in virtual time lifetime ends by an explicit put) ------


@pytest.mark.parametrize("counted", [False, True])
def test_collected_fence_is_released_once(live, counted):
    """The release hook is called for a fence that nobody has any more, put or not, once."""

    def main():
        driver = Driver(release=lambda _f: None)
        fence = pending_of(driver)
        if counted:
            fence.put()
        del fence
        gc.collect()
        pending().signal(timestamp=1)
        return driver.calls

    assert ["release"] == live.run(main)


def test_collected_fence_with_callbacks_warns_at_the_next_step(live):
    """The finaliser does nothing itself; the next step of any task completes it."""
    seen = []

    def main():
        fence = pending()
        fence.add_callback(lambda f: seen.append(f.status))
        del fence
        gc.collect()
        seen.append("collected")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KernelWarning)
            pending().signal(timestamp=1)

    assert ["DF106"] == [code for code, _ in live.reports(main)]
    assert ["collected", -errno.EDEADLK] == seen


def test_collected_fence_without_callbacks_is_silent(live):
    """An unsignalled fence that nobody waits for may go, and signalled ones too."""

    def main():
        for signalled in (False, True):
            fence = pending()
            if signalled:
                fence.add_callback(lambda _f: None)
                fence.signal()
            del fence
        gc.collect()
        pending().signal(timestamp=1)

    assert [] == live.reports(main)
