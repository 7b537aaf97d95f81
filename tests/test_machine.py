"""The machine that a design receives."""

import pytest

from dmabuf import Completion, IrqWork, SpinLock, Status, Timeline, WaitQueue, check_design, design
from dmabuf.errors import DesignError


def _codes(fn):
    verdict = check_design(fn, fn.__name__)
    return [finding.code for finding in verdict.findings], verdict


def test_irq_handler_that_returns_with_a_lock_held_is_reported():
    """A handler must free what it took: DF004."""

    @design
    def keeps(machine):
        lock = SpinLock("ring")
        line = machine.irq(lock.lock, "vblank")
        machine.hardware(line.raise_irq, hangs=False)

    assert ["DF004"] == _codes(keeps)[0]


def test_irq_pinned_to_a_cpu_interrupts_its_tasks():
    """A handler on the CPU of a task that holds its lock with interrupts on spins for ever."""

    @design
    def same_cpu(machine):
        lock = SpinLock("ring")

        def locks():
            with lock:
                pass

        line = machine.irq(locks, "vblank", cpu=0)
        machine.hardware(line.raise_irq, hangs=False)
        machine.kthread(locks, "submit", cpu=0)

    @design
    def other_cpu(machine):
        lock = SpinLock("ring")

        def locks():
            with lock:
                pass

        line = machine.irq(locks, "vblank", cpu=1)
        machine.hardware(line.raise_irq, hangs=False)
        machine.kthread(locks, "submit", cpu=0)

    assert ["DF003"] == _codes(same_cpu)[0]
    assert Status.PROVED is _codes(other_cpu)[1].status


def test_kthread_of_an_async_function_is_refused():
    """A coroutine function would do nothing at all, so it is no task."""

    @design
    def lazy(machine):
        async def work():
            pass

        machine.kthread(work)

    with pytest.raises(DesignError, match="work is an async"):
        check_design(lazy, "lazy")


def test_irq_work_signaller_is_known_as_waker():
    """A fence signalled from deferred work that is not always queued is an aborted promise."""

    @design
    def drops(machine):
        fence = Timeline("gpu").fence()
        work = IrqWork(fence.signal, "signal")

        def submit():
            fence.publish()
            if not machine.may_fail("kmalloc"):
                work.queue()

        machine.kthread(submit)

    assert ["DF109"] == _codes(drops)[0]


def test_waitqueue_second_sleep_after_an_earlier_wake_is_not_a_lost_wake_up():
    """Somebody who was woken, and sleeps again with nobody left to wake it, lost nothing."""

    @design
    def twice(machine):
        queue, queued = WaitQueue("queue"), Completion("queued")

        def sleeper():
            for _ in range(2):
                queue.prepare_to_wait()
                queued.complete()
                queue.schedule()
                queue.finish_wait()

        def waker():
            queued.wait()
            queue.wake_up()

        machine.kthread(sleeper)
        machine.kthread(waker)

    assert ["DF001"] == _codes(twice)[0]


@pytest.mark.parametrize(
    "say",
    [
        lambda machine: machine.preemption(False),
        lambda machine: machine.cpus(2),
        lambda machine: machine.spurious_wakeups(),
        lambda machine: machine.memory(),
        lambda machine: machine.any_time(),
    ],
    ids=["preemption", "cpus", "spurious_wakeups", "memory", "any_time"],
)
def test_what_a_machine_is_like_is_not_said_by_a_task(say):
    """It would depend on the schedule; the message says where it belongs."""

    @design
    def late(machine):
        machine.kthread(lambda: say(machine), "late")

    verdict = check_design(late, "late")

    assert [finding.code for finding in verdict.findings] == ["DF005"]
    assert "is for the design itself, before tasks run" in verdict.findings[0].message
