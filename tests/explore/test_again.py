"""What takes CPUs away comes up in the middle of an execution: the search begins again."""

from __future__ import annotations

from typing import Any

import pytest

from dmabuf import Mutex, Shared, SpinLock, design
from dmabuf.explore import check as checking
from dmabuf.explore import portfolio
from dmabuf.explore.again import StartAgain
from dmabuf.explore.check import check_design, replay_design
from dmabuf.explore.jobs.parallel import Crew, Given, InProcess
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.predictions.confirm import Outcome, predicted
from dmabuf.explore.search import Budget, Search
from dmabuf.report.verdict import Status
from dmabuf.rt.cpus import INTERRUPTS, SOFTIRQS
from dmabuf.sync.rcu import call_rcu
from dmabuf.sync.softirq import local_bh_disable
from dmabuf.sync.tasklet import Tasklet
from dmabuf.sync.timer import Timer
from tests.explore.comparison import ends_of
from tests.explore.meetings import Meetings

LATE = {
    "rcu": lambda work: call_rcu(work),
    "tasklet": lambda work: Tasklet(work, "late").schedule(),
    "timer": lambda work: Timer(work, "late").mod(1),
}


def callback_takes_a_lock(late, holder_first=True):
    """A callback, which the holder of its lock may be interrupted by, queued after a step."""

    def program(machine):
        lock, cell, own = SpinLock("lock"), Shared(0, "cell"), Shared(0, "own")

        def work():
            with lock:
                cell.add(1)

        def updater():
            own.write(1)
            LATE[late](work)

        def holder():
            with lock:
                cell.add(2)

        tasks = [holder, updater] if holder_first else [updater, holder]
        for task in tasks:
            machine.kthread(task)

    return program


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("holder_first", [True, False])
def test_nothing_is_lost_where_the_first_softirq_comes_late(late, holder_first):
    """Both engines come to the ends and the deadlocks of naive search."""
    program = callback_takes_a_lock(late, holder_first)

    naive, *found = [
        ends_of(program, lambda: None, executions=20_000, sleep=engine != "", engine=engine)
        for engine in ("", DPOR, SLEEP)
    ]

    assert len(naive[2]) == 2
    assert [one[1:] for one in found] == [naive[1:]] * 2


@pytest.mark.parametrize("late", LATE)
def test_no_footprint_changes_its_meaning_in_the_middle(late):
    """Steps made before the softirq came up are told as those after it."""
    met = Meetings()

    met.add([(late, _Program(callback_takes_a_lock(late)))], states=1000)

    assert met.wrong == {}
    assert met.opaque == []


class _Program:
    """For `squares`."""

    world = None

    def __init__(self, body: Any) -> None:
        self.design = body


def test_the_search_knows_from_its_next_start():
    """`run` begins again by itself; who goes on step by step is told."""
    search = Search(callback_takes_a_lock("rcu"), Budget(seconds=None))

    search.run()

    assert search.names.early == {SOFTIRQS}
    assert search.exhausted
    with pytest.raises(StartAgain) as error:
        Search(callback_takes_a_lock("rcu"), Budget(seconds=None)).explore(Budget(seconds=None))
    assert error.value.learnt == {SOFTIRQS}


@design
def an_irq_line_comes_late(machine):
    """A task requests the line whose handler takes a lock that another holds."""
    lock, own = SpinLock("lock"), Shared(0, "own")

    def handler():
        with lock:
            pass

    def driver():
        own.write(1)
        machine.irq(handler, "late").raise_irq()

    def holder():
        with lock:
            own.write(2)

    machine.kthread(holder)
    machine.kthread(driver)


def test_an_irq_line_may_come_late():
    """The same for interrupts."""
    search = Search(an_irq_line_comes_late, Budget(seconds=None)).run()

    assert search.names.early == {INTERRUPTS}
    assert check_design(an_irq_line_comes_late, "late").status is Status.VIOLATED


def seldom(*, fails):
    """Only where `other` comes last is there a softirq, so that is learnt late in the search."""

    @design
    def program(machine):
        lock, order = SpinLock("lock"), Shared((), "order")

        def careful():
            with lock, local_bh_disable():
                order.write((*order.read(), "careful"))
            assert not fails or order.read() != ("other", "careful")

        def other():
            order.write((*order.read(), "other"))
            if order.read() == ("careful", "other"):
                call_rcu(lambda: None)

        machine.kthread(other)
        machine.kthread(careful)

    return program


@pytest.mark.parametrize("engine", [DPOR, SLEEP])
def test_a_token_is_replayed_by_who_has_learnt_less(monkeypatch, engine):
    """A short search before a replay need not have learnt what the long one had."""
    fn = seldom(fails=True)
    found = check_design(fn, "seldom", engine=engine)
    assert found.status is Status.VIOLATED
    monkeypatch.setattr(checking, "_LEARN", Budget(executions=1))

    again = replay_design(fn, "seldom", found.findings[0].token)

    assert [one.code for one in again.findings] == ["DF005"]


@pytest.mark.parametrize("engine", [DPOR, SLEEP])
def test_workers_tell_what_they_have_learnt(monkeypatch, engine):
    """Whoever collects begins again, and comes to the answer of one search."""
    monkeypatch.setattr(portfolio, "FIRST_EXECUTIONS", 1)
    fn = seldom(fails=False)
    crew = Crew(InProcess, Given(fn))

    alone, divided = (
        check_design(fn, "seldom", budget=Budget(seconds=None), engine=engine, crew=one)
        for one in (None, crew)
    )

    assert (alone.status, alone.executions) == (divided.status, divided.executions)
    assert divided.status is Status.PROVED
    assert divided.notes == ()


def test_a_prediction_is_walked_to_by_who_learns_late():
    """Walks that are directed at what has to meet begin again as well."""

    @design
    def inverted(machine):
        one, other, spin, own = Mutex("one"), Mutex("other"), SpinLock("spin"), Shared(0, "own")

        def first():
            own.write(1)
            call_rcu(lambda: None)
            with one, other:
                pass

        def second():
            with other, one, spin:
                pass

        machine.kthread(first)
        machine.kthread(second)

    judged = predicted(inverted, "inverted")

    assert {one.outcome for one in judged} == {Outcome.CONFIRMED}
