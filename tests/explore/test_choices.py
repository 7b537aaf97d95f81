"""Choices of the environment: spurious wake-ups and signals, taken or never taken.

`python -m tests.explore.test_choices 1000` compares that many random programs with naive search.
"""

import sys
from dataclasses import dataclass

import pytest

from dmabuf import Fence, Mutex, Shared, Status, Timeline, WaitQueue, check_design, design
from dmabuf.errors import Interrupted
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.rt.explored_task import Names
from tests.explore.oracle import differences, everything, reduced, redundant
from tests.explore.random_programs import generate
from tests.explore.straight_line import Program

PROGRAMS = 10


def codes(fn):
    """The leading rules of all findings of a design."""
    verdict = check_design(fn, "design")
    assert verdict.status is (Status.VIOLATED if verdict.findings else Status.PROVED)
    return [finding.code for finding in verdict.findings]


def _job(*, spurious, again):
    """A waiter that uses what it waited for; `again`: it looks at its condition after waking."""

    @design
    def job(machine):
        if spurious:
            machine.spurious_wakeups()
        queue, ready = WaitQueue("queue"), Shared(0, "ready")

        def waits():
            if again:
                queue.wait_event(ready.read)
            else:
                queue.prepare_to_wait()
                if not ready.read():
                    queue.schedule()
                queue.finish_wait()
            assert ready.read()

        def works():
            ready.write(1)
            queue.wake_up()

        machine.kthread(waits)
        machine.kthread(works)

    return job


def test_wait_without_a_second_look_is_found():
    """A sleeper that takes waking for the event goes on too early."""
    assert ["DF005"] == codes(_job(spurious=True, again=False))


@pytest.mark.parametrize(("spurious", "again"), [(True, True), (False, False)])
def test_wait_with_a_second_look_or_without_disturbance_is_proved(spurious, again):
    """`wait_event` looks again; without spurious wake-ups nobody need to."""
    assert [] == codes(_job(spurious=spurious, again=again))


def test_spurious_wakeup_is_nothing_to_rely_on():
    """A sleeper whom nobody wakes sleeps for ever, though it might wake for no reason."""

    @design
    def alone(machine):
        machine.spurious_wakeups()
        queue = WaitQueue("queue")

        def waits():
            queue.prepare_to_wait()
            queue.schedule()
            queue.finish_wait()

        machine.kthread(waits)

    assert ["DF001"] == codes(alone)


def test_each_sleeper_may_be_disturbed():
    """Of two sleepers one, the other or both wake for no reason, in either order."""
    seen = set()

    @design
    def two(machine):
        machine.spurious_wakeups()
        queue, early = WaitQueue("queue"), []

        def waits(name):
            queue.prepare_to_wait()
            queue.schedule()
            early.append(name)
            seen.add("".join(early))

        machine.kthread(lambda: waits("a"), "a")
        machine.kthread(lambda: waits("b"), "b")

    check_design(two, "two")

    assert {"a", "b", "ab", "ba"} == seen


def _submits(*, backs_out):
    """An interruptible wait between taking a lock and freeing it."""

    @design
    def submits(machine):
        lock, fence = Mutex("submit"), Timeline("gpu").fence()

        def submit():
            lock.lock()
            try:
                fence.wait()
            except Interrupted:
                if not backs_out:
                    return
            lock.unlock()

        task = machine.kthread(submit)
        machine.signals(task)
        machine.hardware(fence.signal, "gpu", hangs=False)

    return submits


@pytest.mark.parametrize(("backs_out", "found"), [(True, []), (False, ["DF004"])])
def test_signal_at_an_interruptible_wait(backs_out, found):
    """The way out that a signal takes is explored: a lock that it keeps is found."""
    assert found == codes(_submits(backs_out=backs_out))


def test_signal_does_not_end_other_waits():
    """A wait that is not interruptible goes on whatever is pending."""

    @design
    def waits(machine):
        fence: Fence = Timeline("gpu").fence()
        task = machine.kthread(lambda: fence.wait(interruptible=False), "driver")
        machine.signals(task)
        machine.hardware(fence.signal, "gpu", hangs=False)

    assert [] == codes(waits)


def test_signal_is_nothing_to_rely_on():
    """A task that only a signal could free is stuck, as it may never come."""

    @design
    def stuck(machine):
        fence = Timeline("gpu").fence()

        def waits():
            try:
                fence.wait()
            except Interrupted:
                fence.signal()

        machine.signals(machine.kthread(waits))

    assert [] != codes(stuck)


@dataclass(frozen=True)
class Disturbed:
    """A random program with spurious wake-ups, and a signal for its first task."""

    program: Program
    spurious: bool
    signals: bool

    @property
    def __name__(self):
        """What a design is called."""
        return "disturbed"

    def __call__(self, machine):
        """The design."""
        if self.spurious:
            machine.spurious_wakeups()
        world = self.program(machine)
        if self.signals:
            machine.signals(world.handles[0])


def disturbed(seed):
    """The program of a seed."""
    families = ("queue", "completion", "fence", "mutex", "shared")
    spurious = seed % 3 != 2
    chosen = ("queue", families[seed % 5]) if spurious else (families[1 + seed % 4], "completion")
    return Disturbed(generate(seed, chosen), spurious, seed % 3 != 0)


def compared(seed, cap):
    """Where an engine differs from naive search; None if there are too many schedules."""
    program, names = disturbed(seed), Names()
    naive = everything(program, cap=cap, names=names)
    if naive.capped:
        return None
    found = []
    for engine in (SLEEP, DPOR):
        other = reduced(program, names=names, engine=engine)
        found += differences(naive, other) + redundant(naive, other)
    return found


@pytest.mark.slow
def test_choices_match_naive_search():
    """All ends and findings are those of every schedule, in one execution of each class."""
    done = (found for seed in range(400) if (found := compared(seed, 150)) is not None)

    unlike = [next(done) for _ in range(PROGRAMS)]

    assert [[]] * PROGRAMS == unlike


if __name__ == "__main__":
    most, unlike, capped = int(sys.argv[1]), 0, 0
    for seed in range(10_000, 10_000 + most):
        answer = compared(seed, 2_000)
        capped += answer is None
        if answer:
            unlike += 1
            sys.stdout.write(f"{seed}: {answer[:2]}\n")
    sys.stdout.write(f"{most} programs, {capped} too large, {unlike} unlike\n")
    sys.exit(unlike > 0)
