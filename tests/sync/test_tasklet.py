"""Tasklets: functions that run soon in softirq context, never twice at once."""

import pytest

from dmabuf import Status, check_design, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.tasklet import Tasklet


def test_tasklet_runs_once_in_softirq_context_of_another_task(rt):
    """Atomic, but in no handler."""

    def main():
        seen, done = [], Completion("done")

        def complete():
            task = rt.current()
            seen.append((task.is_atomic, task.in_softirq, task.in_irq, task is me))
            done.complete()

        me = rt.current()
        tasklet = Tasklet(complete, "t")
        tasklet.schedule()
        done.wait()
        tasklet.kill()
        return seen

    assert [(True, True, False, False)] == rt.run(main)


def test_tasklet_not_scheduled_does_not_run(rt):
    """And nobody waits to kill it."""

    def main():
        ran = []
        tasklet = Tasklet(lambda: ran.append(1))
        rt.settle()
        tasklet.kill()
        return ran

    assert [] == rt.run(main)


def test_tasklet_scheduled_twice_runs_once(rt):
    """The second schedule finds it scheduled."""

    def main():
        ran = []
        tasklet = Tasklet(lambda: ran.append(1), "t")
        tasklet.disable()
        tasklet.schedule()
        tasklet.schedule()
        tasklet.enable()
        tasklet.kill()
        return ran

    assert [1] == rt.run(main)


def test_tasklet_may_schedule_itself_while_it_runs(rt):
    """It is not scheduled any more when its function begins."""

    def main():
        runs, done = [], Completion("done")

        def run():
            runs.append(tasklet.is_scheduled)
            if len(runs) < 3:
                tasklet.schedule()
            else:
                done.complete()

        tasklet = Tasklet(run, "t")
        tasklet.schedule()
        done.wait()
        tasklet.kill()
        return runs

    assert [False] * 3 == rt.run(main)


def test_tasklet_disabled_stays_scheduled_until_enabled_as_often(rt):
    """Disabling counts."""

    def main():
        ran, done = [], Completion("done")

        def run():
            ran.append(1)
            done.complete()

        tasklet = Tasklet(run, "t")
        tasklet.disable_nosync()
        tasklet.disable()
        tasklet.schedule()
        tasklet.enable()
        rt.settle()
        before = list(ran), tasklet.is_scheduled
        tasklet.enable()
        done.wait()
        tasklet.kill()
        return before, ran

    assert (([], True), [1]) == rt.run(main)


def test_tasklet_that_is_disabled_keeps_none_of_the_others(rt):
    """It goes back to the end of the line."""

    def main():
        done = Completion("done")
        first, second = Tasklet(lambda: None, "first"), Tasklet(done.complete, "second")
        first.disable()
        first.schedule()
        second.schedule()
        done.wait()
        first.enable()
        first.kill()
        second.kill()
        return "both"

    assert "both" == rt.run(main)


@pytest.mark.parametrize("call", ["disable", "kill"])
def test_tasklet_that_runs_is_waited_for(rt, call):
    """By whoever kills or disables it; `disable_nosync` does not wait."""

    def main():
        gate, started, ended = SpinLock("gate"), Completion("started"), []

        def run():
            started.complete()
            with gate:
                ended.append(1)

        tasklet = Tasklet(run, "t")
        with gate.bh():
            tasklet.schedule()
            while not started.try_wait():
                rt.nap(0.001)
            tasklet.disable_nosync()
            rt.spawn(getattr(tasklet, call), name="waiter")
            rt.settle()
            answer = rt.waiting()["waiter"], list(ended)
        tasklet.disable()
        return answer, ended

    assert (("tasklet.unlock_wait", []), [1]) == rt.run(main)


def test_tasklet_that_is_killed_cannot_be_scheduled(rt):
    """It counts as scheduled until it does not run any more; afterwards it can be again."""

    def main():
        gate, started, runs = SpinLock("gate"), Completion("started"), []

        def run():
            runs.append(1)
            started.complete()
            with gate:
                pass

        tasklet = Tasklet(run, "t")
        with gate.bh():
            tasklet.schedule()
            while not started.try_wait():
                rt.nap(0.001)
            rt.spawn(tasklet.kill, name="killer")
            rt.settle()
            tasklet.schedule()
        tasklet.disable()
        rt.settle()
        killed = list(runs)
        tasklet.enable()
        tasklet.schedule()
        started.wait()
        tasklet.kill()
        return killed, runs

    assert ([1], [1, 1]) == rt.run(main)


def test_tasklet_enabled_once_too_often_warns(rt):
    """The kernel counts below zero, and it never runs again."""

    def main():
        Tasklet(lambda: None, "t").enable()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "not disabled" in message


@pytest.mark.parametrize("call", ["disable", "kill"])
def test_tasklet_waited_for_in_atomic_context_is_reported(rt, call):
    """`disable_in_atomic` is what may be called there."""

    def main():
        tasklet = Tasklet(lambda: None, "t")
        with SpinLock("s"):
            tasklet.disable_in_atomic()
            getattr(tasklet, call)()

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_tasklet_that_sleeps_is_reported(rt):
    """Softirq context is atomic."""

    def main():
        lock, started = Mutex("A"), Completion("started")

        def run():
            started.complete()
            lock.lock()

        Tasklet(run, "sleeper").schedule()
        started.wait()
        rt.settle()

    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert "softirq" in message


def test_tasklets_live_share_one_helper(live):
    """One thread for all of them (live only: explored, each has a CPU of its own)."""

    def main():
        order, done = [], Completion("done")
        tasklets = [Tasklet(lambda n=n: order.append(n), str(n)) for n in range(3)]
        last = Tasklet(done.complete, "last")
        for tasklet in [*tasklets, last]:
            tasklet.schedule()
        done.wait()
        return order, [task.name for task in live.runtime.tasks if task.name != "main"]

    assert ([0, 1, 2], ["tasklet"]) == live.run(main)


# --- explored ---------------------------------------------------------------------------------


def _killing(*, under_lock=False, disabled=False):
    @design
    def kills(machine):
        lock = SpinLock("ring")

        def run():
            with lock:
                pass

        tasklet = Tasklet(run, "ring")

        def remove():
            tasklet.schedule()
            if disabled:
                tasklet.disable()
            if under_lock:
                with lock.bh():
                    tasklet.disable_in_atomic()
            tasklet.kill()

        machine.kthread(remove)

    return check_design(kills, "kills")


def test_tasklet_waited_for_under_the_lock_of_its_function_deadlocks():
    """The function spins for the lock, its holder for the function."""
    verdict = _killing(under_lock=True)

    assert "DF001" in [finding.code for finding in verdict.findings]


def test_tasklet_killed_while_disabled_is_waited_for_without_end():
    """It stays scheduled, and that is what is waited for."""
    verdict = _killing(disabled=True)

    assert Status.VIOLATED is verdict.status
    assert "tasklet ring" in verdict.findings[0].message


def test_tasklet_killed_with_nothing_held_is_proved():
    """The way to do it."""
    assert Status.PROVED is _killing().status


def test_tasklets_explored_run_in_either_order():
    """Each on a CPU of its own, whatever the order in which they were scheduled."""
    last_ones = set()

    @design
    def two(machine):
        last, done = Shared(None, "last"), Completion("done")

        def run(n):
            last.write(n)
            done.complete()

        tasklets = [Tasklet(lambda n=n: run(n), f"t{n}") for n in range(2)]

        def schedule():
            for tasklet in tasklets:
                tasklet.schedule()
            done.wait()
            done.wait()
            last_ones.add(last.read())

        machine.kthread(schedule)

    assert Status.PROVED is check_design(two, "two").status
    assert {0, 1} == last_ones
