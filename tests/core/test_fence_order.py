"""dma_fence: order on a timeline, and the stubs."""

import itertools

import pytest

from dmabuf.core.fence_wait import private_stub, stub
from dmabuf.core.timeline import Timeline
from tests.core.drivers import Driver, pending, pending_of
from tests.facts import fact

LAST = (1 << 32) - 1
HALF = 1 << 31


@fact("F1.110")
@pytest.mark.parametrize("call", ["is_later", "is_later_or_same", "later"])
def test_order_of_two_contexts_warns(rt, call):
    """Fences of different timelines have no order."""
    assert ["DF004"] == [
        code for code, _ in rt.reports(lambda: getattr(pending(), call)(pending()))
    ]


@fact("F1.110")
def test_order_of_two_contexts_is_no(live):
    """Neither is later (live only: explored, the warning is the end)."""
    seen = []

    def main():
        a, b = pending(), pending()
        seen.extend((a.is_later(b), b.is_later(a), a.is_later_or_same(b)))

    live.reports(main)
    assert [False] * 3 == seen


@fact("F1.111", "F1.112")
@pytest.mark.parametrize(
    ("a", "b", "later"),
    [
        (2, 1, True),
        (1, 2, False),
        (1, 1, False),
        (0, LAST, True),
        (LAST, 0, False),
        (HALF - 1, 0, True),
        (HALF, 0, False),
        (0, HALF, False),
        (0, HALF + 1, True),
    ],
)
def test_order_is_the_sign_of_a_32_bit_difference(rt, a, b, later):
    """Seqnos wrap around: half the range is later, the other half earlier."""

    def main():
        line = Timeline("gpu")
        return line.fence_at(a).is_later(line.fence_at(b))

    assert later is rt.run(main)


def test_order_of_a_timelines_own_fences_is_that_of_making(rt):
    """Each fence that a timeline makes is later than those before."""

    def main():
        line = Timeline("gpu")
        fences = [line.fence() for _ in range(4)]
        return [b.is_later(a) for a, b in itertools.pairwise(fences)]

    assert [True] * 3 == rt.run(main)


@fact("F1.113")
def test_order_later_or_same_is_about_the_object(rt):
    """A fence is the same as itself; one with its seqno is not."""

    def main():
        line = Timeline("gpu")
        a, twin, b = line.fence_at(1), line.fence_at(1), line.fence_at(2)
        return a.is_later_or_same(a), a.is_later_or_same(twin), b.is_later_or_same(a)

    assert (True, False, True) == rt.run(main)


@fact("F1.114")
def test_later_answers_the_later_one(rt):
    """From either side, and of two with one seqno the second."""

    def main():
        line = Timeline("gpu")
        a, b, twin = line.fence_at(1), line.fence_at(2), line.fence_at(2)
        return a.later(b) is b, b.later(a) is b, b.later(twin) is twin

    assert (True, True, True) == rt.run(main)


@fact("F1.115")
def test_later_answers_none_if_the_later_one_is_signalled(rt):
    """There is nothing to wait for then, whatever the state of the earlier one."""

    def main():
        line = Timeline("gpu")
        a, b, c = line.fence(), line.fence(), line.fence()
        b.signal()
        return a.later(b), b.later(a), b.later(c) is c

    assert (None, None, True) == rt.run(main)


def test_later_asks_the_driver(rt):
    """Whether the later one is signalled is asked as `is_signaled` does."""

    def main():
        line = Timeline("ring0", ops=Driver(signaled=lambda f: f.seqno == 2))
        return line.fence_at(1).later(line.fence_at(2))

    assert rt.run(main) is None


@fact("F1.120", "F1.121", "F1.122", "F1.123")
def test_stub_is_one_signalled_fence(rt):
    """The same for everybody, signalled, context and seqno 0, called stub."""

    def main():
        found = []
        for _ in range(3):
            rt.spawn(lambda: found.append(stub()))
        rt.settle()
        one = stub()
        return (
            all(other is one for other in found),
            (one.is_signaled(), one.status, one.wait(0)),
            (one.context, one.seqno, one.name, one.timeline.driver),
            (one.driver_name, one.timeline_name),
        )

    assert (
        True,
        (True, 1, True),
        (0, 0, "stub:0", "stub"),
        ("detached-driver", "signaled-timeline"),
    ) == rt.run(main)


def test_stub_is_one_for_each_runtime(rt):
    """Objects of two runtimes never mix."""
    assert rt.run(stub) is not rt.run(stub)


@fact("F1.124", "F1.125")
def test_private_stub_is_new_and_signalled_when_it_is_told(rt):
    """Each is an object of its own, with the timestamp asked for."""

    def main():
        a, b = private_stub(17), private_stub(18)
        return a is b, stub() in (a, b), a.timestamp, b.timestamp, a.status, a.context, a.seqno

    assert (False, False, 17, 18, 1, 0, 0) == rt.run(main)


@fact("F1.130")
def test_set_deadline_without_a_hook_is_nothing(rt):
    """A hint that nobody asked for."""

    def main():
        fence = pending()
        fence.set_deadline(5)
        return fence.is_signaled()

    assert rt.run(main) is False


@fact("F1.131")
@pytest.mark.parametrize("how", ["signalled", "done"])
def test_set_deadline_of_a_signalled_fence_reaches_nobody(rt, how):
    """It is too late to hurry, also if the driver learns so only when asked."""

    def main():
        driver = Driver(set_deadline=print, signaled=lambda _f: True)
        fence = pending_of(driver)
        if how == "signalled":
            fence.signal()
        fence.set_deadline(5)
        return "set_deadline" in driver.calls

    assert rt.run(main) is False


@fact("F1.132", "F1.133")
def test_set_deadline_reaches_the_driver_each_time_without_the_lock(rt):
    """All of them, in order, not only the earliest."""

    def main():
        seen = []
        driver = Driver(set_deadline=lambda f, at: seen.append((at, f.lock.is_locked())))
        fence = pending_of(driver)
        for at in (30, 10, 20):
            fence.set_deadline(at)
        return seen

    assert [(30, False), (10, False), (20, False)] == rt.run(main)
