"""The explored runtime: what may happen next, how an execution ends, numbers, time, CPUs."""

import contextlib
import functools

import pytest

from dmabuf.core.timeline import Timeline
from dmabuf.errors import ContractViolation, DesignError, InternalError, Unwind
from dmabuf.rt.api import READ, WRITE, Kind, Outcome
from dmabuf.rt.carriers import Baton, Greenlets, has_greenlet
from dmabuf.rt.clock import NS_PER_S
from dmabuf.rt.explored_task import Names
from dmabuf.rt.strategy import (
    INTERRUPT,
    MAX_OPTIONS,
    TIMEOUT,
    End,
    FirstEnabled,
    task_of,
    variant_of,
)
from dmabuf.rt.tasks import MAX_TASKS, Tasks
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from tests.support import Fair, Listener, op_of_test

CARRIERS = [Greenlets, Baton] if has_greenlet() else [Baton]
TICK = op_of_test("tick")
COIN = op_of_test("coin")
NEVER = op_of_test("never", guard=lambda _obj, _task: False)


@pytest.fixture(params=CARRIERS, ids=lambda carrier: carrier.__name__)
def carrier(request):
    """Each way to carry tasks."""
    return request.param


class Told:
    """Makes the given moves, (task name, variant), then goes on in turn; keeps what it saw.

    Attributes:
        seen: at each decision, what was possible, as (task name, variant).
        footprints: of each step made.
    """

    def __init__(self, *moves):
        self.moves = list(moves)
        self.seen = []
        self.footprints = []
        self._fair = Fair()

    def pick(self, runtime):
        names = {t: (runtime.by_number[task_of(t)].name, variant_of(t)) for t in runtime.enabled()}
        self.seen.append(sorted(names.values()))
        if not self.moves:
            return self._fair.pick(runtime)
        wanted = self.moves.pop(0)
        return next(t for t, name in names.items() if name == wanted)

    def executed(self, transition, task, footprint):
        self._fair.executed(transition, task, footprint)
        self.footprints.append((task.name, task.op.name, footprint))


def execute(body, *moves, carrier=Baton, **how):
    """Run a body under told moves; returns the runtime, with its end as `end`."""
    rt = Tasks(Told(*moves), carrier=carrier(), **how)
    rt.end = rt.run(body)
    return rt


# --- the design's body -------------------------------------------------------------------------


def test_body_runs_before_any_task(carrier):
    """Tasks spawned in it start when it has returned."""
    order = []

    def body(rt):
        rt.spawn(lambda: order.append("task"), name="A")
        order.append("body")

    rt = execute(body, carrier=carrier)

    assert (["body", "task"], End.ENDED) == (order, rt.end)


def test_body_may_use_objects_but_not_wait():
    """Its steps are made at once; one that would have to wait is the design's error."""

    def body(_rt):
        lock = Mutex("A")
        with lock:
            Completion("done").wait()

    with pytest.raises(DesignError, match="the design's own body would wait for done"):
        execute(body)


@pytest.mark.parametrize("options", [0, -1, MAX_OPTIONS + 1])
def test_choose_has_a_sensible_number_of_options(options):
    """From 1 up to the limit."""

    def body(rt):
        rt.spawn(lambda: rt.choose(COIN, options), name="A")

    rt = execute(body)

    assert End.RAISED is rt.end
    assert isinstance(rt.failure[1], DesignError)


def test_choose_belongs_inside_a_task():
    """The body is run once, so it must not take chances."""
    with pytest.raises(DesignError, match="a choice belongs inside a task"):
        execute(lambda rt: rt.choose(COIN, 2))


# --- what may happen next ----------------------------------------------------------------------


def test_enabled_are_the_steps_whose_guard_holds():
    """A task at a step that has to wait is not offered until somebody makes it possible."""

    def body(rt):
        lock, order = Mutex("A"), []
        for name in "AB":
            rt.spawn(lambda n=name: (lock.lock(), order.append(n), lock.unlock()), name=name)

    rt = execute(body, ("A", 0), ("A", 0), ("B", 0))

    assert [("A", 0), ("B", 0)] == rt.strategy.seen[0]
    assert [("A", 0)] == rt.strategy.seen[1]
    assert [("B", 0)] == rt.strategy.seen[2]


@pytest.mark.parametrize("way", [0, 1, 2])
def test_choose_offers_every_option_and_answers_the_one_taken(carrier, way):
    """One transition for each."""
    answers = []

    def body(rt):
        rt.spawn(lambda: answers.append(rt.choose(COIN, 3)), name="A")

    rt = execute(body, ("A", way), carrier=carrier)

    assert [("A", 0), ("A", 1), ("A", 2)] == rt.strategy.seen[0]
    assert [way] == answers


def test_decide_asks_again_before_each_decision():
    """Options given by a function depend on the state; with none the step is not possible."""
    answers = []

    def body(rt):
        cell = Shared(0, "cell")
        rt.spawn(
            lambda: answers.append(rt.decide(COIN, cell, lambda _t: list(range(cell._value)))),
            name="A",
        )
        rt.spawn(lambda: cell.write(2), name="B")

    rt = execute(body, ("B", 0), ("A", 1))

    assert [("B", 0)] == rt.strategy.seen[0]
    assert [("A", 0), ("A", 1)] == rt.strategy.seen[1]
    assert [1] == answers


def test_interrupt_is_offered_only_to_an_interruptible_wait_with_a_signal():
    """Not without a signal, not to a plain wait, and not when the step is possible."""
    outcomes = []

    def body(rt):
        done = Completion("done")
        soft = rt.spawn(
            lambda: outcomes.append(rt.step(done_wait(), done, interruptible=True)), name="soft"
        )
        hard = rt.spawn(done.wait, name="hard")
        rt.spawn(
            lambda: (rt.interrupt(soft), rt.interrupt(hard), done.complete_all()), name="other"
        )

    rt = execute(body, ("other", 0), ("other", 0), ("soft", INTERRUPT))

    assert [("other", 0)] == rt.strategy.seen[0]
    assert [("other", 0), ("soft", INTERRUPT)] == rt.strategy.seen[1]
    assert [("other", 0), ("soft", INTERRUPT)] == rt.strategy.seen[2]
    assert [Outcome.INTERRUPTED] == outcomes

    rt = execute(body, ("other", 0), ("other", 0), ("other", 0))
    assert [("hard", 0), ("soft", 0)] == rt.strategy.seen[3]


def done_wait():
    """The operation of waiting for a completion."""
    from dmabuf.sync.completion import WAIT

    return WAIT


# --- time --------------------------------------------------------------------------------------


def sleepers(rt, *seconds):
    """Tasks that wait for nothing with those timeouts; returns who came out when."""
    never, out = Completion("never"), []

    def sleep(s):
        never.wait(timeout=s)
        out.append((s, rt.timestamp()))

    for number, s in enumerate(seconds):
        rt.spawn(lambda s=s: sleep(s), name=f"{number}:{s}")
    return out


def test_timeouts_fire_in_order_of_deadlines(carrier):
    """Whatever the order of asking, and the clock stands exactly at each."""
    outs = []

    execute(lambda rt: outs.append(sleepers(rt, 3, 1, 2, 0)), carrier=carrier)

    assert [[(s, s * NS_PER_S) for s in (0, 1, 2, 3)]] == outs


def test_timeouts_of_one_deadline_may_fire_in_either_order():
    """A tie is offered whole; a later deadline is not offered."""
    rt = execute(lambda rt: sleepers(rt, 1, 2, 1))

    offered = [seen for seen in rt.strategy.seen if ("0:1", TIMEOUT) in seen]
    assert [("0:1", TIMEOUT), ("2:1", TIMEOUT)] == offered[-1]
    assert not any(("1:2", TIMEOUT) in seen for seen in offered)


def test_timeout_is_not_offered_where_the_step_is_possible():
    """A wait that can end well does not run out."""

    def body(rt):
        done = Completion("done")
        done.complete()
        rt.spawn(lambda: done.wait(timeout=1), name="A")

    rt = execute(body)

    assert not any(("A", TIMEOUT) in seen for seen in rt.strategy.seen)
    assert 0 == rt.clock.now()


def test_timeout_may_be_taken_while_others_could_go_on():
    """A step takes any time, so a deadline can pass before it."""
    outcomes = []

    def body(rt):
        done = Completion("done")
        rt.spawn(lambda: outcomes.append(done.wait(timeout=1)), name="A")
        rt.spawn(done.complete, name="B")

    arm = [("A", 0)] * 2  # reads the clock, arms the timeout
    execute(body, *arm, ("A", TIMEOUT), ("B", 0))
    execute(body, *arm, ("B", 0), ("A", 0))

    assert [False, True] == outcomes


def test_timeout_in_the_past_does_not_turn_the_clock_back():
    """Time only grows."""
    times = []

    def body(rt):
        never = Completion("never")

        def main():
            never.wait(timeout=5)
            rt.step(done_wait(), never, deadline=1)
            times.append(rt.now())

        rt.spawn(main, name="A")

    execute(body)

    assert [5 * NS_PER_S] == times


def test_reading_the_clock_is_a_step_and_timestamps_are_not():
    """`now` in a task is; in the body, and for actions, it is not."""

    def body(rt):
        rt.now()
        rt.spawn(lambda: (rt.timestamp(), rt.now(), rt.timestamp()), name="A")

    rt = execute(body)

    assert ["clock.now"] == [op for _, op, _ in rt.strategy.footprints]


# --- footprints --------------------------------------------------------------------------------


def test_footprint_names_objects_by_number_and_mode():
    """Twice the object's number, plus one where it is changed."""
    objects = {}

    def body(rt):
        cell = objects["cell"] = Shared(0, "cell")
        rt.spawn(lambda: (cell.read(), cell.write(1)), name="A")

    rt = execute(body)

    number = rt.number_of(objects["cell"])
    assert [(number << 1) | READ, (number << 1) | WRITE] == [
        touched for _, _, (touched,) in rt.strategy.footprints
    ]


def test_footprint_of_a_wait_with_a_deadline_reads_the_clock_and_a_timeout_changes_it():
    """So a timeout depends on every wait that looks at the time."""
    objects = {}

    def body(rt):
        done = objects["done"] = Completion("done")
        done.complete()
        rt.spawn(lambda: [done.wait(timeout=1) for _ in range(2)], name="A")

    rt = execute(body)

    clock, done = rt.number_of(rt.clock), rt.number_of(objects["done"])
    waits = [footprint for _, op, footprint in rt.strategy.footprints if op == "completion.wait"]
    assert [((done << 1) | WRITE, clock << 1), (done << 1, (clock << 1) | WRITE)] == waits


def test_first_step_of_a_spawned_task_depends_on_its_spawning():
    """The footprint of the start and of the first step share the task."""
    spawned = []

    def body(rt):
        cell = Shared(0, "cell")
        rt.spawn(lambda: spawned.append(rt.spawn(cell.read, name="B")), name="A")

    rt = execute(body)

    number = rt.number_of(spawned[0])
    (_, start, changed), (_, first, touched) = rt.strategy.footprints
    assert ("task.spawn", "shared.read") == (start, first)
    assert ((number << 1) | WRITE,) == changed
    assert number << 1 in touched


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 6))
def test_numbers_are_the_same_in_every_schedule(seed):
    """Tasks and objects, also those made inside tasks, keep their numbers across executions."""

    def numbers(strategy, names):
        rt = Tasks(strategy, names=names, carrier=Baton())

        def inner(name):
            for turn in range(2):
                lock = Mutex(f"{name}{turn}")
                with lock:
                    Timeline(f"line {name}{turn}").fence().signal()
            rt.spawn(lambda: Shared(0, f"shared {name}").add(1), name=f"child of {name}")

        rt.run(lambda rt: [rt.spawn(lambda n=n: inner(n), name=n) for n in "ABC"])
        labels = {rt.label(obj): rt.number_of(obj) for obj in rt.objects}
        return labels, {task.name: (task.number, task.key) for task in rt.tasks}

    names = Names()
    first = numbers(Fair(), names)

    assert first == numbers(Fair(seed), names)
    assert len(first[0]) == len(set(first[0].values())) > 20
    assert 6 == len(first[1])


def test_names_give_out_each_number_once():
    """The same key, the same number."""
    names = Names()

    assert [0, 1, 0, 2, 1] == [names.number((key,)) for key in "abacb"]


def test_adopt_labels_objects_by_type_and_creator_if_they_have_no_name():
    """Who made it, and as the how-manieth thing."""
    labels = []

    def body(rt):
        rt.spawn(lambda: labels.append(rt.label(Mutex())), name="A")

    execute(body)

    assert ["mutex A#1"] == labels


# --- how an execution ends ---------------------------------------------------------------------


def test_end_is_the_strategys_word(carrier):
    """When it ends the execution every task is unwound, also one that could go on."""
    out = []

    def body(rt):
        cell = Shared(0, "cell")

        def main():
            try:
                while True:
                    cell.add(1)
            finally:
                out.append(cell._value)

        rt.spawn(main, name="A")

    class Stop(FirstEnabled):
        def pick(self, runtime):
            return -1 if runtime.objects[1]._value == 3 else super().pick(runtime)

    rt = Tasks(Stop(), carrier=carrier())
    end = rt.run(body)

    assert (End.ENDED, [3]) == (end, out)
    assert rt.tasks[0].finished


def test_end_by_an_exception_names_task_and_error(carrier):
    """What a task raises is the outcome; what others raise while they are unwound is not."""
    out = []

    def body(rt):
        never = Completion("never")

        def waits():
            try:
                never.wait()
            finally:
                out.append("unwound")
                raise ValueError

        rt.spawn(waits, name="A")
        rt.spawn(lambda: [].pop(), name="B")

    rt = execute(body, carrier=carrier)

    assert End.RAISED is rt.end
    assert ("B", IndexError) == (rt.failure[0].name, type(rt.failure[1]))
    assert ["unwound"] == out


def test_end_by_a_report_survives_being_swallowed(carrier):
    """The report is recorded before it is raised, and only the first counts."""

    def body(rt):
        def main():
            for _ in range(3):
                with contextlib.suppress(ContractViolation):
                    Mutex("A").unlock()

        rt.spawn(main, name="A")

    rt = execute(body, carrier=carrier)

    assert End.REPORTED is rt.end
    assert [("DF004", "A unlocks A, which nobody holds", "A")] == [
        (code, message, task.name) for code, message, task in rt.reports
    ]


def test_end_refuses_every_later_step(carrier):
    """`except Exception` does not catch it, and `finally` blocks cannot step either."""
    out = []

    def body(rt):
        lock, other = Mutex("A"), Mutex("B")

        def main():
            try:
                with lock:
                    rt.report("DF004", "the verdict")
            except Exception:  # noqa: BLE001 - as careless drivers do
                out.append("swallowed the report")
            try:
                other.lock()
            except Exception:  # noqa: BLE001 - as careless drivers do
                out.append("swallowed the end")

        rt.spawn(main, name="A")
        rt.spawn(lambda: (other.lock(), out.append("went on")), name="B")

    rt = execute(body, ("A", 0), carrier=carrier)

    assert End.REPORTED is rt.end
    assert [] == out


def test_end_by_a_report_of_the_body_with_a_lock_held(carrier):
    """What the body's with-blocks do on the way out does not get in the way of the report."""

    def body(rt):
        with Mutex("A"):
            rt.report("DF004", "the verdict")

    rt = execute(body, carrier=carrier)

    assert (End.REPORTED, ["DF004"]) == (rt.end, [code for code, _, _ in rt.reports])


def test_end_is_reached_although_a_task_swallows_everything(carrier):
    """A loop around a bare except cannot wedge the run; the task is left behind and named."""

    def body(rt):
        cell = Shared(0, "cell")

        def stubborn():
            while True:
                with contextlib.suppress(BaseException):
                    cell.add(1)

        rt.spawn(stubborn, name="stubborn")
        rt.spawn(lambda: rt.report("DF004", "the verdict"), name="B")

    rt = execute(body, carrier=carrier)

    assert ["DF004"] == [code for code, _, _ in rt.reports]
    assert ("stubborn", DesignError) == (rt.failure[0].name, type(rt.failure[1]))


def test_end_with_a_task_that_goes_on_without_steps(carrier):
    """A task that swallows the end and then returns has simply ended."""

    def body(rt):
        never = Completion("never")

        def main():
            with contextlib.suppress(Unwind):
                never.wait()

        rt.spawn(main, name="A")

    rt = execute(body, carrier=carrier)

    assert End.ENDED is rt.end
    assert rt.tasks[0].finished


def test_end_by_a_violation_that_nobody_recorded_is_our_bug(carrier):
    """Raised by hand, or by an object of another runtime: an InternalError, and no hang."""

    def body(rt):
        def main():
            raise ContractViolation("DF004", "by hand")

        rt.spawn(main, name="A")

    with pytest.raises(InternalError, match="without being recorded"):
        execute(body, carrier=carrier)


@pytest.mark.parametrize("when", ["while a task runs", "after the last step of a task"])
def test_end_by_a_strategy_that_raises_is_no_hang(carrier, when):
    """An error of ours comes out of the run, or is a task's failure, on either carrier."""

    class Broken(FirstEnabled):
        left = 1 if when == "while a task runs" else 2

        def pick(self, runtime):
            self.left -= 1
            if self.left < 0:
                raise ZeroDivisionError
            return super().pick(runtime)

    def body(rt):
        cell = Shared(0, "cell")
        rt.spawn(lambda: (cell.add(1), cell.add(1)), name="A")

    rt = Tasks(Broken(), carrier=carrier())
    try:
        rt.run(body)
    except ZeroDivisionError as error:
        failure = error
    else:
        failure = rt.failure[1]

    assert isinstance(failure, ZeroDivisionError)


def test_tasks_without_end_are_reported(carrier):
    """More tasks than the limit is DF005."""

    def body(rt):
        def spawns():
            rt.spawn(spawns, name="next")

        rt.spawn(spawns, name="first")

    rt = execute(body, carrier=carrier)

    assert ["DF005"] == [code for code, _, _ in rt.reports]
    assert MAX_TASKS == len(rt.tasks)


# --- the rest of the interface -----------------------------------------------------------------


def test_spawned_task_runs_to_its_first_step_at_once(carrier):
    """What it does before that is done when the spawner goes on."""
    order = []

    def body(rt):
        cell = Shared(0, "cell")

        def child():
            order.append("child before")
            cell.add(1)
            order.append("child after")

        def parent():
            rt.spawn(child, name="child")
            order.append("parent")

        rt.spawn(parent, name="parent")

    execute(body, carrier=carrier)

    assert ["child before", "parent", "child after"] == order


def test_spawned_task_that_never_steps_has_ended_when_the_spawner_goes_on(carrier):
    """And its spawner is not disturbed."""
    order = []

    def body(rt):
        def parent():
            task = rt.spawn(lambda: order.append("child"), name="child")
            order.append(task.finished)

        rt.spawn(parent, name="parent")

    execute(body, carrier=carrier)

    assert ["child", True] == order


def test_service_is_one_idle_worker():
    """The same task for a name, not to be waited for."""
    found = []

    def body(rt):
        never = Completion("never")

        def main():
            found.extend(rt.service("helper", never.wait) for _ in range(3))

        rt.spawn(main, name="A")

    rt = execute(body)

    assert 1 == len(set(found))
    assert (Kind.WORKER, True) == (found[0].kind, found[0].idle)
    assert End.ENDED is rt.end


def test_deferred_work_is_dropped():
    """Lifetime ends by an explicit put here, so finalisers do nothing."""
    ran = []

    def body(rt):
        rt.defer(lambda: ran.append(1))
        rt.spawn(lambda: Shared(0, "cell").add(1), name="A")

    execute(body)

    assert [] == ran


def test_instrument_hears_each_step_announced_and_made():
    """In the order of the schedule."""
    listener = Listener()

    def body(rt):
        rt.instrument = listener
        lock = Mutex("A")
        for name in "AB":
            rt.spawn(lambda: lock.lock() or lock.unlock(), name=name)

    execute(body)

    heard = [(what, op) for what, op, _ in listener.heard if what != "created"]
    assert [("announced", "mutex.lock")] * 2 == heard[:2]
    assert 4 == sum(what == "stepped" for what, _ in heard)
    assert 4 == sum(what == "announced" for what, _ in heard)


def test_evaluate_answers_a_condition_without_any_step():
    """A waiter's condition that only reads can be asked at any decision; others are no."""
    answers = []

    def body(rt):
        cell, lock = Shared(3, "cell"), Mutex("A")

        class Asking(Fair):
            def pick(self, runtime):
                answers.append(
                    [
                        runtime.evaluate(lambda: cell.read() == 3),
                        runtime.evaluate(lambda: cell.read() == 4),
                        runtime.evaluate(lambda: cell.add(1)),
                        runtime.evaluate(lambda: lock.lock() is None),
                        runtime.evaluate(lambda: Completion("never").wait()),
                    ]
                )
                return super().pick(runtime)

        rt.strategy = Asking()
        rt.spawn(lambda: cell.read() or None, name="A")

    rt = execute(body)

    assert answers
    assert all([True, False, False, False, False] == answer for answer in answers)
    assert 1 == len(rt.strategy.made)


# --- interrupts and CPUs -----------------------------------------------------------------------


def _take(line, task):
    task.in_irq = True
    task.runtime.cpus.take(line.cpu, task)


def _give(line, task):
    task.in_irq = False
    task.runtime.cpus.give(line.cpu)


class Line:
    """A CPU to interrupt."""

    def __init__(self, cpu):
        self.cpu = cpu


TAKE = op_of_test("take", action=_take)
GIVE = op_of_test("give", action=_give)


def test_handler_that_has_a_cpu_keeps_its_tasks_from_running():
    """From take to give only the handler moves on that CPU; other CPUs go on."""

    def body(rt):
        cell, line = Shared(0, "cell"), Line(0)
        rt.adopt(line)
        rt.spawn(lambda: cell.add(1), name="on 0", cpu=0)
        rt.spawn(lambda: cell.add(1), name="on 1", cpu=1)
        rt.spawn(lambda: (rt.step(TAKE, line), rt.step(GIVE, line)), name="irq", kind=Kind.IRQ)

    rt = execute(body, ("irq", 0))

    assert [("irq", 0), ("on 0", 0), ("on 1", 0)] == rt.strategy.seen[0]
    assert [("irq", 0), ("on 1", 0)] == rt.strategy.seen[1]
    assert rt.cpus.owner(0) is None


def test_task_that_is_atomic_keeps_its_cpu():
    """Tasks of the same CPU are not scheduled meanwhile; those of others and handlers are."""

    def body(rt):
        cell, lock = Shared(0, "cell"), SpinLock("A")

        def holds():
            with lock:
                cell.add(1)

        rt.spawn(holds, name="holder", cpu=0)
        rt.spawn(lambda: cell.add(1), name="same", cpu=0)
        rt.spawn(lambda: cell.add(1), name="else", cpu=1)
        rt.spawn(lambda: cell.add(1), name="anywhere")

    rt = execute(body, ("holder", 0))

    assert [("anywhere", 0), ("else", 0), ("holder", 0), ("same", 0)] == rt.strategy.seen[0]
    assert [("anywhere", 0), ("else", 0), ("holder", 0)] == rt.strategy.seen[1]


def test_cpu_of_an_unpinned_task_is_its_own():
    """No two of them share one, and none has a real one."""
    cpus = []

    def body(rt):
        tasks = [rt.spawn(lambda: None, name=str(n)) for n in range(3)]
        tasks.append(rt.spawn(lambda: None, name="pinned", cpu=2))
        cpus.extend(rt.cpus.of(task) for task in tasks)

    execute(body)

    assert 2 == cpus.pop()
    assert 3 == len(set(cpus))
    assert all(cpu < 0 for cpu in cpus)


def test_footprint_on_a_shared_cpu_changes_that_cpu():
    """So steps of tasks of one CPU, and of a handler there, depend on each other."""

    def body(rt):
        cell, other = Shared(0, "cell"), Shared(0, "other")
        rt.spawn(cell.read, name="A", cpu=0)
        rt.spawn(other.read, name="B", cpu=0)

    rt = execute(body)

    (_, _, a), (_, _, b) = rt.strategy.footprints
    assert a[-1] == b[-1]
    assert a[-1] & WRITE


def test_interrupt_makes_a_signal_pending_and_is_a_step_on_the_task():
    """The task is what the step changes."""

    def body(rt):
        never = Completion("never")
        target = rt.spawn(lambda: never.wait(timeout=1), name="target")
        rt.spawn(lambda: rt.interrupt(target), name="A")

    rt = execute(body)

    [footprint] = [f for _, op, f in rt.strategy.footprints if op == "task.interrupt"]
    assert ((rt.number_of(rt.tasks[0]) << 1) | WRITE,) == footprint
    assert rt.tasks[0].signal_pending


# --- what exists once --------------------------------------------------------------------------


def test_once_is_named_alike_whoever_asks_first():
    """Numbers of what exists once, and of what its askers make later, do not depend on chance."""
    names, seen = Names(), set()

    def body(rt):
        def ask(own):
            cell = rt.once("the one", lambda: Shared(0, "the one", rt=rt))
            mine = Shared(0, own, rt=rt)
            cell.add(1)
            numbers[own] = (rt.number_of(cell), rt.number_of(mine))

        rt.spawn(lambda: (rt.now(), ask("a")), name="a")
        rt.spawn(lambda: (rt.now(), ask("b")), name="b")

    for seed in range(8):
        numbers = {}
        Tasks(Fair(seed), names=names).run(body)
        assert {"a", "b"} == set(numbers)
        seen.add(tuple(sorted(numbers.items())))

    assert 1 == len(seen)


def test_service_is_one_task_whoever_asks_first():
    """Two tasks that need a helper at the same time get the same one, by the same name."""
    names, seen = Names(), set()

    def body(rt):
        def loop():
            rt.step(NEVER, gate)

        gate = Shared(0, "gate", rt=rt)
        for own in ("a", "b"):
            rt.spawn(lambda: (rt.now(), found.append(rt.service("helper", loop))), name=own)

    for seed in range(8):
        found = []
        runtime = Tasks(Fair(seed), names=names)
        runtime.run(body)
        assert found[0] is found[1]
        assert 1 == sum(task.name == "helper" for task in runtime.tasks)
        seen.add(found[0].number)

    assert 1 == len(seen)


def test_a_step_on_what_was_not_made_in_the_execution_is_an_error(carrier):
    """An object without a number has no footprint, so no step can be made on it."""
    runtime = Tasks(FirstEnabled(), carrier=carrier())

    with pytest.raises(DesignError) as raised:
        runtime.run(lambda rt: rt.spawn(lambda: rt.step(TICK, object()), name="A"))

    assert "test.tick on what was not made in this execution" == str(raised.value)


class Blind(FirstEnabled):
    """It looks at no frames, so tasks start one after the other without the hub."""

    reads_frames = False


@pytest.mark.parametrize("strategy", [FirstEnabled, Blind])
def test_tasks_of_the_body_start_in_order_of_creation(carrier, strategy):
    """Each runs to its first step before the next one starts, and no step is made before."""
    ran = []

    def body(rt):
        def task(name):
            ran.append(name)
            rt.step(TICK, rt.clock)
            ran.append("made")

        for name in "ABC":
            rt.spawn(functools.partial(task, name), name=name)

    Tasks(strategy(), carrier=carrier()).run(body)

    assert ["A", "B", "C", "made", "made", "made"] == ran
