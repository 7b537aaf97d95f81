"""dma_fence: initialisation, contexts, and what its states mean."""

import pytest

from dmabuf.core.fence_ops import FenceOps, context_alloc
from dmabuf.core.fence_steps import ENABLED, SIGNALED, TIMESTAMP, state_of
from dmabuf.core.fence_wait import stub
from dmabuf.core.timeline import Timeline
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import flags, pending
from tests.facts import fact


@fact("F1.01", "F1.02", "F1.03", "F1.04")
def test_fence_new_is_pending_and_bare(rt):
    """A new fence has one reference, no flag, no error and no callbacks."""

    def main():
        state = state_of(pending())
        return state.references, state.flags, state.error, state.callbacks

    assert (1, 0, 0, []) == rt.run(main)


@fact("F1.05", "F1.06")
@pytest.mark.parametrize("missing", ["get_driver_name", "get_timeline_name"])
def test_fence_without_a_name_hook_is_refused(rt, missing):
    """Operations that lack either name stop hard when a timeline is made with them."""
    names = {"get_driver_name", "get_timeline_name"} - {missing}
    ops = type("Half", (FenceOps,), {name: lambda self, fence: "x" for name in names})

    def main():
        with pytest.raises(TypeError, match=f"Half lacks {missing}"):
            Timeline("gpu", ops=ops())

    rt.run(main)


@fact("F1.07")
def test_fence_lock_without_a_given_one_is_its_own(rt):
    """Holding the lock of one fence does not keep the next of its timeline from signalling."""

    def main():
        timeline = Timeline("gpu")
        held, free = timeline.fence(), timeline.fence()
        with held.lock:
            rt.spawn(free.signal)
            rt.settle()
            return held.lock is free.lock, free.is_signaled()

    assert (False, True) == rt.run(main)


@fact("F1.08")
def test_fence_lock_given_is_shared(rt):
    """Fences of a timeline with a lock of its own all signal under that lock."""

    def main():
        lock = SpinLock("ring")
        timeline = Timeline("gpu", lock=lock)
        a, b = timeline.fence(), timeline.fence()
        with lock:
            rt.spawn(a.signal, name="A")
            rt.spawn(b.signal, name="B")
            rt.settle()
            held_back = rt.waiting()
        rt.settle()
        return a.lock is lock is b.lock, held_back, a.is_signaled() and b.is_signaled()

    assert (True, {"A": "fence.signal", "B": "fence.signal"}, True) == rt.run(main)


@fact("F1.09")
def test_fence_seqno_of_a_wide_timeline_is_compared_as_64_bit(rt):
    """2**32 is later than 1 on a 64-bit timeline, and earlier on a 32-bit one."""

    def main():
        wide, narrow = Timeline("wide", wide=True), Timeline("narrow")
        return [line.fence_at(1 << 32).is_later(line.fence_at(1)) for line in (wide, narrow)]

    assert [True, False] == rt.run(main)


@fact("F1.10", "F1.12")
def test_context_alloc_counts_from_one_and_reserves_a_row(rt):
    """The first context is 1, and n contexts in a row are taken at once."""

    def main():
        return context_alloc(), context_alloc(3), context_alloc()

    assert (1, 2, 5) == rt.run(main)


@fact("F1.10")
def test_context_alloc_by_many_tasks_gives_nothing_twice(rt):
    """Contexts allocated at the same time do not overlap."""

    def main():
        firsts: list[int] = []
        for _ in range(4):
            rt.spawn(lambda: firsts.extend(context_alloc(2) for _ in range(20)))
        rt.settle()
        return sorted(firsts)

    assert list(range(1, 161, 2)) == rt.run(main)


@fact("F1.11")
def test_context_alloc_of_none_warns(rt):
    """Zero contexts are a caller's mistake."""
    assert ["DF004"] == [code for code, _ in rt.reports(lambda: context_alloc(0))]


@fact("F1.13")
def test_context_zero_is_the_stubs(rt):
    """Only the stub has context 0."""

    def main():
        return stub().context, pending().context

    assert (0, 1) == rt.run(main)


@fact("F1.14")
def test_fence_flags_only_go_on(rt):
    """Enabling and signalling set flags; nothing that is done later clears one."""

    def main():
        fence = pending()
        seen = [flags(fence)]
        for act in (
            fence.enable_signaling,
            fence.signal,
            fence.signal,
            fence.enable_signaling,
            lambda: fence.add_callback(print),
            lambda: fence.wait(0),
            lambda: fence.signal(timestamp=1),
        ):
            act()
            seen.append(flags(fence))
        return seen

    everything = ENABLED | SIGNALED | TIMESTAMP
    assert [0, ENABLED, *[everything] * 6] == rt.run(main)


@fact("F1.15")
def test_fence_timestamp_is_there_as_soon_as_the_signal_is(rt):
    """A waiter, a poller and a callback all read the timestamp that the fence keeps."""

    def main():
        fence, seen = pending(), []

        def waiter():
            fence.wait()
            seen.append(fence.timestamp)

        def poller():
            while not fence.is_signaled():
                pass
            seen.append(fence.timestamp)

        fence.add_callback(lambda f: seen.append(f.timestamp))
        rt.spawn(waiter, name="waiter")
        rt.spawn(poller, name="poller")
        fence.signal()
        rt.settle()
        return seen == [fence.timestamp] * 3

    assert rt.run(main)


@fact("F1.16")
def test_fence_timestamp_of_a_pending_fence_warns(rt):
    """There is no timestamp before the signal."""
    assert ["DF004"] == [code for code, _ in rt.reports(lambda: pending().timestamp)]


@fact("F1.17")
def test_fence_timestamp_of_a_pending_fence_is_now(live):
    """The answer is the present time (live only: explored, the warning is the end)."""
    seen: list[int] = []

    live.reports(lambda: seen.extend((live.now(), pending().timestamp, live.now())))

    before, answer, after = seen
    assert before <= answer <= after


@fact("F1.18")
def test_fence_callback_list_is_gone_after_the_signal(rt):
    """A signalled fence has no list: it keeps the timestamp in its place."""

    def main():
        fence = pending()
        fence.add_callback(lambda _f: None)
        before = len(state_of(fence).callbacks)
        fence.signal()
        return before, state_of(fence).callbacks

    assert (1, None) == rt.run(main)
