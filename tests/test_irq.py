"""Interrupt lines: threads of their own, masking, disabling, and who waits for whom then."""

import random

import pytest

from dmabuf import (
    Completion,
    Machine,
    Mutex,
    Shared,
    Status,
    Timeline,
    check_design,
    design,
    irq,
)
from dmabuf.errors import DmabufError
from dmabuf.machine import IrqReturn
from dmabuf.rt.api import READ
from tests.explore.oracle import everything, reduced

WAKE = IrqReturn.WAKE_THREAD


def codes(fn):
    """The leading rules of all findings of a design."""
    return {finding.code for finding in check_design(fn, "design").findings}


@pytest.mark.parametrize("answer", [None, IrqReturn.NONE, IrqReturn.HANDLED, WAKE])
def test_irq_thread_runs_if_the_handler_says_so(rt, answer):
    """Only for WAKE_THREAD; the handler itself runs for each interrupt."""

    def main():
        ran = []
        machine = Machine(rt.runtime)
        line = machine.irq(
            lambda: ran.append("hard") or answer, "line", thread_fn=lambda: ran.append("thread")
        )
        line.raise_irq()
        rt.settle()
        line.raise_irq()
        rt.settle()
        return ran

    expected = ["hard", "thread"] if answer is WAKE else ["hard"]
    assert expected * 2 == rt.run(main)


def test_irq_thread_may_sleep_and_the_handler_may_not(rt):
    """The thread is a kernel thread; the handler is in irq context."""

    def main():
        seen, done = [], Completion("done")
        machine = Machine(rt.runtime)
        line = machine.irq(
            lambda: seen.append(rt.current().in_irq) or WAKE,
            "line",
            thread_fn=lambda: (
                seen.append(rt.current().is_atomic),
                done.wait(),
                seen.append("end"),
            ),
        )
        line.raise_irq()
        rt.settle()
        before = list(seen)
        done.complete()
        rt.settle()
        return before, seen[2:]

    assert ([True, False], ["end"]) == rt.run(main)


@pytest.mark.parametrize("oneshot", [False, True])
def test_irq_oneshot_masks_the_line_until_the_thread_is_done(rt, oneshot):
    """What is raised meanwhile is handled afterwards; without it, at once."""

    def main():
        ran, go = [], Completion("go")
        machine = Machine(rt.runtime)
        line = machine.irq(
            lambda: ran.append("hard") or WAKE,
            "line",
            thread_fn=lambda: (go.wait(), ran.append("thread")),
            oneshot=oneshot,
        )
        line.raise_irq()
        rt.settle()
        line.raise_irq()
        rt.settle()
        before = list(ran)
        go.complete_all()
        rt.settle()
        return before, sorted(ran)

    before, after = rt.run(main)

    assert (["hard"] if oneshot else ["hard", "hard"]) == before
    assert ["hard", "hard", "thread", "thread"] == after


def test_irq_without_a_handler_wakes_the_thread(rt):
    """It needs oneshot, as the kernel's default handler does; otherwise it is refused."""

    def main():
        ran = []
        machine = Machine(rt.runtime)
        for how in ({}, {"thread_fn": print}, {"oneshot": True}):
            with pytest.raises(DmabufError, match="needs a thread_fn and oneshot"):
                machine.irq(None, "line", **how)
        line = machine.irq(None, "line", thread_fn=lambda: ran.append(1), oneshot=True)
        line.raise_irq()
        rt.settle()
        return ran

    assert [1] == rt.run(main)


def test_irq_disabled_line_keeps_what_is_raised(rt):
    """Disabling nests; the last enable lets the handler start."""

    def main():
        ran = []
        line = Machine(rt.runtime).irq(lambda: ran.append(1), "line")
        line.disable()
        line.disable_nosync()
        line.raise_irq()
        line.enable()
        rt.settle()
        before = list(ran)
        line.enable()
        rt.settle()
        return before, ran

    assert ([], [1]) == rt.run(main)


def test_irq_enabled_once_too_often_warns(rt):
    """The kernel warns of unbalanced enables."""

    def main():
        Machine(rt.runtime).irq(lambda: None, "line").enable()

    assert [("DF004", "main enables irq line, which is enabled")] == rt.reports(main)


def test_irq_freed_line_is_not_handled_any_more(rt):
    """Freeing waits for what runs; what is raised later is lost."""

    def main():
        ran = []
        line = Machine(rt.runtime).irq(lambda: ran.append(1), "line")
        line.raise_irq()
        rt.settle()
        line.free()
        line.raise_irq()
        rt.settle()
        return ran

    assert [1] == rt.run(main)


def test_irq_freed_twice_warns(rt):
    """There is nothing left to free."""

    def main():
        line = Machine(rt.runtime).irq(lambda: None, "line")
        line.free()
        line.free()

    assert [("DF004", "main frees irq line, which is free")] == rt.reports(main)


def test_irq_whoever_enables_the_line_is_on_the_way_to_its_signals():
    """A lock held across the wait for the handler's fence, and taken before the enable."""

    @design
    def resets(machine):
        lock, fence = Mutex("state"), Timeline("ring").fence()

        def wait():
            with lock:
                fence.wait()

        def reset():
            line.disable()
            with lock:
                line.enable()

        line = machine.irq(fence.check_and_signal, "line")
        machine.hardware(line.raise_irq, "device", hangs=False)
        machine.kthread(wait, "waiter")
        machine.kthread(reset, "reset")

    finding = check_design(resets, "resets").findings[0]

    assert "DF202" == finding.code
    assert "reset needs state on the way to that signal" in finding.message


def test_irq_classic_driver_is_proved():
    """The handler acknowledges, the thread signals, and the waiter shares no lock with it."""

    @design
    def driver(machine):
        lock, fence = Mutex("state"), Timeline("ring").fence()

        def thread():
            with lock:
                fence.signal()

        line = machine.irq(lambda: WAKE, "line", thread_fn=thread, oneshot=True)
        machine.hardware(line.raise_irq, "device", hangs=False)
        machine.kthread(fence.wait, "waiter")

    assert Status.PROVED is check_design(driver, "driver").status


def test_irq_synchronize_waits_for_handler_and_thread():
    """Afterwards nothing of the line runs: whatever they use may go."""

    @design
    def driver(machine):
        used, gone = Shared(0, "used"), Shared(0, "gone")

        def thread():
            assert not gone.read()
            used.add(1)
            assert not gone.read()

        def remove():
            line.disable()
            gone.write(1)

        line = machine.irq(lambda: WAKE, "line", thread_fn=thread)
        machine.hardware(line.raise_irq, "device", hangs=False)
        machine.kthread(remove, "remove")

    assert Status.PROVED is check_design(driver, "driver").status


def test_irq_nosync_does_not_wait():
    """The same without the wait is found to use what is gone."""

    @design
    def driver(machine):
        gone = Shared(0, "gone")

        def thread():
            gone.read()
            assert not gone.read()

        def remove():
            line.disable_nosync()
            gone.write(1)

        line = machine.irq(lambda: WAKE, "line", thread_fn=thread)
        machine.hardware(line.raise_irq, "device", hangs=False)
        machine.kthread(remove, "remove")

    assert {"DF005"} == codes(driver)


@pytest.mark.parametrize("where", ["thread", "handler"])
def test_irq_that_disables_itself_is_a_deadlock(where):
    """It waits for its own end; in the handler it may not even sleep."""

    @design
    def driver(machine):
        def stop():
            line.disable()
            return IrqReturn.HANDLED

        if where == "thread":
            line = machine.irq(lambda: WAKE, "line", thread_fn=stop)
        else:
            line = machine.irq(stop, "line")
        machine.hardware(line.raise_irq, "device", hangs=False)

    assert {"DF001" if where == "thread" else "DF003"} == codes(driver)


def test_irq_synchronize_under_a_lock_of_the_thread_is_a_deadlock():
    """The wait graph names the thread, which only one task can let go on."""

    @design
    def driver(machine):
        lock = Mutex("state")

        def thread():
            with lock:
                pass

        def remove():
            with lock:
                line.synchronize()

        line = machine.irq(lambda: WAKE, "line", thread_fn=thread)
        machine.hardware(line.raise_irq, "device", hangs=False)
        machine.kthread(remove, "remove")

    finding = check_design(driver, "driver").findings[0]
    waits = {wait.task: wait for wait in finding.waits}

    assert "DF001" == finding.code
    assert (("irq/line",), True) == (waits["remove"].wakers, waits["remove"].definite)
    assert ("remove",) == waits["irq/line"].wakers


def _program(seed):
    """A random design over one line."""

    def body(machine):
        rng = random.Random(seed)
        cell = Shared(0, "cell")
        threaded, oneshot, wakes = rng.random() < 0.7, rng.random() < 0.5, rng.random() < 0.8
        line = machine.irq(
            lambda: (cell.add(1), WAKE if wakes else None)[1],
            "line",
            thread_fn=(lambda: cell.add(10)) if threaded else None,
            oneshot=oneshot,
        )
        acts = {
            "raise": line.raise_irq,
            "nosync": line.disable_nosync,
            "disable": line.disable,
            "enable": line.enable,
            "sync": line.synchronize,
            "read": lambda: seen.append(cell.read()),
        }
        seen = []
        machine.rt.extras["world"] = World(seen, cell)
        for number in range(2):
            chosen = [acts[rng.choice(sorted(acts))] for _ in range(rng.choice((1, 1, 2)))]
            machine.kthread(lambda chosen=chosen: [act() for act in chosen], f"t{number}")

    return body


class World:
    """What an execution came to."""

    def __init__(self, seen, cell):
        self.seen, self.cell = seen, cell

    def observed(self):
        """What was read, in order."""
        return tuple(self.seen)

    def final(self, rt):
        """What is left, and who waits."""
        return self.cell._value, tuple((t.name, t.op.name) for t in rt.tasks if t.op is not None)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 60, 20))
def test_irq_search_equals_naive_search(start):
    """On random programs over one line: the same outcomes and findings."""
    compared = 0
    for seed in range(start, start + 20):
        naive = everything(_program(seed), cap=1500)
        if not naive.capped:
            ours = reduced(_program(seed))
            assert naive.outcomes == ours.outcomes
            assert set(naive.found) == set(ours.found)
            compared += 1

    assert compared >= 12


@pytest.mark.parametrize(
    ("op", "attribute", "value", "seed"),
    [
        (irq.DISABLE, "touches", lambda _obj, _task: (), 1),
        (irq.ENABLE, "access", READ, 82),
    ],
    ids=["disable sees nothing", "enable reads"],
)
def test_irq_comparison_notices_a_mistake(op, attribute, value, seed, monkeypatch):
    """A weakened footprint is noticed by a known program."""
    monkeypatch.setattr(op, attribute, value)

    naive, ours = everything(_program(seed), cap=1500), reduced(_program(seed))

    assert not naive.capped
    assert (naive.outcomes, set(naive.found)) != (ours.outcomes, set(ours.found))
