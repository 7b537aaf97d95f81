"""dma_fence: signalling, in its forms."""

import pytest

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import pending
from tests.facts import fact


@fact("F1.19")
def test_signal_answers_nothing_and_may_be_repeated(rt):
    """The first and every later signal answer None."""

    def main():
        fence = pending()
        return [fence.signal(), fence.signal(), fence.signal(timestamp=3)], fence.is_signaled()

    assert ([None] * 3, True) == rt.run(main)


@fact("F1.20")
def test_signal_of_what_is_no_fence_is_an_error():
    """None cannot be signalled; nothing is done silently."""
    with pytest.raises(AttributeError):
        Fence.signal(None)


@fact("F1.21")
def test_check_and_signal_answers_whether_it_was_signalled(rt):
    """False for the one that signals, True for all others, whoever they are."""

    def main():
        fence, answers = pending(), []
        for _ in range(3):
            rt.spawn(lambda: answers.append(fence.check_and_signal()))
        rt.settle()
        return sorted(answers)

    assert [False, True, True] == rt.run(main)


@fact("F1.22")
def test_check_and_signal_locked_answers_whether_it_was_signalled(rt):
    """The same answers for a caller that holds the lock."""

    def main():
        fence = pending()
        with fence.lock.irqsave():
            return [fence.check_and_signal_locked() for _ in range(3)]

    assert [False, True, True] == rt.run(main)


@pytest.mark.parametrize("call", ["signal_locked", "check_and_signal_locked"])
def test_signal_locked_without_the_lock_is_reported(rt, call):
    """The _locked forms are for holders of the fence's lock."""
    assert ["DF004"] == [code for code, _ in rt.reports(lambda: getattr(pending(), call)())]


@pytest.mark.parametrize("call", ["signal", "check_and_signal"])
def test_signal_by_a_holder_of_the_lock_is_reported(rt, call):
    """The plain forms would spin for ever on the caller's own lock."""

    def main():
        fence = pending()
        with fence.lock:
            getattr(fence, call)()

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F1.23")
def test_signal_a_second_time_changes_nothing(rt):
    """The first time stays, and callbacks do not run again."""

    def main():
        fence, calls = pending(), []
        fence.add_callback(calls.append)
        fence.signal(timestamp=5)
        fence.signal(timestamp=9)
        fence.signal()
        return fence.timestamp, len(calls)

    assert (5, 1) == rt.run(main)


@fact("F1.24")
@pytest.mark.parametrize("callbacks", [0, 1])
@pytest.mark.parametrize("external", [False, True])
def test_signal_waits_for_the_lock(rt, callbacks, external):
    """While somebody holds the fence's lock nobody signals the fence."""

    def main():
        lock = SpinLock("ring") if external else None
        fence = Timeline("gpu", lock=lock).fence()
        for _ in range(callbacks):
            fence.add_callback(lambda _f: None)
        with fence.lock:
            rt.spawn(fence.signal, name="signaller")
            rt.settle()
            before = fence.is_signaled(), rt.waiting()
        rt.settle()
        return before, fence.is_signaled()

    assert ((False, {"signaller": "fence.signal"}), True) == rt.run(main)


@fact("F1.25")
def test_signal_is_a_signalling_section(rt):
    """Callbacks run inside a section that ends with the signal."""
    assert (True, False) == rt.run(lambda: section_during(rt, lambda f: f.signal()))


@fact("F1.25")
def test_signal_inside_a_section_leaves_that_open(rt):
    """The signal's own section nests in the caller's."""

    def main():
        task = rt.current()
        task.signalling = 1
        try:
            return section_during(rt, lambda f: f.signal())
        finally:
            task.signalling = 0

    assert (True, True) == rt.run(main)


@fact("F1.26")
def test_signal_with_a_timestamp_is_no_section(rt):
    """The form that is given the time leaves annotating to its caller."""
    assert (False, False) == rt.run(lambda: section_during(rt, lambda f: f.signal(timestamp=1)))


@fact("F1.27")
def test_signal_with_a_timestamp_records_it(rt):
    """The time given is the fence's, in both forms."""

    def main():
        plain, locked = pending(), pending()
        plain.signal(timestamp=123)
        with locked.lock.irqsave():
            locked.signal_locked(timestamp=456)
        return plain.timestamp, locked.timestamp

    assert (123, 456) == rt.run(main)


def test_signal_without_a_timestamp_records_the_time(rt):
    """Without a time given it is the runtime's present one."""

    def main():
        fence = pending()
        before = rt.now()
        fence.signal()
        return before <= fence.timestamp <= rt.now()

    assert rt.run(main)


@fact("F1.28")
@pytest.mark.parametrize("callbacks", [0, 1])
def test_signal_locked_leaves_the_lock_with_its_caller(rt, callbacks):
    """After the signal the caller still holds the lock, with interrupts as they were."""

    def main():
        fence, task = pending(), rt.current()
        for _ in range(callbacks):
            fence.add_callback(lambda _f: None)
        with fence.lock.irqsave():
            fence.signal_locked()
            inside = fence.lock.owner is task, task.irqs_off, task.atomic
        return inside, fence.lock.owner, task.irqs_off, task.atomic

    assert ((True, 1, 1), None, 0, 0) == rt.run(main)


def test_signal_leaves_the_task_as_it_was(rt):
    """Callbacks or none: afterwards no lock is held, interrupts are on, no section is open."""

    def main():
        task, seen = rt.current(), []
        for callbacks in range(3):
            fence = pending()
            for _ in range(callbacks):
                fence.add_callback(lambda _f: None)
            fence.signal()
            seen.append((task.held, task.irqs_off, task.atomic, bool(task.signalling)))
        return seen

    assert [({}, 0, 0, False)] * 3 == rt.run(main)


def test_signal_wakes_every_waiter(rt):
    """All who wait get the fence, and nobody else is touched."""

    def main():
        fence, other, woken = pending(), pending(), []
        for _ in range(3):
            rt.spawn(lambda: woken.append(fence.wait()))
        rt.spawn(other.wait, name="elsewhere")
        rt.settle()
        fence.signal()
        rt.settle()
        left = rt.waiting()
        other.signal()
        return woken, left

    assert ([True] * 3, {"elsewhere": "fence.wait"}) == rt.run(main)


def section_during(rt, signal):
    """Whether a section is open during the callbacks of a signal, and after it."""
    fence, seen = pending(), []
    fence.add_callback(lambda _f: seen.append(bool(rt.current().signalling)))
    signal(fence)
    return seen[0], bool(rt.current().signalling)
