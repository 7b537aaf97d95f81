"""wait_event and its parts: queue first, look then, sleep last."""

import contextlib

import pytest

from dmabuf.errors import Interrupted
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue


def test_wait_event_that_is_true_already_does_not_queue(rt):
    """The condition is looked at first, and nobody ever sees the waiter."""

    def main():
        queue, looks = WaitQueue("q"), []
        answer = queue.wait_event(lambda: looks.append(queue.is_active()) or True)
        return answer, looks, queue.is_active()

    assert (True, [False], False) == rt.run(main)


def test_wait_event_sleeps_until_it_is_true(rt):
    """A wake-up while the condition is false only makes the waiter look again."""

    def main():
        queue, flag, looks, passed = WaitQueue("q"), Shared(False, "flag"), [], []
        rt.spawn(
            lambda: passed.append(queue.wait_event(lambda: looks.append(1) or flag.read())),
            name="waiter",
        )
        rt.settle()
        asleep = rt.waiting()
        before = len(looks)
        queue.wake_up()
        rt.settle()
        woken_in_vain = rt.waiting(), len(looks) > before, list(passed)
        flag.write(True)
        queue.wake_up()
        rt.settle()
        return asleep, woken_in_vain, passed, queue.is_active(), queue.conditions

    asleep = {"waiter": "waitqueue.wait"}
    assert (asleep, (asleep, True, []), [True], False, {}) == rt.run(main)


def test_wait_event_loses_no_wake_up(rt):
    """A change and its wake-up between the waiter's looks and its sleep are not missed."""

    def main():
        for _ in range(20):
            queue, flag = WaitQueue("q"), Shared(False, "flag")
            rt.spawn(lambda q=queue, f=flag: q.wait_event(f.read), name="waiter")
            flag.write(True)
            queue.wake_up()
            rt.settle()
            assert {} == rt.waiting()

    rt.run(main)


def test_wait_event_is_queued_before_its_last_look(rt):
    """A condition that becomes true, with its wake-up, while it is looked at ends the wait."""

    def main():
        queue, looks = WaitQueue("q"), []

        def condition():
            looks.append(queue.is_active())
            if len(looks) == 2:
                queue.wake_up()
                return False
            return len(looks) > 2

        return queue.wait_event(condition), looks

    assert (True, [False, True, True]) == rt.run(main)


def test_wait_event_sleeping_on_a_stale_look_is_a_lost_wake_up(rt):
    """Queueing only after the look, as a careless driver does, sleeps for ever."""

    def main():
        queue, flag, gate = WaitQueue("q"), Shared(False, "flag"), SpinLock("gate")

        def careless():
            if not flag.read():
                with gate:
                    pass
                queue.prepare_to_wait()
                queue.schedule()
                queue.finish_wait()

        gate.lock()
        rt.spawn(careless, name="careless")
        rt.settle()
        flag.write(True)
        queue.wake_up()
        gate.unlock()
        rt.settle()
        asleep = rt.waiting()
        queue.wake_up()
        return asleep

    assert {"careless": "waitqueue.wait"} == rt.run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_wait_event_times_out_not_before_its_time(rt, timeout):
    """False, and at least that much time has passed; the queue is left."""

    def main():
        queue, before = WaitQueue("q"), rt.now()
        answer = queue.wait_event(lambda: False, timeout)
        return answer, rt.now() - before >= timeout * 1e9, queue.is_active()

    assert (False, True, False) == rt.run(main)


def test_wait_event_looks_once_more_when_its_time_is_over(rt):
    """A condition that became true without a wake-up is found at the end."""

    def main():
        queue, flag, seen = WaitQueue("q"), Shared(False, "flag"), []
        rt.spawn(lambda: seen.append(queue.wait_event(flag.read, 0.02)))
        rt.settle()
        flag.write(True)
        rt.nap(0.1)
        rt.settle()
        return seen

    assert [True] == rt.run(main)


def test_wait_event_keeps_its_deadline_over_wake_ups(rt):
    """Being woken in vain does not start the time anew."""

    def main():
        queue, seen, before = WaitQueue("q"), [], rt.now()
        rt.spawn(lambda: seen.append((queue.wait_event(lambda: False, 0.05), rt.now() - before)))
        for _ in range(4):
            rt.nap(0.02)
            queue.wake_up()
        rt.nap(0.2)
        rt.settle()
        return seen

    [(answer, took)] = rt.run(main)
    assert answer is False
    assert 50_000_000 <= took < 200_000_000


@pytest.mark.parametrize("call", ["wait_event_interruptible", "wait_event"])
def test_wait_event_interruptible_ends_with_a_signal(rt, call):
    """It raises Interrupted and leaves the queue."""

    def main():
        queue, seen = WaitQueue("q"), []
        how = {"interruptible": True} if call == "wait_event" else {}

        def wait():
            with pytest.raises(Interrupted):
                getattr(queue, call)(lambda: False, **how)
            seen.append(queue.is_active())

        waiter = rt.spawn(wait)
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        return seen, queue.conditions

    assert ([False], {}) == rt.run(main)


def test_wait_event_prefers_a_true_condition_to_a_signal(rt):
    """Interrupted while the condition is true already: the wait has succeeded."""

    def main():
        queue, flag, seen = WaitQueue("q"), Shared(False, "flag"), []

        def wait():
            seen.append(queue.wait_event(flag.read, interruptible=True))

        waiter = rt.spawn(wait)
        rt.settle()
        flag.write(True)
        rt.interrupt(waiter)
        rt.settle()
        return seen

    assert [True] == rt.run(main)


def test_wait_event_ignores_signals(rt):
    """The plain form waits on."""

    def main():
        queue, flag = WaitQueue("q"), Shared(False, "flag")
        waiter = rt.spawn(lambda: queue.wait_event(flag.read), name="waiter")
        rt.settle()
        rt.interrupt(waiter)
        rt.settle()
        waiting = rt.waiting()
        flag.write(True)
        queue.wake_up()
        return waiting

    assert {"waiter": "waitqueue.wait"} == rt.run(main)


@pytest.mark.parametrize("true", [False, True])
def test_wait_event_in_atomic_context_is_reported(rt, true):
    """It may sleep, even if it would not now."""

    def main():
        with SpinLock("A"):
            WaitQueue("q").wait_event(lambda: true, 0)

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_schedule_in_atomic_context_is_reported(rt):
    """The bare sleep as well."""

    def main():
        queue = WaitQueue("q")
        queue.prepare_to_wait()
        queue.wake_up()
        with SpinLock("A"):
            queue.schedule()

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_wake_up_in_atomic_context_is_fine(rt):
    """Handlers wake."""

    def main():
        queue = WaitQueue("q")
        with SpinLock("A"):
            queue.wake_up()
            queue.wake_up_all()
        return queue.wakeups

    assert 2 == rt.run(main)


def test_wake_up_wakes_every_waiter_that_is_not_exclusive(rt):
    """One call is enough for all of them."""

    def main():
        queue, flag, passed = WaitQueue("q"), Shared(False, "flag"), []
        for _ in range(3):
            rt.spawn(lambda: passed.append(queue.wait_event(flag.read)))
        rt.settle()
        flag.write(True)
        queue.wake_up()
        rt.settle()
        return passed

    assert [True] * 3 == rt.run(main)


def sleepers(rt, queue, kinds):
    """Start one sleeper for each letter, x exclusive; returns the list of who was woken."""
    woken = []

    def sleep(number, exclusive):
        queue.prepare_to_wait(exclusive=exclusive)
        queue.schedule()
        woken.append(number)

    for number, kind in enumerate(kinds):
        rt.spawn(lambda n=number, k=kind: sleep(n, k == "x"), name=f"{kind}{number}")
        rt.settle()
    return woken


@pytest.mark.parametrize(
    ("kinds", "how", "who"),
    [
        ("xxx", {}, [0]),
        ("xxx", {"exclusive": 2}, [0, 1]),
        ("xnxn", {}, [0, 1, 3]),
        ("nnxx", {}, [0, 1, 2]),
        ("nxx", {"exclusive": 0}, [0]),
    ],
)
def test_wake_up_wakes_the_first_exclusive_ones_only(rt, kinds, how, who):
    """As many exclusive waiters as asked for, in order of queueing, and all the others."""

    def main():
        queue = WaitQueue("q")
        woken = sleepers(rt, queue, kinds)
        queue.wake_up(**how)
        rt.settle()
        first = sorted(woken)
        queue.wake_up_all()
        rt.settle()
        return first, len(woken)

    assert (who, len(kinds)) == rt.run(main)


def test_wake_up_passes_from_one_exclusive_waiter_to_the_next(rt):
    """Each further call wakes the next in the row, none twice."""

    def main():
        queue = WaitQueue("q")
        woken, counts = sleepers(rt, queue, "xxx"), []
        for _ in range(3):
            queue.wake_up()
            rt.settle()
            counts.append(len(woken))
        return woken, counts

    assert ([0, 1, 2], [1, 2, 3]) == rt.run(main)


def test_wake_up_of_nobody_is_counted_and_not_kept(rt):
    """It is no event: who comes later sleeps."""

    def main():
        queue = WaitQueue("q")
        queue.wake_up()
        sleepers(rt, queue, "n")
        waiting = rt.waiting()
        queue.wake_up()
        return waiting, queue.wakeups

    assert ({"n0": "waitqueue.wait"}, 2) == rt.run(main)


def test_wake_up_before_the_sleep_of_a_queued_task_ends_it_at_once(rt):
    """Whoever is queued is woken, asleep or not."""

    def main():
        queue = WaitQueue("q")
        queue.prepare_to_wait()
        queue.wake_up()
        queue.schedule()
        queue.finish_wait()
        return queue.is_active()

    assert rt.run(main) is False


def test_wait_event_interrupted_exclusive_waiter_keeps_no_wake_up(rt):
    """A wake-up that meets an interrupted waiter is not lost: it takes it, or the next does."""

    def main():
        queue, tokens, got = WaitQueue("q"), Shared(0, "tokens"), []
        counting = SpinLock("counting")

        def taken():
            with counting:
                return tokens.read() > 0 and tokens.add(-1) >= 0

        def take(name):
            with contextlib.suppress(Interrupted):
                queue.wait_event(taken, interruptible=True, exclusive=True)
                got.append(name)

        first = rt.spawn(lambda: take("first"))
        rt.settle()
        rt.spawn(lambda: take("second"), name="second")
        rt.settle()
        rt.spawn(lambda: rt.interrupt(first), name="interrupter")
        rt.spawn(lambda: (tokens.add(1), queue.wake_up()), name="waker")
        rt.settle()
        left = rt.waiting()
        tokens.add(1)
        queue.wake_up()
        rt.settle()
        return left, len(got)

    second_sleeps = {"second": "waitqueue.wait"}
    assert rt.run(main) in [({}, 1), (second_sleeps, 2)]
