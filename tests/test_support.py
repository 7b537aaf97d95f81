"""The ground itself: what it promises to the tests that stand on it."""

import contextlib

import pytest

from dmabuf.errors import ContractViolation
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from tests import support


def test_ground_runs_the_main_task_with_its_runtime_ambient(rt):
    """Objects made inside `run` belong to the ground's runtime, and the result comes back."""
    assert rt.run(lambda: Mutex("A").rt is rt.runtime) is True


def test_ground_passes_on_what_another_task_raises(rt):
    """An exception of any task comes out of `run`."""

    def main():
        rt.spawn(lambda: [].pop())
        rt.settle()

    with pytest.raises(IndexError):
        rt.run(main)


def test_ground_refuses_a_task_that_is_left_blocked(rt):
    """A task that waits for ever fails the test, and the message says where it waits."""

    def main():
        rt.spawn(Completion("never").wait, name="sleeper")

    with pytest.raises(AssertionError, match=r"blocked for ever: .*sleeper.*completion\.wait"):
        rt.run(main)


def test_ground_refuses_a_main_task_that_is_left_blocked(rt, monkeypatch):
    """A main task that waits for ever fails the test instead of hanging it."""
    monkeypatch.setattr(support, "PATIENCE_S", 0.05)

    with pytest.raises(AssertionError, match=r"blocked for ever: .*main.*completion\.wait"):
        rt.run(lambda: Completion("never").wait())


def test_ground_settles_when_the_others_are_blocked_or_have_ended(rt):
    """After `settle` each other task has done what it can do, and `waiting` says who is blocked."""

    def main():
        seen, gate = Shared(0, "seen"), Completion("gate")

        def other():
            seen.add(1)
            gate.wait()
            seen.add(1)

        rt.spawn(other, name="B")
        rt.spawn(lambda: seen.add(1), name="C")
        rt.settle()
        before = (seen.read(), rt.waiting())
        gate.complete()
        rt.settle()
        return before, (seen.read(), rt.waiting())

    assert ((2, {"B": "completion.wait"}), (3, {})) == rt.run(main)


def test_ground_takes_no_timeout_while_somebody_can_go_on(explored):
    """In virtual time a deadline passes only when nobody can do anything else."""

    def main():
        never, steps = Completion("never"), Shared(0, "steps")
        rt = explored
        rt.spawn(lambda: [steps.add(1) for _ in range(50)])
        assert never.wait(timeout=1) is False
        return steps.read()

    assert 50 == explored.run(main)


def test_ground_run_refuses_a_report(rt):
    """A broken rule fails a test that did not ask for reports, even if a task swallows it."""

    def main():
        with contextlib.suppress(ContractViolation):
            Mutex("A").unlock()

    with pytest.raises(ContractViolation, match="DF004"):
        rt.run(main)
    assert ["DF004"] == [code for code, _ in rt.reports(main)]


def test_fair_strategy_lets_everybody_take_turns(explored):
    """In turn, no task makes a second step before every other that can has made one."""
    if explored.seed is not None:
        pytest.skip("at random there are no turns")

    def main():
        gate = Completion("gate")

        def other(cell):
            gate.wait()
            for _ in range(4):
                cell.add(1)

        for name in "ABC":
            cell = Shared(0, name)
            explored.spawn(lambda cell=cell: other(cell), name=name)
        gate.complete_all()

    explored.run(main)

    turns = [task for task, op in explored.runtime.strategy.made if op == "shared.add"]
    assert 12 == len(turns)
    assert [3] * 10 == [len(set(turns[i : i + 3])) for i in range(10)]
