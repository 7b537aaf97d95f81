"""The live runtime: hand-over, deadlines, signals, helpers, instruments, finalisers."""

import errno
import os
import signal
import threading
import time
import warnings
from typing import ClassVar

import pytest

from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation, KernelWarning
from dmabuf.rt.ambient import use
from dmabuf.rt.api import Kind, Outcome
from dmabuf.rt.threads import Threads
from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from tests.support import Listener, Live, op_of_test

NEVER = op_of_test("never", guard=lambda _obj, _task: False)
PATIENCE_S = 8.0


class Gate:
    """Something to wait for: open or not, and who came through."""

    def __init__(self, rt):
        self.name = "gate"
        self.open = 0
        self.came = []
        self.rt = rt


def _enter(gate, task):
    gate.open -= 1
    gate.came.append((task.name, task.arg))
    return len(gate.came)


def _open(gate, task):
    gate.open += task.arg


ENTER = op_of_test("enter", guard=lambda gate, _task: gate.open > 0, action=_enter)
OPEN = op_of_test("open", action=_open)


@pytest.fixture
def ground():
    """Real threads (these tests are about them)."""
    return Live("threads")


# --- the step ----------------------------------------------------------------------------------


def test_step_is_made_for_the_sleepers_in_order_of_arrival(ground):
    """Whoever opens the gate makes the parked steps: as many as may pass, first come first."""

    def main():
        rt = ground.runtime
        gate, values = Gate(rt), []

        def enter(name):
            rt.step(ENTER, gate, name)
            values.append((name, rt.current().value))

        for name in "ABCD":
            ground.spawn(lambda n=name: enter(n), name=name)
            ground.settle()
        rt.step(OPEN, gate, 3)
        at_once = [name for name, _ in gate.came]
        ground.settle()
        waiting = ground.waiting()
        rt.step(OPEN, gate, 1)
        ground.settle()
        return at_once, waiting, gate.came, sorted(values)

    at_once, waiting, came, values = ground.run(main)
    assert ["A", "B", "C"] == at_once
    assert {"D": "test.enter"} == waiting
    assert [(name, name) for name in "ABCD"] == came
    assert [("A", 1), ("B", 2), ("C", 3), ("D", 4)] == values


def test_step_that_is_possible_is_made_whatever_else(ground):
    """A deadline long past or a pending signal is only looked at if one has to wait."""

    def main():
        rt = ground.runtime
        gate = Gate(rt)
        rt.step(OPEN, gate, 2)
        rt.current().signal_pending = True
        return rt.step(ENTER, gate, deadline=0), rt.step(ENTER, gate, interruptible=True)

    assert (Outcome.DONE, Outcome.DONE) == ground.run(main)


def test_step_times_out_never_before_its_deadline():
    """Whatever the deadline, past ones included."""
    runtime = Threads()
    early = []

    for microseconds in (-5, 0, 1, 10, 100, 300, 1000, 3000, 10_000):
        deadline = runtime.now() + microseconds * 1000
        assert Outcome.TIMED_OUT is runtime.step(NEVER, Gate(runtime), deadline=deadline)
        early += [microseconds] if runtime.now() < deadline else []

    assert [] == early
    assert {} == runtime.parked


def test_step_that_timed_out_happens_no_more(ground):
    """The gate opens later, and nobody comes."""

    def main():
        rt = ground.runtime
        gate = Gate(rt)
        outcome = rt.step(ENTER, gate, deadline=rt.now() + 1000)
        rt.step(OPEN, gate, 1)
        return outcome, gate.open, gate.came

    assert (Outcome.TIMED_OUT, 1, []) == ground.run(main)


def test_step_interrupted_happens_no_more(ground):
    """Interruptible steps end with a signal, others sleep on."""

    def main():
        rt = ground.runtime
        gate, outcomes = Gate(rt), {}

        def enter(name, interruptible):
            outcomes[name] = rt.step(ENTER, gate, interruptible=interruptible)

        soft = ground.spawn(lambda: enter("soft", True), name="soft")
        hard = ground.spawn(lambda: enter("hard", False), name="hard")
        ground.settle()
        ground.interrupt(soft)
        ground.interrupt(hard)
        ground.settle()
        waiting = ground.waiting()
        rt.step(OPEN, gate, 2)
        ground.settle()
        return waiting, outcomes, gate.open, [name for name, _ in gate.came]

    waiting, outcomes, left, came = ground.run(main)
    assert {"hard": "test.enter"} == waiting
    assert {"soft": Outcome.INTERRUPTED, "hard": Outcome.DONE} == outcomes
    assert (1, ["hard"]) == (left, came)


def test_step_does_not_begin_to_wait_with_a_signal_pending():
    """An interruptible step that would have to wait ends at once."""
    runtime = Threads()
    runtime.current().signal_pending = True

    assert Outcome.INTERRUPTED is runtime.step(NEVER, Gate(runtime), interruptible=True)


def test_step_of_a_task_told_to_die_unwinds(ground):
    """At once or when it is woken for that; nothing after it runs."""

    def main():
        rt = ground.runtime
        after = []
        task = ground.spawn(lambda: (rt.step(NEVER, Gate(rt)), after.append(1)))
        ground.settle()
        rt.kill_all(but=ground.current())
        return task.carrier.is_alive(), after

    assert (False, []) == ground.run(main)


class Boom(BaseException):
    """Stands for a KeyboardInterrupt."""


@pytest.fixture
def boom_in_main_thread():
    """A function that has Boom raised in the main thread, wherever that is."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")

    def handler(*_):
        raise Boom

    before = signal.signal(signal.SIGUSR1, handler)
    main = threading.get_ident()
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("timeout", [None, 30])
def test_step_ended_by_an_exception_leaves_no_ghost(boom_in_main_thread, timeout):
    """A wait that a KeyboardInterrupt ends is not made later on the sleeper's behalf."""
    runtime = Threads()
    lock, done = Mutex("A", rt=runtime), Completion("done", rt=runtime)
    holder_may_go = threading.Event()

    def hold():
        with lock:
            holder_may_go.wait(PATIENCE_S)

    def kill_when_parked(ended):
        until = time.monotonic() + PATIENCE_S
        while not runtime.parked and time.monotonic() < until:
            os.sched_yield()
        boom_in_main_thread()
        while not ended.wait(1.0):  # CPython sleeps through what came just before it went to sleep
            boom_in_main_thread()

    holder = runtime.spawn(hold, name="holder")
    while lock.owner is None:
        os.sched_yield()
    for wait in (lock.lock, lambda: done.wait(timeout)):
        ended = threading.Event()
        killer = threading.Thread(target=kill_when_parked, args=(ended,))
        killer.start()
        with pytest.raises(Boom):
            wait()
        ended.set()
        killer.join()
    holder_may_go.set()

    assert [] == runtime.join([holder], PATIENCE_S)
    done.complete()
    assert {} == runtime.parked
    assert (None, 1, {}) == (lock.owner, done.done, runtime.current().held)


def test_step_under_load_loses_nobody(ground):
    """Locks, completions and timeouts at the same time: everybody ends, nothing stays parked."""

    def main():
        locks = [Mutex(str(n)) for n in range(3)]
        tokens, done = Completion("tokens"), Shared(0, "done")

        def work(number):
            for turn in range(40):
                with locks[(number + turn) % 3]:
                    tokens.complete()
                if not tokens.wait(0.000_05 * (turn % 3)):
                    done.add(0)
            done.add(1)

        for number in range(6):
            ground.spawn(lambda n=number: work(n))
        ground.settle()
        return done.read(), [lock.owner for lock in locks], ground.runtime.parked

    assert (6, [None] * 3, {}) == ground.run(main)


def test_wake_needs_nobody_parked():
    """Looking again at objects that nobody waits for is nothing."""
    runtime = Threads()

    with runtime.mutex:
        runtime.wake(object(), object())

    assert {} == runtime.parked


# --- tasks -------------------------------------------------------------------------------------


def test_current_of_a_foreign_thread_is_a_task_of_its_own():
    """The same at each asking, another for each thread and each runtime."""
    a, b = Threads(), Threads()
    seen = []

    thread = threading.Thread(target=lambda: seen.append(a.current()), name="foreign")
    thread.start()
    thread.join()

    assert a.current() is a.current()
    assert 3 == len({a.current(), b.current(), *seen})
    assert "foreign" == seen[0].name
    assert Kind.KTHREAD is seen[0].kind


def test_spawned_task_is_what_was_asked_for(ground):
    """Name, kind, CPU, idleness; its key says who started it as the how-manieth."""

    def main():
        one = ground.spawn(lambda: None, name="one", kind=Kind.IRQ, cpu=3, idle=True)
        two = ground.spawn(lambda: None, name="two")
        ground.settle()
        me = ground.current()
        return (
            (one.name, one.kind, one.cpu, one.idle, one.in_irq),
            (two.kind, two.cpu, two.idle, two.in_irq),
            (one.key, two.key) == ((*me.key, 1), (*me.key, 2)),
        )

    assert (
        ("one", Kind.IRQ, 3, True, True),
        (Kind.KTHREAD, None, False, False),
        True,
    ) == ground.run(main)


def test_join_answers_who_has_not_ended(ground):
    """After the timeout, those that still run."""

    def main():
        gate = Completion("gate")
        ends, stays = ground.spawn(lambda: None), ground.spawn(gate.wait)
        ground.settle()
        left = ground.runtime.join([ends, stays], 0.01)
        gate.complete()
        return left == [stays], ground.runtime.join([ends, stays], PATIENCE_S)

    assert (True, []) == ground.run(main)


def test_choose_is_the_ordinary_outcome():
    """Live, chance never strikes."""
    assert [0, 0, 0] == [Threads().choose(NEVER, options) for options in (1, 2, 200)]


def test_two_runtimes_live_side_by_side():
    """A task of each works on its own objects; parked tasks, reports and helpers are apart."""
    a, b = Threads(), Threads()
    with use(a):
        gate_a, work_a = Completion("a"), IrqWork(lambda: None)
    with use(b):
        gate_b, work_b = Completion("b"), IrqWork(lambda: None)

    tasks = [a.spawn(gate_a.wait, name="a"), b.spawn(gate_b.wait, name="b")]
    for work in (work_a, work_b):
        work.queue()
        work.sync()
    gate_a.complete()
    assert [] == a.join(tasks[:1], PATIENCE_S)
    with pytest.raises(ContractViolation):
        Mutex("A", rt=a).unlock()

    assert tasks[1].carrier.is_alive()
    assert (["DF004"], []) == ([code for code, _ in a.reports], b.reports)
    assert work_a.line is not work_b.line
    gate_b.complete()
    assert [] == b.join(tasks[1:], PATIENCE_S)
    a.shut_down()
    b.shut_down()


# --- helper tasks ------------------------------------------------------------------------------


def test_service_is_started_once_and_anew_when_it_ended(ground):
    """One helper of a name, idle, a worker; if it ended the next asking starts another."""

    def main():
        rt = ground.runtime
        gate = Completion("gate")
        first = rt.service("helper", gate.wait)
        again = rt.service("helper", gate.wait)
        other = rt.service("other", gate.wait)
        described = first.name, first.kind, first.idle
        gate.complete_all()
        rt.join([first, other], PATIENCE_S)
        anew = rt.service("helper", lambda: None)
        return first is again, first is other, first is anew, described

    assert (True, False, False, ("helper", Kind.WORKER, True)) == ground.run(main)


def test_service_survives_what_its_work_raises(ground):
    """The error goes where errors of threads go, and the loop starts again."""

    def main():
        rt = ground.runtime
        gate, turns = Completion("gate"), []

        def loop():
            turns.append(len(turns))
            gate.wait()
            if len(turns) < 3:
                raise KeyError(len(turns))

        helper = rt.service("helper", loop)
        for _ in range(3):
            gate.complete()
        rt.join([helper], PATIENCE_S)
        told, rt.errors = rt.errors, []
        return turns, [error.args for error in told]

    assert ([0, 1, 2], [(1,), (2,)]) == ground.run(main)


def test_shut_down_ends_the_helpers_and_later_ones_start_anew():
    """Parked helpers end; whoever asks later gets a new one."""
    runtime = Threads()
    work = IrqWork(lambda: None, rt=runtime)
    work.queue()
    work.sync()
    helper = runtime.service("irq_work", lambda: None)

    runtime.shut_down()

    assert not helper.carrier.is_alive()
    work.queue()
    work.sync()
    runtime.shut_down()


# --- reports and instruments -------------------------------------------------------------------


def test_report_is_recorded_before_it_is_raised():
    """Whoever swallows the error does not swallow the record."""
    runtime = Threads()

    with pytest.raises(ContractViolation, match="DF004: twice") as raised:
        runtime.report("DF004", "twice")

    assert ("DF004", "twice") == (raised.value.code, raised.value.message)
    assert [("DF004", "twice")] == runtime.reports


def test_report_that_is_survived_warns_at_the_callers_line():
    """The warning shows the line outside the package that did it."""
    runtime = Threads()
    fence = Timeline("gpu", rt=runtime).fence()
    fence.signal()

    with pytest.warns(KernelWarning, match="DF106") as warned:
        fence.set_error(-errno.EIO)

    assert __file__ == warned[0].filename
    assert ["DF106"] == [code for code, _ in runtime.reports]


def test_label_is_the_objects_own_name():
    """Or, without one, its type."""
    runtime = Threads()

    assert ["A", "object"] == [runtime.label(o) for o in (Mutex("A", rt=runtime), object())]


def test_instruments_hear_everything_in_order(ground):
    """Creation, announcement, blocking, step and report, of whichever task."""

    def main():
        rt, listener = ground.runtime, Listener()
        rt.attach(listener)
        lock = Mutex("A")
        with lock:
            ground.spawn(lambda: lock.lock() or lock.unlock())
            ground.settle()
        ground.settle()
        rt.detach(listener)
        return [(what, op) for what, op, _ in listener.heard]

    heard = ground.run(main)
    assert ("created", "Mutex") == heard[0]
    assert [("announced", "mutex.lock"), ("stepped", "mutex.lock")] == heard[1:3]
    assert [("announced", "mutex.lock"), ("blocked", "mutex.lock")] == heard[3:5]
    assert 2 == heard.count(("stepped", "mutex.unlock"))
    assert 2 == heard.count(("stepped", "mutex.lock"))


def test_instruments_hear_reports():
    """Each one, attached in turn."""
    runtime, a, b = Threads(), Listener(), Listener()
    runtime.attach(a)
    runtime.attach(b)

    with pytest.raises(ContractViolation):
        runtime.report("DF004", "why")

    assert [[("reported", "DF004", "why")]] * 2 == [list(a.heard), list(b.heard)]


def test_instruments_are_called_without_the_runtimes_lock(ground):
    """They may look at objects in their own time."""

    class Looking(Listener):
        locked: ClassVar[list[bool]] = []

        def announced(self, *_):
            self.locked.append(ground.runtime.mutex._is_owned())

        stepped = blocked = created = reported = announced

    def main():
        ground.runtime.attach(Looking())
        lock = Mutex("A")
        with lock:
            pass
        Timeline("gpu").fence().signal()
        return Looking.locked

    assert {False} == set(ground.run(main))


# --- finalisers --------------------------------------------------------------------------------


def test_deferred_work_waits_for_the_next_step_of_any_task(ground):
    """A finaliser only enqueues; whoever steps next does it, once, in order."""

    def main():
        rt, ran = ground.runtime, []
        for number in range(3):
            rt.defer(lambda n=number: ran.append((n, rt.current().name)))
        before, quick = list(ran), rt.quick
        ground.spawn(lambda: Completion("c").complete(), name="other")
        ground.settle()
        return before, quick, ran, rt.quick

    expected = [(number, "other") for number in range(3)]
    assert ([], False, expected, True) == ground.run(main)


def test_deferred_work_waits_while_the_stepping_task_is_atomic(ground):
    """Under a spinlock is no safe point."""

    def main():
        rt, ran = ground.runtime, []
        lock = SpinLock("A")
        lock.lock()
        rt.defer(lambda: ran.append(1))
        lock.is_locked()
        Completion("c").complete()
        inside = list(ran)
        lock.unlock()
        return inside, ran

    assert ([], [1]) == ground.run(main)


def test_deferred_work_may_step_and_defer(ground):
    """All of it is done at the same safe point."""

    def main():
        rt, cell = ground.runtime, Shared(0, "cell")
        rt.defer(lambda: (cell.add(1), rt.defer(lambda: cell.add(10))))
        Completion("c").complete()
        return cell.read(), rt.quick

    assert (11, True) == ground.run(main)


def test_deferred_work_leaves_the_answer_of_the_step_alone(ground):
    """Whoever made the step reads what that answered, not what the deferred work's steps did."""

    def main():
        rt, cell, seven = ground.runtime, Shared(1, "cell"), Shared(7, "seven")
        rt.defer(lambda: cell.add(1))
        return seven.read(), cell.read()

    assert (7, 2) == ground.run(main)


def test_deferred_work_of_any_amount_is_done_in_a_loop(ground):
    """Steps of deferred work are no safe points: as many as there are fit on the stack."""

    def main():
        rt, cell = ground.runtime, Shared(0, "cell")
        for _ in range(3000):
            rt.defer(lambda: cell.add(1))
        Completion("c").complete()
        return cell.read()

    assert 3000 == ground.run(main)


def test_flush_is_a_safe_point_of_the_programs_choosing():
    """Deferred work is done there without any step."""
    runtime, ran = Threads(), []
    runtime.defer(lambda: ran.append(1))

    runtime.flush()
    runtime.flush()

    assert [1] == ran
    assert runtime.quick


def test_deferred_work_that_raises_does_not_lose_the_rest():
    """What is left is done at a later safe point."""
    runtime, ran = Threads(), []
    runtime.defer(lambda: [].pop())
    runtime.defer(lambda: ran.append(1))

    with pytest.raises(IndexError):
        runtime.flush()
    runtime.flush()

    assert [1] == ran


def test_finaliser_in_the_middle_of_a_step_is_harmless():
    """The collector may run anywhere, also while the runtime's lock is held."""
    runtime, ran = Threads(), []

    class Dying:
        def __del__(self):
            runtime.defer(lambda: ran.append(runtime.mutex._is_owned()))

    dying = [Dying()]
    kill = op_of_test("kill", action=lambda _obj, _task: dying.clear())
    runtime.step(kill, Gate(runtime))
    runtime.step(kill, Gate(runtime))

    assert [False] == ran


def test_warnings_of_finalisers_do_not_need_a_lock():
    """A deferred release that warns is a warning of the task that stepped."""
    runtime = Threads()
    fence = Timeline("gpu", rt=runtime).fence()
    fence.add_callback(lambda _f: None)
    del fence

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Completion("c", rt=runtime).complete()

    assert ["DF106"] == [str(one.message)[:5] for one in caught]
    assert not runtime.mutex._is_owned()


def test_step_keeps_its_result_when_something_was_put_off():
    """What a finaliser deferred makes steps of its own after one of the task; its answer stays."""
    runtime = Threads()
    lock, other = Mutex("A", rt=runtime), Mutex("B", rt=runtime)
    runtime.defer(other.is_locked)

    taken = lock.trylock()

    assert taken
    assert lock.owner is runtime.current()
