"""Tasks on the way to a signal that nobody would suspect, as they signal nothing themselves."""

import pytest

from dmabuf import Mutex, Timeline, design
from dmabuf.explore.predictions.confirm import predicted
from dmabuf.explore.search import Budget
from dmabuf.report.judgement import Outcome
from dmabuf.sync.context import signalling


def told(fn, **how):
    """Who is told to be on the way without saying so."""
    judged = [one for one in predicted(fn, "d", **how) if one.predicted.code == "DF205"]
    assert all(one.outcome is Outcome.CONFIRMED for one in judged)
    return [(one.predicted.message.split()[0], one.predicted.place.function) for one in judged]


def hands_over(*, says_so):
    """A thread starts the job whose interrupt signals a fence that is public."""

    @design
    def runs(machine):
        fence = Timeline("gpu").fence()
        fence.publish()
        gpu = machine.irq(fence.signal, "gpu")

        def run_job():
            if says_so:
                with signalling():
                    gpu.raise_irq()
            else:
                gpu.raise_irq()

        machine.kthread(run_job, "sched")
        machine.kthread(fence.wait, "client")

    return runs


def test_scheduler_that_says_nothing_is_told():
    """Nothing signals unless it hands the job over; it is told with its first line."""
    assert [("sched", "run_job")] == told(hands_over(says_so=False))


def test_scheduler_that_says_so_is_not_told():
    """It has opened a section."""
    assert [] == told(hands_over(says_so=True))


def test_task_that_is_done_before_publication_is_not_told():
    """What comes before publication is on the way to nothing."""

    @design
    def submits(machine):
        timeline = Timeline("gpu")

        def submit():
            machine.hardware(lambda: None, "earlier job", hangs=False)
            fence = timeline.fence()
            gpu = machine.irq(fence.signal, "gpu")
            machine.hardware(gpu.raise_irq, "job", hangs=False)
            fence.publish()

        machine.kthread(submit, "submit")

    assert [] == told(submits)


def test_task_that_holds_a_lock_on_the_way_is_not_told():
    """Whoever needs the lock is held up, but what the task does there is no part of the way."""

    @design
    def shares_a_lock(machine):
        fence, lock = Timeline("gpu").fence(), Mutex("ring")
        fence.publish()

        def retire():
            with signalling():
                with lock:
                    pass
                fence.signal()

        def look():
            with lock:
                pass

        machine.kthread(retire, "retire")
        machine.kthread(look, "look")

    assert [] == told(shares_a_lock)


def test_waiters_and_helpers_in_passing_are_not_told():
    """If either of two stops the other hands the job over, and who waits is on no way."""

    @design
    def either(machine):
        fence = Timeline("gpu").fence()
        fence.publish()
        gpu = machine.irq(fence.signal, "gpu")
        machine.kthread(gpu.raise_irq, "one")
        machine.kthread(gpu.raise_irq, "two")
        machine.kthread(fence.wait, "client")

    assert [] == told(either)


@pytest.mark.slow
def test_states_that_are_not_all_known_tell_nothing():
    """Who is on the way is said only when all states of the design are known."""
    assert [] == told(hands_over(says_so=False), budget=Budget(executions=1))
