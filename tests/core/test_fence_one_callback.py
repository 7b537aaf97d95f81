"""A live fence with one callback keeps no state of its own: nobody can tell.

Each test does to such a fence what needs more than the callback says; on the other runtimes,
where every fence has a whole state, the same has to come out.
"""

import errno
import sys

import pytest

from dmabuf import Completion, SpinLock, Timeline, WaitSet, wait_any
from dmabuf.core import fence_steps
from dmabuf.core.fence_steps import Callback, State, state_of
from dmabuf.rt.ambient import use
from dmabuf.rt.threads import Threads
from dmabuf.sync.lockdep import assert_held, lock_is_held
from tests.core.drivers import pending


@pytest.mark.usefixtures("way")
def test_one_callback_is_all_that_is_kept():
    """Live and unobserved: the callback itself, and after the signal only the time."""
    with use(Threads()):  # in the ambient runtime a helper of another test may hold the mutex
        fence = Timeline("gpu").fence()

        callback = fence.add_callback(lambda _f: None)
        before = fence._state
        fence.signal()

    assert before is callback
    assert isinstance(fence._state, int)


def test_one_callback_runs_under_the_fences_lock(rt):
    """The lock is found held by the signaller, and free afterwards, with nothing left behind."""

    def main():
        fence, seen, task = pending(), [], rt.current()

        def inside(signaled):
            assert_held(signaled.lock)
            seen.append((signaled.lock.owner is task, task.irqs_off, task.is_atomic))
            seen.append((len(task.held), bool(task.signalling)))

        fence.add_callback(inside)
        fence.signal()
        after = fence.lock.owner, task.held, task.irqs_off, task.atomic, task.signalling
        return seen, after, bool(lock_is_held(fence.lock))

    seen = [(True, 1, True), (1, True)]
    assert (seen, (None, {}, 0, 0, 0), False) == rt.run(main)


def test_one_callback_that_ends_while_a_state_is_made(monkeypatch):
    """A signal handler signals between the look at the callback and the state made of it.

    Live only: a step of virtual time is not interrupted.
    """
    take_over, ran = fence_steps._take_over, []

    def interrupted(state, callback):
        monkeypatch.undo()
        fence.signal()
        take_over(state, callback)

    with use(Threads()) as rt:  # the ambient one may be busy: then a fence has a whole state
        fence = Timeline("gpu").fence()
        fence.add_callback(ran.append)
        monkeypatch.setattr(fence_steps, "_take_over", interrupted)
        with rt.mutex:
            state = state_of(fence)
        held = rt.current().held

    assert ([fence], None, {}) == (ran, state.callbacks, held)
    assert state.owner is None


def test_one_callback_is_held_as_soon_as_it_is_owned(live):
    """Whoever waits for the mutex while the signal is marked finds the lock with its holder.

    Live only: in virtual time a fence has a whole state from the start.
    """

    def main():
        fence, seen = pending(), []

        def wake(*_objects):
            task = live.current()
            seen.append((fence._state.owner is task, list(task.held) == [fence._state]))
            live.runtime.parked.clear()

        fence.add_callback(lambda _f: None)
        live.runtime.parked[id(fence)] = []
        live.runtime.wake = wake
        fence.signal()
        return seen

    if not ground_is_quick(live):
        pytest.skip("observed, it has a whole state")
    assert [(True, True)] == live.run(main)


def ground_is_quick(ground):
    """Are fused paths taken?"""
    return ground.kind.startswith("threads")


@pytest.mark.parametrize("when", ["before", "inside"])
def test_one_callback_and_references(rt, when):
    """A reference taken before or in the callback is counted."""

    def main():
        fence = pending()
        fence.add_callback(lambda f: f.get() if when == "inside" else None)
        if when == "before":
            fence.get()
        fence.signal()
        before = references(fence)
        fence.put()
        return before, references(fence)

    assert (2, 1) == rt.run(main)


def references(fence):
    """How many are counted."""
    with fence.timeline.rt.mutex:
        return state_of(fence).references


def test_one_callback_and_an_error(rt):
    """An error set before the signal is the status, seen from inside as well."""

    def main():
        fence, seen = pending(), []
        fence.add_callback(lambda f: seen.append(f.status))
        fence.set_error(-errno.EIO)
        fence.signal()
        return seen, fence.status, fence.error

    assert ([-errno.EIO], -errno.EIO, -errno.EIO) == rt.run(main)


def test_one_callback_and_what_it_may_ask(rt):
    """Inside, the fence is signalled, with its time, and adding another one is too late."""

    def main():
        fence, other, seen = pending(), pending(), []

        def inside(signaled):
            seen.append((signaled.is_signaled(), signaled.status, signaled.timestamp))
            seen.append(other.add_callback(lambda _f: None) is not None)

        fence.add_callback(inside)
        fence.signal(timestamp=77)
        return seen, fence.timestamp, fence.add_callback(print)

    assert ([(True, 1, 77), True], 77, None) == rt.run(main)


def test_one_callback_taken_back(rt):
    """It does not run, and another one may be added then."""

    def main():
        fence, ran = pending(), []
        first = fence.add_callback(lambda _f: ran.append("first"))
        removed = fence.remove_callback(first), fence.remove_callback(first)
        fence.add_callback(lambda _f: ran.append("second"))
        fence.signal()
        return removed, ran, fence.remove_callback(first)

    assert ((True, False), ["second"], False) == rt.run(main)


def test_one_callback_then_more(rt):
    """All run, in the order of adding."""

    def main():
        fence, ran = pending(), []
        for number in range(4):
            fence.add_callback(lambda _f, n=number: ran.append(n))
        fence.signal()
        return ran

    assert [0, 1, 2, 3] == rt.run(main)


def test_one_callback_keeps_the_time(rt):
    """The time of the signal is the same inside and after, whatever is asked in between."""

    def main():
        fence, seen = pending(), []
        rt.nap(0.001)
        fence.add_callback(lambda f: (f.get(), seen.append(f.timestamp)))
        before = rt.now()
        fence.signal()
        return seen == [fence.timestamp], fence.timestamp >= before > 0

    assert (True, True) == rt.run(main)


def test_one_callback_that_raises(rt):
    """The error comes out of the signal; the fence is signalled and its lock free."""

    def main():
        fence = pending()
        fence.add_callback(lambda _f: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fence.signal()
        return fence.is_signaled(), fence.lock.owner, rt.current().held, rt.current().irqs_off

    assert (True, None, {}, 0) == rt.run(main)


def test_one_callback_and_a_waiter_that_comes_while_it_runs(live):
    """The wait ends when the callback has ended, not before.

    Live only: in virtual time callbacks cannot wait for others.
    """

    def main():
        fence, inside, order = pending(), Completion("inside"), []

        def run(_fence):
            inside.complete()
            live.settle()  # until the waiter waits for the lock
            order.append("callback")

        def wait():
            inside.wait()
            fence.wait()
            order.append("waiter")

        fence.add_callback(run)
        live.spawn(wait, name="waiter")
        fence.signal()
        live.settle()
        return order

    assert ["callback", "waiter"] == live.run(main)


def test_one_callback_released_unsignalled(rt):
    """The last put is a broken promise: DF106, and live the callback runs with -EDEADLK."""
    seen = []

    def main():
        fence = pending()
        fence.add_callback(lambda f: seen.append(f.status))
        fence.put()

    assert ["DF106"] == [code for code, _message in rt.reports(main)]
    assert ([] if rt.explored else [-errno.EDEADLK]) == seen


def test_one_callback_of_others(rt):
    """A wait-set, a wait for any and a second set work on a fence that has one already."""

    def main():
        fence, ran = pending(), []
        fence.add_callback(lambda _f: ran.append(1))
        sets = [WaitSet([fence]), WaitSet([fence])]
        rt.spawn(fence.signal, name="signaller")
        found = wait_any([pending(), fence])
        return found, [waiting.wait() is fence for waiting in sets], ran

    assert (1, [True, True], [1]) == rt.run(main)


def test_one_callback_with_a_lock_of_the_drivers(rt):
    """An external lock is the one that is held."""

    def main():
        lock, seen = SpinLock("ring"), []
        fence = Timeline("gpu", lock=lock).fence()
        fence.add_callback(lambda f: seen.append((f.lock is lock, lock.owner is rt.current())))
        fence.signal()
        return seen, lock.owner

    assert ([(True, True)], None) == rt.run(main)


def test_one_callback_costs_less_than_a_state():
    """That is what it is for."""
    assert sys.getsizeof(Callback()) < sys.getsizeof(State())
