"""Jobs that hang in the middle of their steps, and resets that stop them there."""

import random
import threading

import pytest

from dmabuf import Completion, Shared, Threads, Timeline, check_design
from dmabuf.machine import Machine
from dmabuf.report.verdict import Status
from dmabuf.rt.explored_task import Names
from tests.explore.oracle import differences, everything, reduced, redundant
from tests.explore.stateful import explored

PROGRAMS = 16
CAP = 300


def program(seed):
    """Two jobs of an engine, a task that resets it, and one that waits, with random steps."""
    rng = random.Random(seed)
    jobs = [rng.choices(["signal", "complete", "write", "wait"], k=rng.randint(1, 2)) for _ in "ab"]
    driver = rng.choices(["reset", "again", "read", "timed", "force"], k=rng.randint(1, 2))
    hangs, may_fail = rng.random() < 0.5, rng.random() < 0.3

    def design(machine):
        engine = machine.engine("gpu", reset_may_fail=may_fail)
        fence, done, cell = Timeline("t").fence(), Completion("done"), Shared(0, "cell")
        fence.publish()
        steps = {
            "signal": fence.check_and_signal,
            "complete": done.complete,
            "write": lambda: cell.write(1),
            "read": cell.read,
            "wait": lambda: done.wait(timeout=1.0),
            "timed": lambda: fence.wait(timeout=2.0),
            "force": fence.check_and_signal,
            "reset": engine.reset,
            "again": lambda: engine.run(fence.check_and_signal, "again", hangs=False),
        }
        for number, mine in enumerate(jobs):
            run = lambda mine=mine: [steps[word]() for word in mine]  # noqa: E731
            engine.run(run, f"job{number}", hangs=hangs)
        machine.kthread(lambda: [steps[word]() for word in ["reset", *driver]], "driver")

    return design


@pytest.mark.slow
def test_resets_give_the_same_with_every_engine():
    """Ends, findings and classes of random programs, against naive search."""
    compared = 0
    for seed in range(PROGRAMS):
        names, fn = Names(), program(seed)
        naive = everything(fn, cap=CAP, names=names)
        if naive.capped:
            continue
        compared += 1
        for engine in ("source-DPOR", "sleep sets"):
            ours = reduced(fn, names=names, engine=engine)
            assert [] == [*differences(naive, ours), *redundant(naive, ours)], (seed, engine)

    assert compared >= PROGRAMS // 2


def test_reset_stops_a_job_between_any_two_of_its_steps():
    """It has made none, one or all of them."""
    seen = set()

    def design(machine):
        engine, cell = machine.engine("gpu"), Shared(0, "cell")
        engine.run(lambda: [cell.write(n) for n in (1, 2)], "job", hangs=False)

        def driver():
            engine.reset()
            seen.add((cell.read(), cell.read()))

        machine.kthread(driver)

    check_design(design, "design")

    assert {(0, 0), (1, 1), (2, 2)} == seen


def test_job_that_was_reset_is_not_hung():
    """What it leaves undone is no excuse for a timer: here the second wait is for nobody."""

    def design(machine):
        engine, fence = machine.engine("gpu"), Timeline("gpu").fence()
        second = Completion("second job")
        fence.publish()

        def recover():
            if not fence.wait(timeout=1.0):
                engine.reset()
                if not machine.may_fail("resubmission is forgotten"):
                    engine.run(second.complete, "again", hangs=False)
                second.wait(timeout=1.0)
                fence.check_and_signal()

        engine.run(fence.check_and_signal, "job")
        machine.kthread(recover)

    verdict = check_design(design, "design")

    assert [] == [one.message for one in verdict.findings]


def test_innocent_job_left_to_a_timer_after_a_reset_is_found():
    """The hung job's timer is recovery; the other job, lost in the reset, has only a timer left."""

    def design(machine):
        engine = machine.engine("gpu")
        hung, beside = Timeline("render").fence(), Timeline("compute").fence()
        hung.publish()
        beside.publish()

        def watch(fence, seconds, then):
            if not fence.wait(timeout=seconds):
                then()
                fence.check_and_signal()

        engine.run(hung.check_and_signal, "render job")
        engine.run(beside.check_and_signal, "compute job", hangs=False)
        machine.kthread(lambda: watch(hung, 1.0, engine.reset), "render timeout")
        machine.kthread(lambda: watch(beside, 2.0, lambda: None), "compute timeout")

    verdict = check_design(design, "design")

    assert ["DF101"] == [one.code for one in verdict.findings]
    assert "fence compute:1, though no job hangs" in verdict.findings[0].message


def test_states_with_and_without_a_reset_differ():
    """A job that was stopped where it stood is another state than one that still stands there."""

    def design(machine):
        engine, cell = machine.engine("gpu"), Shared(0, "cell")
        engine.run(lambda: cell.write(1), "job", hangs=False)
        machine.kthread(engine.reset, "driver")

    _search, graph = explored(design)

    assert 4 == len(graph.states)


def test_job_on_a_wedged_engine_never_begins():
    """Whoever submits to it is told nothing."""

    def design(machine):
        engine, fence = machine.engine("gpu", reset_may_fail=True), Timeline("gpu").fence()

        def driver():
            if not engine.reset():
                engine.run(fence.signal, "job", hangs=False)
                fence.publish()

        machine.kthread(driver)

    assert Status.VIOLATED is check_design(design, "design").status


def test_live_reset_ends_the_thread_of_a_waiting_job():
    """It unwinds in the step that it waits in."""
    threads = Threads()
    machine = Machine(threads)
    engine = machine.engine("gpu")
    never = Completion("never", rt=threads)
    job = engine.run(never.wait, "job")

    worked = engine.reset()
    job.carrier.join(10.0)

    assert (True, False) == (worked, job.carrier.is_alive())
    assert threading.current_thread().is_alive()
