"""WaitSet: many fences registered once, each completion once."""

import errno

import pytest

from dmabuf.core.fence_steps import state_of
from dmabuf.core.timeline import Timeline
from dmabuf.core.wait_set import WaitSet
from dmabuf.errors import Interrupted
from dmabuf.explore.check import check_design
from dmabuf.machine import design
from dmabuf.report.verdict import Status
from dmabuf.rt.threads import Threads
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, flags, pending, pending_of
from tests.support import Listener


def queued(fence):
    """How many callbacks the fence has."""
    return len(state_of(fence).callbacks or ())


def test_wait_set_gives_fences_in_the_order_of_signalling(rt):
    """Not the order of registration."""

    def main():
        fences = [pending() for _ in range(4)]
        waiting = WaitSet(fences)
        for index in (2, 0, 3, 1):
            fences[index].signal()
        return [fences.index(waiting.wait()) for _ in fences]

    assert [2, 0, 3, 1] == rt.run(main)


def test_wait_set_sleeps_until_one_signals(rt):
    """A waiter is woken by the callback of whichever fence it is."""

    def main():
        fences, seen = [pending() for _ in range(3)], []
        waiting = WaitSet(fences)
        rt.spawn(lambda: seen.append(waiting.wait()), name="waiter")
        rt.settle()
        asleep = rt.waiting()
        fences[1].signal()
        rt.settle()
        return asleep, seen == [fences[1]]

    assert ({"waiter": "wait_set.take"}, True) == rt.run(main)


def test_wait_set_takes_fences_signalled_before(rt):
    """They are ready at once, in the order of registration."""

    def main():
        early, late, hooked = pending(), pending(), pending_of(Driver())
        hooked.signal()
        state_of(late)
        late.signal()
        early.signal()
        waiting = WaitSet([hooked, late, early])
        return waiting.drain() == [hooked, late, early]

    assert rt.run(main)


def test_wait_set_add_of_a_signalled_fence_wakes_a_waiter(rt):
    """A task that waits for an empty set hears of it."""

    def main():
        waiting, seen, fence = WaitSet(), [], pending()
        fence.signal()
        rt.spawn(lambda: seen.append(waiting.wait()))
        rt.settle()
        waiting.add(fence)
        rt.settle()
        return seen == [fence]

    assert rt.run(main)


@pytest.mark.parametrize("signalled", [False, True])
def test_wait_set_has_a_fence_once(rt, signalled):
    """Added again it is neither there twice nor does it have a second callback."""

    def main():
        waiting, fence = WaitSet(), pending()
        if signalled:
            fence.signal()
        answers = waiting.add(fence), waiting.add(fence)
        callbacks = queued(fence)
        fence.signal()
        return answers, callbacks, len(waiting.drain()), waiting.wait(0)

    assert ((True, False), 0 if signalled else 1, 1, None) == rt.run(main)


def test_wait_set_takes_a_fence_again_that_has_come_out(rt):
    """Each addition has its own completion."""

    def main():
        waiting, fence = WaitSet(), pending()
        fence.signal()
        return [(waiting.add(fence), waiting.wait() is fence) for _ in range(3)]

    assert [(True, True)] * 3 == rt.run(main)


def test_wait_set_drain_takes_all_that_are_ready(rt):
    """The others stay, and nothing comes out twice."""

    def main():
        fences = [pending() for _ in range(4)]
        waiting = WaitSet(fences)
        fences[3].signal()
        fences[1].signal()
        first, second = waiting.drain(), waiting.drain()
        return [fences.index(f) for f in first], second, len(waiting)

    assert ([3, 1], [], 2) == rt.run(main)


def test_wait_set_iterates_until_it_is_empty(rt):
    """The loop waits for what is pending and ends with the last."""

    def main():
        fences, seen = [pending() for _ in range(3)], []
        waiting = WaitSet(fences)
        rt.spawn(lambda: seen.extend(fences.index(f) for f in waiting), name="loop")
        for index in (1, 0):
            fences[index].signal()
        rt.settle()
        asleep = rt.waiting()
        fences[2].signal()
        rt.settle()
        return asleep, seen, rt.waiting()

    assert ({"loop": "wait_set.take"}, [1, 0, 2], {}) == rt.run(main)


def test_wait_set_iteration_ends_when_the_last_is_removed(rt):
    """A removal can make the set empty, too."""

    def main():
        fence, seen = pending(), []
        waiting = WaitSet([fence])
        rt.spawn(lambda: seen.append(list(waiting)))
        rt.settle()
        waiting.remove(fence)
        rt.settle()
        return seen

    assert [[]] == rt.run(main)


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_wait_set_runs_out_of_time(rt, timeout):
    """None, not before the time is over, and the fence is still there."""

    def main():
        fence = pending()
        waiting = WaitSet([fence])
        before = rt.now()
        answer = waiting.wait(timeout)
        passed = rt.now() - before
        fence.signal()
        return answer, passed >= timeout * 1e9, waiting.wait(0) is fence

    assert (None, True, True) == rt.run(main)


def test_wait_set_negative_timeout_warns_and_is_einval(rt):
    """A caller's mistake, as for a fence."""

    def main():
        with pytest.raises(OSError, match="negative"):
            WaitSet().wait(-1)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


def test_wait_set_wait_is_interruptible(rt):
    """A pending signal ends it, and no completion is lost."""

    def main():
        fence, seen = pending(), []
        waiting = WaitSet([fence])

        def waiter():
            with pytest.raises(Interrupted):
                waiting.wait()
            seen.append("interrupted")

        task = rt.spawn(waiter)
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        fence.signal()
        return seen, waiting.wait(0) is fence

    assert (["interrupted"], True) == rt.run(main)


@pytest.mark.parametrize("signalled", [False, True])
def test_wait_set_removed_fence_does_not_come_out(rt, signalled):
    """Whether or not it had signalled; its callback is gone."""

    def main():
        fence = pending()
        waiting = WaitSet([fence])
        if signalled:
            fence.signal()
        answers = waiting.remove(fence), waiting.remove(fence)
        callbacks = queued(fence)
        fence.signal()
        return answers, callbacks, waiting.drain(), len(waiting)

    assert ((True, False), 0, [], 0) == rt.run(main)


@pytest.mark.parametrize("signalled", [False, True])
def test_wait_set_add_takes_the_fences_lock(rt, signalled):
    """Adding waits for who holds it, such as a signaller that still runs callbacks."""

    def main():
        fence, waiting = pending(), WaitSet()
        with fence.lock.irqsave():
            if signalled:
                fence.signal_locked()
            rt.spawn(lambda: waiting.add(fence), name="adder")
            rt.settle()
            asleep = rt.waiting()
        rt.settle()
        return asleep, len(waiting)

    assert ({"adder": "fence.add_callback"}, 1) == rt.run(main)


def test_wait_set_remove_while_the_fence_signals_waits_for_the_callbacks(rt):
    """The fence is marked but its callbacks have not run: it is removed, and does not come out."""

    def main():
        fence, seen, go = pending(), [], pending()
        waiting = WaitSet()

        def slow(_fence):
            rt.spawn(lambda: seen.append(waiting.remove(fence)), name="remover")
            rt.nap(0.05)
            seen.append(waiting.wait(0))

        fence.add_callback(slow)
        waiting.add_all([fence, go])
        fence.signal()
        rt.settle()
        return seen, waiting.drain(), len(waiting)

    seen, drained, count = rt.run(main)

    if seen == [None, False]:  # the remover started late: the fence had its turn
        assert (1, 2) == (len(drained), count + len(drained))
    else:
        assert ([None, True], [], 1) == (seen, drained, count)


def test_wait_set_close_removes_callbacks(rt):
    """A closed set has nothing queued on its fences, and they do not come out."""

    def main():
        fences = [pending() for _ in range(3)]
        with WaitSet(fences) as waiting:
            fences[0].signal()
        counts = [queued(f) for f in fences]
        fences[1].signal()
        waiting.close()
        return counts, waiting.drain(), waiting.wait(), len(waiting)

    assert ([0, 0, 0], [], None, 0) == rt.run(main)


def test_wait_set_close_ends_waits(rt):
    """Every waiter goes on, with None."""

    def main():
        waiting, seen = WaitSet([pending()]), []
        for _ in range(3):
            rt.spawn(lambda: seen.append(waiting.wait()))
        rt.settle()
        waiting.close()
        rt.settle()
        return seen

    assert [None] * 3 == rt.run(main)


def test_wait_set_closed_takes_no_fence(rt):
    """EBADF, and no callback is left behind."""

    def main():
        waiting, fence = WaitSet(), pending()
        waiting.close()
        with pytest.raises(OSError, match="closed") as error:
            waiting.add(fence)
        return error.value.errno, queued(fence)

    assert (errno.EBADF, 0) == rt.run(main)


def test_wait_set_takes_fences_of_its_runtime_only(rt):
    """Objects of two runtimes never mix."""

    def main():
        stranger = Timeline("other", rt=Threads()).fence()
        with pytest.raises(OSError, match="another runtime") as error:
            WaitSet().add(stranger)
        return error.value.errno

    assert errno.EINVAL == rt.run(main)


def test_wait_set_fence_released_without_a_signal_comes_out_with_its_error(live):
    """Live, where the broken promise is survived; explored the report ends the execution."""
    seen = []

    def main():
        fence = pending()
        waiting = WaitSet([fence])
        fence.put()
        seen.append((waiting.wait(0) is fence, fence.status))

    assert ["DF106"] == [code for code, _ in live.reports(main)]
    assert [(True, -errno.EDEADLK)] == seen


def test_wait_set_released_fence_is_reported(explored):
    """Virtual time only: the set does not hide the broken promise."""

    def main():
        fence = pending()
        WaitSet([fence])
        fence.put()

    assert ["DF106"] == [code for code, _ in explored.reports(main)]


def test_wait_set_of_fences_with_hooks_and_locks(rt):
    """Signalling is turned on once; one that says it is done comes out at once."""

    def main():
        done = pending_of(Driver(enable_signaling=lambda _f: False))
        driver = Driver(enable_signaling=lambda _f: True)
        asked, locked = pending_of(driver), Timeline("l", lock=SpinLock("L")).fence()
        waiting = WaitSet([asked, locked, done])
        at_once = waiting.drain() == [done]
        locked.signal()
        asked.signal()
        return at_once, driver.calls, waiting.drain() == [locked, asked]

    assert (True, ["enable_signaling"], True) == rt.run(main)


def test_wait_set_wait_in_atomic_context_is_reported(rt):
    """It may sleep, even where a fence is ready."""

    def main():
        fence = pending()
        fence.signal()
        waiting = WaitSet([fence])
        with SpinLock("A"):
            waiting.wait()

    assert ["DF206"] == [code for code, _ in rt.reports(main)]


def test_wait_set_looks_and_drains_in_atomic_context(rt):
    """Neither sleeps."""

    def main():
        waiting = WaitSet([pending()])
        with SpinLock("A"):
            return waiting.wait(0), waiting.drain()

    assert (None, []) == rt.run(main)


def test_wait_set_shares_completions_among_waiters(rt):
    """Each goes to one of them, none is lost."""

    def main():
        fences, seen = [pending() for _ in range(9)], []
        waiting = WaitSet(fences)

        def waiter():
            while (fence := waiting.wait()) is not None:
                seen.append(fences.index(fence))

        for _ in range(3):
            rt.spawn(waiter)
        signallers = [fences[:5], fences[5:]]
        for part in signallers:
            rt.spawn(lambda part=part: [f.signal() for f in part])
        rt.settle()
        waiting.close()
        rt.settle()
        return sorted(seen)

    assert list(range(9)) == rt.run(main)


def test_wait_set_fused_paths_equal_the_steps(live):
    """With and without an observer every call answers the same, state for state."""

    def story():
        fences = [pending() for _ in range(5)]
        fences[0].signal()
        state_of(fences[1])
        state_of(fences[2])
        fences[2].signal()
        waiting, told = WaitSet(), []

        def tell(answer):
            sets = [[fences.index(f) for f in part] for part in (waiting.pending, waiting.ready)]
            told.append((answer, sets, [queued(f) for f in fences], [f.status for f in fences]))

        for fence in [*fences, fences[0], fences[3]]:
            tell(waiting.add(fence))
        for fence in (fences[4], fences[1]):
            tell(fence.signal())
            tell(fences.index(waiting.wait()))
        tell(waiting.wait(0) is fences[2])
        waiting.close()
        return [*told, [flags(f) for f in fences]]

    def main():
        mine = story()
        before, live.runtime.instruments = live.runtime.instruments, (Listener(),)
        live.runtime.quick = False
        theirs = story()
        live.runtime.instruments = before
        return mine == theirs, len(mine)

    assert (True, 13) == live.run(main)


def test_wait_set_fused_paths_are_taken(monkeypatch):
    """Live and unobserved, neither adding nor signalling nor taking makes a step."""
    quick, made = Threads(), []
    monkeypatch.setattr(Threads, "step", lambda *how, **_more: made.append(how[1].name))
    fences = [Timeline("gpu", rt=quick).fence() for _ in range(3)]

    waiting = WaitSet(fences, rt=quick)
    fences[1].signal()
    found = waiting.wait()

    assert (fences[1], []) == (found, made)


# -- explored -----------------------------------------------------------------------------------


@design
def exactly_once(machine):
    """Two signallers, a remover, and a consumer that takes all that is left."""
    fences = [Timeline(name).fence() for name in "ab"]
    waiting = WaitSet(fences)
    removed, taken = [], []
    machine.kthread(fences[0].signal, "signals a")
    machine.kthread(fences[1].signal, "signals b")
    machine.kthread(lambda: removed.append(waiting.remove(fences[0])), "remover")

    def consumer():
        for fence in waiting:
            assert fence.is_signaled()
            taken.append(fence.timeline.name)
        assert taken.count("b") == 1
        assert taken.count("a") == (removed == [False]) or not removed

    machine.kthread(consumer, "consumer")


@design
def added_while_signalling(machine):
    """A fence signals while two tasks add it: it comes out once, whoever was first."""
    fence, waiting, added = Timeline("a").fence(), WaitSet(), []
    machine.kthread(fence.signal, "signaller")
    machine.kthread(lambda: added.append(waiting.add(fence)), "one")
    machine.kthread(lambda: added.append(waiting.add(fence)), "two")
    machine.kthread(lambda: waiting.wait(), "consumer")


@design
def closed_while_signalling(machine):
    """After close no callback is left, and the waiter has ended."""
    fences = [Timeline(name).fence() for name in "ab"]
    waiting = WaitSet(fences)
    machine.kthread(fences[0].signal, "signaller")
    machine.kthread(lambda: waiting.wait(), "waiter")

    def closer():
        waiting.close()
        assert not queued(fences[1])
        assert waiting.wait() is None
        fences[1].signal()

    machine.kthread(closer, "closer")


@design
def nobody_signals(machine):
    """A promise that nobody keeps: the wait must be found."""
    waiting = WaitSet([Timeline("a").fence()])
    machine.kthread(lambda: waiting.wait(), "waiter")


@pytest.mark.slow
@pytest.mark.parametrize("fn", [exactly_once, added_while_signalling, closed_while_signalling])
def test_wait_set_is_proved_under_every_schedule(fn):
    """Exactly once, in every order of two signallers, a remover, a closer and a consumer."""
    verdict = check_design(fn, fn.__name__)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


def test_wait_set_wait_that_nobody_ends_is_found():
    """The wait for a fence without signaller is a finding, not a pass."""
    assert Status.VIOLATED is check_design(nobody_signals, "nobody").status
