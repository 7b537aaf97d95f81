"""The timeline of a finding: what is held, pending and waited for, from which step to which."""

from dmabuf import Mutex, check_design, design
from dmabuf.core.timeline import Timeline
from dmabuf.report.timeline import Span
from dmabuf.sync.spinlock import SpinLock
from tests.explore.lassos.livelock_designs import back_off_pair


def timeline_of(fn):
    """That of the first finding."""
    return check_design(fn, "d").findings[0].timeline


@design
def held_across_a_wait(machine):
    """One waits for a fence with a lock that the signaller needs, after it had to wait itself."""
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waiter():
        with lock:
            fence.wait()

    def signaller():
        with lock:
            fence.signal()

    machine.kthread(waiter)
    machine.kthread(signaller)


def test_spans_of_a_deadlock():
    """The lock is held, the fence pending, and both waits go on, each with who would end it."""
    timeline = timeline_of(held_across_a_wait)

    assert [("waiter", "kthread"), ("signaller", "kthread")] == [
        (lane.name, lane.kind) for lane in timeline.lanes
    ]
    assert (Span("lock", "A", "waiter", 0),) == timeline.of("lock")
    assert [("fence gpu:1", None)] == [(span.what, span.end) for span in timeline.of("fence")]
    assert {
        Span("wait", "A", "signaller", 0, by=("waiter",), via="lock"),
        Span("wait", "fence gpu:1", "waiter", 0, by=("signaller",), via="fence"),
    } == set(timeline.of("wait"))


@design
def a_wait_that_ends(machine):
    """One waits for the other's signal and then lets go of a lock that it never took."""
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waiter():
        fence.wait()
        lock.unlock()

    machine.kthread(waiter)
    machine.kthread(fence.signal, "gpu")


def test_span_of_a_wait_ends_with_the_step_that_ended_it():
    """The wait names who ended it, and the fence is pending until that step."""
    finding = check_design(a_wait_that_ends, "d").findings[0]
    (wait,), (fence,) = finding.timeline.of("wait"), finding.timeline.of("fence")

    assert ("waiter", "fence gpu:1", ("gpu",), "fence") == (
        wait.task,
        wait.what,
        wait.by,
        wait.via,
    )
    assert "gpu" == finding.steps[wait.end].task
    assert (wait.end, "gpu") == (fence.end, fence.task)


@design
def sleeps_after_unlock(machine):
    """A lock is taken and let go; then a spinlock is held over a sleep."""
    outer, inner = Mutex("outer"), SpinLock("inner")

    def task():
        with outer:
            pass
        with inner, outer:
            pass

    machine.kthread(task)


def test_spans_are_closed_where_a_report_ends_the_run():
    """What was let go before the report is not held, what was held is, with both stacks."""
    finding = check_design(sleeps_after_unlock, "d").findings[0]

    held = [(span.what, span.end is None) for span in finding.timeline.of("lock")]
    assert [("outer", False), ("inner", True)] == held
    assert ["inner"] == [taken.lock for taken in finding.taken]
    assert ["task"] == [place.function for place in finding.taken[0].stack]
    assert "task" == finding.stack[0].function


@design
def deep(machine):
    """Locks are taken and waited for inside helpers."""
    one, other = Mutex("A"), Mutex("B")

    def take(lock):
        lock.lock()

    def both(first, second):
        take(first)
        take(second)
        second.unlock()
        first.unlock()

    machine.kthread(lambda: both(one, other), "forth")
    machine.kthread(lambda: both(other, one), "back")


def test_stacks_of_both_locks_reach_the_task():
    """Where a lock was taken and where one is waited for: each frame from helper to task."""
    waits = check_design(deep, "d").findings[0].waits

    for wait in waits:
        (taken,) = wait.taken
        assert ["take", "both", "<lambda>"] == [place.function for place in wait.stack]
        assert ["take", "both", "<lambda>"] == [place.function for place in taken.stack]
        assert wait.stack[1].line == taken.stack[1].line + 1
        assert wait.place == wait.stack[0]


def test_finding_of_a_run_without_end_has_its_turn():
    """The last steps of the schedule are those that come again and again."""
    finding = check_design(back_off_pair, "d").findings[0]

    made = [step for step in finding.steps if not step.blocked]
    assert 6 == finding.turn
    assert {"A", "B"} == {step.task for step in made[-finding.turn :]}
