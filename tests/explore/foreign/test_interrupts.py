"""Ctrl-C while a design is explored in this process."""

import signal

import pytest

from dmabuf import Shared, Status, check_design
from dmabuf.explore.foreign.interrupts import interruptible
from dmabuf.explore.search import Budget


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    """Also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupts(times):
    """A design in one of whose tasks Ctrl-C is pressed so often."""
    left = [times]

    def design(machine):
        cell = Shared(0, "cell")

        def presses():
            cell.add(1)
            while left[0]:
                left[0] -= 1
                signal.raise_signal(signal.SIGINT)
            cell.add(1)

        machine.kthread(presses, "A")
        for name in "BCD":
            machine.kthread(lambda: (cell.add(1), cell.add(1)), name)

    return design


BUDGET = Budget(seconds=None, executions=100_000)


def test_interrupt_in_a_task_ends_the_search_undecided():
    """It is no finding about the design; what is known by then is said."""
    verdict = check_design(interrupts(1), "design", budget=BUDGET)

    assert (Status.INCONCLUSIVE, "interrupted") == (verdict.status, verdict.limit)
    assert () == verdict.findings
    assert verdict.executions


def test_second_interrupt_leaves_the_search():
    """Who does not want to wait gets KeyboardInterrupt, which no task can catch."""
    with pytest.raises(KeyboardInterrupt):
        check_design(interrupts(2), "design", budget=BUDGET)

    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)


def test_interrupts_that_somebody_hears_are_left_alone():
    """A caller that says when to stop, or has a handler, is not deprived of its signal."""

    def handler(*_how):
        raise AssertionError

    with interruptible(lambda: True) as stop:
        assert stop()
        assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with interruptible(None) as stop:
            assert handler is signal.getsignal(signal.SIGINT)
            assert not stop()
    finally:
        signal.signal(signal.SIGINT, before)
