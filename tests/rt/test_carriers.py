"""What carries tasks: both carriers give the same executions."""

import contextvars
import gc
import sys
import threading
import time
import weakref

import pytest

from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import design
from dmabuf.rt.ambient import ambient
from dmabuf.rt.carriers import Baton, Greenlets, best_carrier, has_greenlet
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue
from tests.support import Fair, needs_python_engines, op_of_test

COIN = op_of_test("coin")
PATIENCE_S = 8.0
needs_greenlet = pytest.mark.skipif(not has_greenlet(), reason="greenlet is not installed here")


def everything(rt):
    """A design that uses all there is, ends in many ways, and never blocks for ever."""
    lock, spin, done = Mutex("A"), SpinLock("S"), Completion("done")
    queue, flag = WaitQueue("q"), Shared(0, "flag")
    line = Timeline("gpu")
    fences = [line.fence() for _ in range(3)]
    work = IrqWork(fences[2].signal, "work")

    def submit():
        with lock:
            flag.add(1)
            queue.wake_up()
        if rt.choose(COIN, 2):
            fences[0].add_callback(lambda _f: done.complete())
        rt.spawn(lambda: signal(1), name="child")
        wait_any(fences, 5)

    def signal(which):
        with spin.irqsave():
            flag.add(1)
        fences[which].signal()
        work.queue()

    def waiter():
        queue.wait_event(lambda: flag.read() > 1, timeout=3)
        done.wait(timeout=2)
        fences[2].wait(timeout=1)

    target = rt.spawn(waiter, name="waiter")
    rt.spawn(submit, name="submit")
    rt.spawn(lambda: signal(0), name="signal")
    rt.spawn(lambda: rt.interrupt(target), name="interrupter")


def outcome(carrier, seed):
    """All that can be seen of one execution."""
    strategy = Fair(seed)
    rt = Tasks(strategy, carrier=carrier())
    end = rt.run(everything)
    numbers = [(task.name, task.number, task.finished) for task in rt.tasks]
    return end, strategy.made, strategy.stuck, numbers, rt.clock.now(), len(rt.objects)


@needs_greenlet
def test_greenlets_of_ended_tasks_carry_those_of_the_next_execution():
    """No greenlet is made where one waits for a task."""
    carrier = Greenlets()
    carried = []

    for _ in range(2):
        rt = Tasks(Fair(), carrier=carrier)
        rt.run(everything)
        carried.append({id(task.carrier) for task in rt.tasks})

    assert carried[0] == carried[1]


@needs_greenlet
def test_what_a_task_sets_in_its_context_ends_with_it():
    """A context variable of one task is not seen by the next one that its greenlet carries."""
    colour = contextvars.ContextVar("colour", default="none")
    carrier, seen = Greenlets(), []

    def main():
        seen.append(colour.get())
        colour.set("red")

    for _ in range(2):
        Tasks(Fair(), carrier=carrier).run(lambda rt: rt.spawn(main, name="A"))

    assert ["none", "none"] == seen


@needs_greenlet
@pytest.mark.parametrize("seed", [None, *range(1, 21)])
def test_carriers_give_the_same_executions(seed):
    """The same steps in the same order, the same end, numbers and time."""
    assert outcome(Greenlets, seed) == outcome(Baton, seed)


@needs_greenlet
def test_carriers_of_different_schedules_differ():
    """The comparison above is of something: seeds lead to different executions."""
    assert 10 < len({tuple(outcome(Greenlets, seed)[1]) for seed in range(1, 21)})


def test_baton_has_exactly_one_task_running():
    """However many threads there are, never two of them go on at the same time."""
    running, worst = [], []

    def body(rt):
        cell = Shared(0, "cell")

        def main(name):
            for _ in range(20):
                cell.add(1)
                running.append(name)
                worst.append(len(running))
                running.remove(name)

        for name in "ABC":
            rt.spawn(lambda n=name: main(n), name=name)

    Tasks(Fair(1), carrier=Baton()).run(body)

    assert [1] * 60 == worst


def test_baton_threads_end_with_the_run():
    """Of the tasks that ended or were unwound no thread is left."""
    before = set(threading.enumerate())

    def body(rt):
        never = Completion("never")
        for number in range(4):
            rt.spawn(never.wait, name=str(number))
        rt.spawn(lambda: None, name="ends")

    Tasks(Fair(), carrier=Baton()).run(body)

    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
    assert set() == set(threading.enumerate()) - before


@needs_greenlet
def test_greenlets_start_no_thread():
    """All tasks run on the thread that runs the execution."""
    threads = set()

    def body(rt):
        for number in range(4):
            rt.spawn(lambda: threads.add(threading.get_ident()), name=str(number))

    Tasks(Fair(), carrier=Greenlets()).run(body)

    assert {threading.get_ident()} == threads


@pytest.mark.parametrize("carrier", [pytest.param(Greenlets, marks=needs_greenlet), Baton])
def test_carriers_run_many_executions_in_a_row(carrier):
    """Nothing of one is left for the next, whatever its end."""
    ambients = set()
    started = time.monotonic()

    def body(rt):
        lock = Mutex("A")
        for number in range(3):
            rt.spawn(lambda: (ambients.add(ambient() is rt), lock.lock()), name=str(number))

    for _ in range(30):
        Tasks(Fair(), carrier=carrier()).run(body)

    assert {True} == ambients
    assert not ambient().explored
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize("carrier", [pytest.param(Greenlets, marks=needs_greenlet), Baton])
def test_carriers_run_executions_of_several_threads_at_once(carrier):
    """Two threads each with an execution of their own do not meet."""
    ends = []

    def explore():
        ends.extend(outcome(carrier, seed)[:3] == expected[seed] for seed in range(1, 6))

    expected = {seed: outcome(carrier, seed)[:3] for seed in range(1, 6)}
    threads = [threading.Thread(target=explore) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert [True] * 10 == ends


@needs_python_engines  # compiled code imports a module once
def test_best_carrier_is_greenlets_where_they_are(monkeypatch):
    """And the baton where the package is missing."""
    expected = "greenlet" if has_greenlet() else "threads"
    assert expected == best_carrier().name

    monkeypatch.setitem(sys.modules, "greenlet", None)
    assert not has_greenlet()
    assert "threads" == best_carrier().name


@pytest.mark.parametrize("carrier", ["greenlet", "threads"])
def test_executions_leave_nothing_behind(carrier):
    """Tasks of a search go with it, whether they ended or were blocked for ever."""
    seen = []

    @design
    def inversion(machine):
        a, b = Mutex("A"), Mutex("B")
        machine.kthread(lambda: take(a, b), "one")
        machine.kthread(lambda: take(b, a), "two")
        seen.append(weakref.ref(a))

    def take(first, second):
        with first, second:
            pass

    Search(inversion, Budget(executions=50), carrier=carrier).run()
    gc.collect()

    assert seen
    assert [] == [ref() for ref in seen if ref() is not None]
