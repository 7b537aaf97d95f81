"""Waiting for sync objects: any and all, before submission, absolute timeouts, signals."""

import errno
import threading

import pytest

from dmabuf import Timeline
from dmabuf.core.fence_steps import state_of
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_wait import FOR_EVER, NONE_SIGNALED, WaitFlags, wait
from dmabuf.errors import Interrupted
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, no_memory, pending, pending_of
from tests.core.test_syncobj import points
from tests.facts import fact
from tests.support import errno_of

ALL, FOR_SUBMIT, AVAILABLE = WaitFlags.ALL, WaitFlags.FOR_SUBMIT, WaitFlags.AVAILABLE
SECOND = 10**9


def background(rt, *args, **how):
    """A wait in a task of its own; its answer, or errno, is appended to the list."""
    answers = []

    def waits():
        try:
            answers.append(wait(*args, **how))
        except Interrupted:
            answers.append("interrupted")
        except OSError as error:
            answers.append(errno.errorcode[error.errno])

    task = rt.spawn(waits, name="waiter")
    rt.settle()
    return task, answers


def busy(count=1):
    """Objects with a pending fence each, and the fences."""
    fences = [pending() for _ in range(count)]
    return [SyncObj(f"o{i}", fence=fence) for i, fence in enumerate(fences)], fences


@fact("F15.15")
def test_syncobj_wait_for_nothing_succeeds(rt):
    """At once, with no index to tell."""
    assert NONE_SIGNALED == rt.run(lambda: wait([], 0))


@fact("F15.17")
@pytest.mark.parametrize("timeout", [0, FOR_EVER])
def test_syncobj_wait_without_a_fence_fails_at_once(rt, timeout):
    """EINVAL even if another one is signalled, and whatever the timeout; so for a point ahead."""

    def main():
        ready, empty = SyncObj(signaled=True), SyncObj()
        line, _fences = points(1)
        return (
            errno_of(wait, [ready, empty], timeout),
            errno_of(wait, [line], timeout, points=[2]),
            errno_of(wait, [ready], timeout, points=[1]),
        )

    assert (errno.EINVAL,) * 3 == rt.run(main)


@fact("F15.18")
@pytest.mark.parametrize("timeout", [0, -1, -(2**63), 1])
def test_syncobj_wait_that_only_looks(rt, timeout):
    """0, negative and past times: ETIME if it is pending, else its index."""

    def main():
        rt.nap(0.001)
        (obj,), _ = busy()
        ready = SyncObj(signaled=True)
        return errno_of(wait, [obj], timeout), wait([obj, ready], timeout)

    assert (errno.ETIME, 1) == rt.run(main)


@pytest.mark.parametrize("timeout", [2**63, -(2**63) - 1])
def test_syncobj_wait_timeout_has_64_bits_and_a_sign(rt, timeout):
    """Anything else is EINVAL."""
    assert errno.EINVAL == rt.run(lambda: errno_of(wait, [SyncObj(signaled=True)], timeout))


@fact("F15.19")
def test_syncobj_wait_ends_at_its_time(rt):
    """Not before the absolute time that it was given."""

    def main():
        (obj,), _ = busy()
        until = rt.now() + SECOND // 50
        answer = errno_of(wait, [obj], until)
        return answer, rt.now() >= until

    assert (errno.ETIME, True) == rt.run(main)


@fact("F15.20")
def test_syncobj_wait_for_ever_has_no_end(rt):
    """The largest number is no time at all."""

    def main():
        (obj,), (fence,) = busy()
        _task, answers = background(rt, [obj], FOR_EVER)
        rt.nap(0.01)
        before = list(answers)
        fence.signal()
        rt.settle()
        return before, answers

    assert ([], [0]) == rt.run(main)


@fact("F15.21")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_syncobj_wait_any_answers_the_index(rt, which):
    """Of the one whose signal ended the wait."""

    def main():
        objs, fences = busy(3)
        _task, answers = background(rt, objs)
        fences[which].signal()
        rt.settle()
        return answers

    assert [which] == rt.run(main)


def test_syncobj_wait_any_answers_the_lowest_of_several(rt):
    """Those that are signalled when it is called are looked at in order."""

    def main():
        (obj,), _ = busy()
        return wait([obj, SyncObj(signaled=True), SyncObj(signaled=True)])

    assert 1 == rt.run(main)


@fact("F15.22")
def test_syncobj_wait_all_waits_for_all(rt):
    """The last signal ends it, in whichever order they come."""

    def main():
        objs, fences = busy(3)
        _task, answers = background(rt, objs, flags=ALL)
        seen = []
        for index in (2, 0, 1):
            seen.append(list(answers))
            fences[index].signal()
            rt.settle()
        return seen, len(answers)

    assert ([[], [], []], 1) == rt.run(main)


def test_syncobj_wait_all_of_signalled_answers_the_first(rt):
    """As seen on the real one: 0."""
    objs = lambda: [SyncObj(signaled=True), SyncObj(signaled=True)]  # noqa: E731

    assert 0 == rt.run(lambda: wait(objs(), 0, flags=ALL))


@fact("F15.23")
@pytest.mark.parametrize("how", ["reset", "replaced", "signalled"])
def test_syncobj_wait_keeps_the_fence_it_picked_up(rt, how):
    """What happens to the object does not end the wait, nor make it wait for another fence."""

    def main():
        (obj,), (fence,) = busy()
        _task, answers = background(rt, [obj])
        if how == "signalled":
            obj.assign_null_handle()
        else:
            obj.replace_fence(None if how == "reset" else pending())
        rt.settle()
        before = list(answers)
        fence.signal()
        rt.settle()
        return before, answers

    assert ([], [0]) == rt.run(main)


@fact("F15.24", "F15.52")
@pytest.mark.parametrize("how", ["replace", "point"])
def test_syncobj_wait_for_submit_waits_for_both(rt, how):
    """First for the fence, then for its signal."""

    def main():
        obj, fence = SyncObj("o"), pending()
        at = [0] if how == "replace" else [3]
        _task, answers = background(rt, [obj], points=at, flags=FOR_SUBMIT)
        if how == "replace":
            obj.replace_fence(fence)
        else:
            obj.add_point(pending(), 2)
            obj.replace_fence(None)
            obj.add_point(fence, 3)
        rt.settle()
        before = list(answers)
        fence.signal()
        rt.settle()
        return before, answers, list(obj.waiters)

    assert ([], [0], []) == rt.run(main)


@fact("F15.17", "F15.24")
def test_syncobj_wait_for_submit_times_out(rt):
    """ETIME instead of EINVAL; nothing is left behind in the object."""

    def main():
        obj = SyncObj()
        answers = [
            errno_of(wait, [obj], 0, flags=flag, points=[point])
            for flag in (FOR_SUBMIT, AVAILABLE)
            for point in (0, 5)
        ]
        return set(answers), list(obj.waiters)

    assert ({errno.ETIME}, []) == rt.run(main)


def test_syncobj_wait_any_for_submit_ends_with_another(rt):
    """One that is signalled is enough, if the other may be submitted later."""

    def main():
        empty, ready = SyncObj(), SyncObj(signaled=True)
        return wait([empty, ready], 0, flags=FOR_SUBMIT), list(empty.waiters)

    assert (1, []) == rt.run(main)


@fact("F15.25")
def test_syncobj_wait_available_needs_no_signal(rt):
    """A pending fence will do: at once if it is there, else when it is submitted."""

    def main():
        line, _fences = points(2, 4)
        at_once = wait([line], 0, points=[4], flags=AVAILABLE)
        _task, answers = background(rt, [line], points=[5], flags=AVAILABLE)
        before = list(answers)
        line.add_point(pending(), 6)
        rt.settle()
        return at_once, before, answers

    assert (0, [], [0]) == rt.run(main)


@fact("F15.36")
def test_syncobj_wait_for_points_as_on_the_real_one(rt):
    """Points 2, 4, 6 with 4 signalled: 3 and 4 wait; then 2 too: 4 is done, 5 waits for 6."""

    def main():
        line, fences = points(2, 4, 6)
        fences[1].signal()
        before = [errno_of(wait, [line], 0, points=[point]) for point in (3, 4)]
        fences[0].signal()
        after = [errno_of(wait, [line], 0, points=[point]) for point in (1, 3, 4, 5)]
        return before, after

    assert ([errno.ETIME] * 2, [0, 0, 0, errno.ETIME]) == rt.run(main)


@fact("F15.29")
def test_syncobj_wait_without_points_is_for_the_whole(rt):
    """Of a timeline that is its newest point."""

    def main():
        line, fences = points(1, 2)
        fences[0].signal()
        before = errno_of(wait, [line], 0), errno_of(wait, [line], 0, points=[0])
        fences[1].signal()
        return before, wait([line], 0), wait([line], 0, points=[0])

    assert ((errno.ETIME, errno.ETIME), 0, 0) == rt.run(main)


def test_syncobj_wait_needs_as_many_points(rt):
    """One for each object, of 64 bits; else EINVAL."""

    def main():
        obj = SyncObj(signaled=True)
        return [errno_of(wait, [obj], 0, points=at) for at in ([], [0, 0], [-1], [2**64])]

    assert [errno.EINVAL] * 4 == rt.run(main)


@fact("F15.49")
def test_syncobj_wait_for_a_point_long_reached(rt):
    """It has left the chain, so nothing is left to wait for."""

    def main():
        line, fences = points(1, 2)
        fences[0].signal()
        line.add_point(pending(), 3)
        return wait([line], 0, points=[1]), wait([line], 0, points=[1], flags=FOR_SUBMIT)

    assert (0, 0) == rt.run(main)


@fact("F15.51")
def test_syncobj_wait_is_not_told_of_the_same_fence(rt):
    """A point of a binary object is never submitted, however often its fence is put in."""

    def main():
        (obj,), (fence,) = busy()
        _task, answers = background(rt, [obj], points=[1], flags=AVAILABLE)
        obj.replace_fence(fence)
        obj.replace_fence(pending())
        rt.settle()
        before = list(answers)
        obj.add_point(pending(), 1)
        rt.settle()
        return before, answers

    assert ([], [0]) == rt.run(main)


@fact("F15.27")
def test_syncobj_wait_passes_the_deadline_on(rt):
    """To what is there, not to what is submitted later, and only if it has to wait."""

    def main():
        told = []
        driver = Driver(set_deadline=lambda fence, ns: told.append((fence, ns)))
        here, later = pending_of(driver), pending_of(driver)
        obj, empty = SyncObj(fence=here), SyncObj()
        flags = ALL | FOR_SUBMIT
        _task, _answers = background(rt, [obj, empty], flags=flags, deadline_nsec=77)
        empty.replace_fence(later)
        rt.settle()
        here.signal()
        later.signal()
        return [(fence is here, ns) for fence, ns in told]

    assert [(True, 77)] == rt.run(main)


def test_syncobj_wait_ends_with_a_signal_pending(rt):
    """Interrupted; its callbacks and references are gone."""

    def main():
        (obj,), (fence,) = busy()
        empty = SyncObj()
        task, answers = background(rt, [obj, empty], flags=ALL | FOR_SUBMIT)
        rt.interrupt(task)
        rt.settle()
        with fence.timeline.rt.mutex:
            state = state_of(fence)
            return answers, state.references, len(state.callbacks), list(empty.waiters)

    assert (["interrupted"], 2, 0, []) == rt.run(main)


def test_syncobj_wait_prefers_the_fence_to_the_signal(rt):
    """A pending signal does not hide that it is done."""

    def main():
        rt.interrupt(rt.current())
        ready = SyncObj(signaled=True)
        return wait([ready]), wait([SyncObj(), ready], flags=FOR_SUBMIT)

    assert (0, 1) == rt.run(main)


@fact("F15.28")
@pytest.mark.parametrize("flags", [FOR_SUBMIT, AVAILABLE])
def test_syncobj_wait_for_submit_with_a_lock_warns(rt, flags):
    """DF004, even if there is a fence already: it might have had to wait for userspace."""

    def main():
        ready = SyncObj(signaled=True)
        with Mutex("vm"):
            wait([ready], 0, flags=flags)

    ((code, message),) = rt.reports(main)

    assert ("DF004", True) == (code, "vm" in message)


@fact("F15.28")
def test_syncobj_find_fence_for_submit_with_a_lock_warns(rt):
    """The same of a driver's look for a fence."""

    def main():
        ready = SyncObj(signaled=True)
        with Mutex("vm"):
            ready.find_fence(for_submit=True)

    ((code, _message),) = rt.reports(main)

    assert "DF004" == code


def test_syncobj_wait_with_a_lock_is_fine_otherwise(rt):
    """Without FOR_SUBMIT and AVAILABLE nobody asks for locks."""

    def main():
        with Mutex("vm"):
            return wait([SyncObj(signaled=True)])

    assert 0 == rt.run(main)


def test_syncobj_wait_in_atomic_context_is_reported(rt):
    """DF003: it may sleep."""

    def main():
        ready = SyncObj(signaled=True)
        with SpinLock("spin"):
            wait([ready])

    assert "DF003" == rt.reports(main)[0][0]


@fact("F15.42")
def test_syncobj_find_fence_waits_for_the_submission(rt):
    """A fence that is submitted meanwhile, pending or not, ends it."""

    def main():
        obj, fence = SyncObj("o"), pending()
        found = []
        rt.spawn(lambda: found.append(obj.find_fence(3, for_submit=True)), name="driver")
        rt.settle()
        obj.add_point(fence, 3)
        rt.settle()
        return [node.seqno for node in found], list(obj.waiters)

    assert ([3], []) == rt.run(main)


def test_syncobj_find_fence_after_a_wait_counts_a_reference(rt):
    """The caller's, beside the creator's and the object's."""

    def main():
        obj, fence = SyncObj("o"), pending()
        found = []
        rt.spawn(lambda: found.append(obj.find_fence(for_submit=True)), name="driver")
        rt.settle()
        obj.replace_fence(fence)
        rt.settle()
        return found == [fence], state_of(fence).references

    assert (True, 3) == rt.run(main)


def test_syncobj_wait_that_is_over_passes_no_deadline_on(rt):
    """Nothing is wanted any more."""

    def main():
        driver = Driver(set_deadline=lambda _fence, _ns: None)
        busy_one = SyncObj(fence=pending_of(driver))
        found = wait([busy_one, SyncObj(signaled=True)], deadline_nsec=5)
        return found, driver.calls

    assert (1, []) == rt.run(main)


@fact("F15.42")
def test_syncobj_find_fence_gives_up_after_5_s(explored):
    """ETIME (virtual time only: nobody waits 5 s for a test)."""

    def main():
        obj = SyncObj()
        before = explored.now()
        return errno_of(obj.find_fence, for_submit=True), explored.now() - before

    assert (errno.ETIME, 5 * SECOND) == explored.run(main)


def test_syncobj_find_fence_ends_with_a_signal_pending(rt):
    """Interrupted, and nothing is left in the object."""

    def main():
        obj = SyncObj()
        seen = []

        def driver():
            with pytest.raises(Interrupted):
                obj.find_fence(for_submit=True)
            seen.append("interrupted")

        task = rt.spawn(driver, name="driver")
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        return seen, list(obj.waiters)

    assert (["interrupted"], []) == rt.run(main)


def test_syncobj_wait_without_memory(rt):
    """ENOMEM, for the points and for the entries."""

    def main():
        obj = SyncObj(signaled=True)
        no_memory(rt, but=1)
        return errno_of(wait, [obj]), errno_of(wait, [obj])

    assert (errno.ENOMEM, errno.ENOMEM) == rt.run(main)


def test_syncobj_wait_turns_signalling_on(rt):
    """A driver that has to be asked is asked, and one whose hook knows better is believed."""

    def main():
        driver = Driver(enable_signaling=lambda _fence: False)
        knows = Driver(signaled=lambda _fence: True)
        return wait([SyncObj(fence=pending_of(driver))]), wait(
            [SyncObj(fence=pending_of(knows))], 0
        )

    assert (0, 0) == rt.run(main)


def test_syncobj_wait_for_one_twice(rt):
    """The same object may come twice, for two points."""

    def main():
        line, fences = points(1, 2)
        _task, answers = background(rt, [line, line], points=[2, 1])
        fences[0].signal()
        rt.settle()
        return answers

    assert [1] == rt.run(main)


@pytest.mark.slow
def test_syncobj_wait_stress(live):
    """Real threads: points added and signalled by one are all met by those that wait for them."""

    def main():
        line, gpu = SyncObj("line"), Timeline("gpu")
        start, answers = threading.Barrier(4, timeout=8), []

        def waits(first):
            start.wait()
            answers.extend(
                wait([line], points=[number], flags=FOR_SUBMIT) for number in range(first, 300, 3)
            )

        for first in (1, 2, 3):
            live.spawn(lambda f=first: waits(f), name=f"waiter {first}")
        start.wait()
        for number in range(1, 300):
            fence = gpu.fence()
            line.add_point(fence, number)
            fence.signal()
        live.settle()
        return len(answers), set(answers), line.query()

    assert (299, {0}, 299) == live.run(main)
