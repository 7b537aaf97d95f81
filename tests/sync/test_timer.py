"""Timers: functions that run in softirq context when their time has come."""

import pytest

from dmabuf import Status, check_design, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.timer import Timer

SOON = 0.001
LATE = 1000.0


def test_timer_fires_in_softirq_context_of_another_task(rt):
    """Its function runs once, atomic but in no handler, and not before its time."""

    def main():
        seen, done = [], Completion("done")

        def fire():
            task = rt.current()
            seen.append((task.is_atomic, task.in_irq, task is me, rt.now() >= earliest))
            done.complete()

        me = rt.current()
        timer = Timer(fire, "watchdog")
        earliest = rt.now() + 1_000_000
        armed = timer.mod(SOON)
        done.wait()
        timer.delete_sync()
        return armed, seen, timer.is_pending()

    assert (False, [(True, False, False, True)], False) == rt.run(main)


def test_timer_not_armed_does_not_run(rt):
    """Constructed, deleted or shut down timers stay silent."""

    def main():
        ran = []
        timers = [Timer(lambda n=n: ran.append(n), str(n)) for n in range(3)]
        timers[1].mod(LATE)
        timers[2].mod(LATE)
        answers = [timers[0].delete(), timers[1].delete(), timers[2].shutdown()]
        rt.settle()
        return ran, answers

    assert ([], [False, True, True]) == rt.run(main)


def test_timer_fires_in_order_of_expiry(rt):
    """Whatever the order of arming."""

    def main():
        order, done = [], Completion("done")

        def fire(name):
            order.append(name)
            done.complete()

        late = Timer(lambda: fire("late"), "late")
        early = Timer(lambda: fire("early"), "early")
        late.mod(0.03)
        early.mod(SOON)
        done.wait()
        done.wait()
        return order

    assert ["early", "late"] == rt.run(main)


def test_timer_mod_answers_whether_it_was_armed_and_moves_it(rt):
    """A second `mod` replaces the first, `reduce` only brings it forward."""

    def main():
        done = Completion("done")
        timer = Timer(done.complete, "t")
        answers = [timer.mod(LATE), timer.mod(2 * LATE), timer.mod(SOON, reduce=True)]
        answers.append(timer.mod(LATE, reduce=True) and not done.is_done())
        done.wait()
        return answers[:3]

    assert [False, True, True] == rt.run(main)


def test_timer_reduce_of_an_idle_timer_arms_it(rt):
    """There is nothing to be earlier than."""

    def main():
        timer = Timer(lambda: None)
        return timer.mod(LATE, reduce=True), timer.is_pending(), timer.delete()

    assert (False, True, True) == rt.run(main)


def test_timer_mod_only_pending_leaves_an_idle_timer_alone(rt):
    """As mod_timer_pending."""

    def main():
        timer = Timer(lambda: None)
        first = timer.mod(LATE, only_pending=True), timer.is_pending()
        timer.mod(LATE)
        return first, timer.mod(2 * LATE, only_pending=True), timer.delete()

    assert ((False, False), True, True) == rt.run(main)


def test_timer_add_of_an_armed_timer_warns(rt):
    """add_timer is for idle ones."""

    def main():
        timer = Timer(lambda: None, "t")
        timer.add(LATE)
        timer.add(LATE)

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "armed already" in message


def test_timer_may_arm_itself_again(rt):
    """From its own function, as often as it likes."""

    def main():
        runs, done = [], Completion("done")

        def fire():
            runs.append(1)
            if len(runs) < 3:
                timer.mod(SOON)
            else:
                done.complete()

        timer = Timer(fire, "periodic")
        timer.mod(SOON)
        done.wait()
        return len(runs), timer.delete_sync()

    assert (3, False) == rt.run(main)


def test_timer_delete_sync_waits_for_its_function(rt):
    """`delete` does not."""

    def main():
        gate, started, ended = SpinLock("gate"), Completion("started"), []

        def fire():
            started.complete()
            with gate:
                ended.append(1)

        timer = Timer(fire, "t")
        with gate.bh():
            timer.mod(SOON)
            while not started.try_wait():
                rt.nap(SOON)
            rt.spawn(timer.delete_sync, name="deleter")
            rt.settle()
            answer = timer.delete(), rt.waiting()["deleter"], list(ended)
        timer.delete_sync()
        return answer, ended

    assert ((False, "timer.delete_sync", []), [1]) == rt.run(main)


def test_timer_delete_sync_ends_one_that_arms_itself(rt):
    """Disarmed at a moment when it does not run, it is silent."""

    def main():
        fired = Completion("fired")

        def fire():
            timer.mod(SOON)
            fired.complete()

        timer = Timer(fire, "periodic")
        timer.mod(SOON)
        fired.wait()
        deleted = timer.delete_sync()
        return deleted, timer.is_pending()

    assert (True, False) == rt.run(main)


def test_timer_shut_down_is_never_armed_again(rt):
    """`mod` and `add` are discarded in silence."""

    def main():
        timer = Timer(lambda: None, "t")
        timer.mod(LATE)
        first = timer.shutdown_sync()
        timer.add(LATE)
        return first, timer.mod(LATE), timer.mod(LATE), timer.is_pending(), timer.shutdown()

    assert (True, False, False, False, False) == rt.run(main)


def test_timer_that_sleeps_is_reported(rt):
    """Softirq context is atomic."""

    def main():
        lock, started = Mutex("A"), Completion("started")

        def fire():
            started.complete()
            lock.lock()

        Timer(fire, "sleeper").mod(SOON)
        started.wait()
        rt.settle()

    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert "softirq" in message


def test_timer_delete_sync_in_a_handler_is_reported(rt):
    """It would wait for a function that the handler may have interrupted."""

    def main():
        rt.current().in_irq = True
        Timer(lambda: None, "t").delete_sync()

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_timer_irqsafe_may_be_deleted_in_a_handler(rt):
    """Its function runs with interrupts off, so no handler can have interrupted it."""

    def main():
        rt.current().in_irq = True
        Timer(lambda: None, "t", irqsafe=True).delete_sync()

    assert [] == rt.reports(main)


def test_timers_live_share_one_helper(live):
    """One thread for all of them (live only: explored, each has a CPU of its own)."""

    def main():
        timers = [Timer(lambda: None, str(n)) for n in range(3)]
        for timer in timers:
            timer.mod(LATE)
        live.settle()
        names = [task.name for task in live.runtime.tasks if task.name != "main"]
        for timer in timers:
            timer.delete_sync()
        return names

    assert ["timer"] == live.run(main)


# --- explored ---------------------------------------------------------------------------------


def _deleting(*, under_lock, lock_in_function=True):
    @design
    def deletes(machine):
        lock = SpinLock("ring")

        def fire():
            if lock_in_function:
                with lock:
                    pass

        timer = Timer(fire, "watchdog")

        def remove():
            timer.mod(1)
            if under_lock:
                with lock.bh():
                    timer.delete_sync()
            else:
                with lock.bh():
                    pass
                timer.delete_sync()

        machine.kthread(remove)

    return check_design(deletes, "deletes")


def test_timer_delete_sync_under_the_lock_of_its_function_deadlocks():
    """The function spins for the lock, its holder waits for the function."""
    verdict = _deleting(under_lock=True)

    assert ["DF001"] == [finding.code for finding in verdict.findings]
    assert "waits for timer watchdog" in verdict.findings[0].message


@pytest.mark.parametrize(
    "how", [{"under_lock": False}, {"under_lock": True, "lock_in_function": False}]
)
def test_timer_delete_sync_without_that_lock_is_proved(how):
    """Not held, or not taken."""
    assert Status.PROVED is _deleting(**how).status


@pytest.mark.parametrize(("call", "good"), [("delete_sync", False), ("delete", True)])
def test_timer_delete_sync_of_itself_deadlocks(call, good):
    """Its function cannot wait for its own end; `delete` does not wait."""

    @design
    def deletes_itself(machine):
        timer = Timer(lambda: getattr(timer, call)(), "t")
        machine.kthread(lambda: timer.mod(1), "arms")

    verdict = check_design(deletes_itself, "deletes_itself")

    assert ([] if good else ["DF001"]) == [finding.code for finding in verdict.findings]
    assert (Status.PROVED if good else Status.VIOLATED) is verdict.status


def test_timer_explored_is_never_early_and_any_time_late():
    """Each on its own CPU: two timers' functions run in either order, none before its time."""
    orders, early = set(), []

    @design
    def two(machine):
        order, done = [], Completion("done")

        def fire(n):
            if machine.rt.now() < (n + 1) * 1_000_000_000:
                early.append(n)
            order.append(n)
            done.complete()

        timers = [Timer(lambda n=n: fire(n), f"t{n}") for n in range(2)]

        def arm():
            timers[0].mod(1)
            timers[1].mod(2)
            done.wait()
            done.wait()
            orders.add(tuple(order))

        machine.kthread(arm)

    assert Status.PROVED is check_design(two, "two").status
    assert ({(0, 1), (1, 0)}, []) == (orders, early)
