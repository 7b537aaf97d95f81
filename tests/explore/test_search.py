"""The search's own promises: how many executions, what a limit means, what ends in what status."""

from pathlib import Path
from types import FunctionType

import pytest

import dmabuf
from dmabuf import Completion, Mutex, Shared, Status, Timeline, WaitQueue, check_design, design
from dmabuf.errors import InternalError
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.tasks import MAX_TASKS
from dmabuf.sync.mutex import UNLOCK
from tests.explore.designs import philosophers, two_orders


def independent_tasks(count, steps):
    """Tasks that never meet."""

    @design
    def fn(machine):
        for number in range(count):
            cell = Shared(0, f"cell {number}")
            machine.kthread(lambda cell=cell: [cell.add(1) for _ in range(steps)], f"t{number}")

    return fn


def writers(count):
    """Tasks that each write the same cell once: every order is a class of its own."""

    @design
    def fn(machine):
        cell = Shared(0, "cell")
        for number in range(count):
            machine.kthread(lambda number=number: cell.write(number), f"t{number}")

    return fn


def readers_and_a_writer(readers):
    """One writer: each reader is before or after it."""

    @design
    def fn(machine):
        cell = Shared(0, "cell")
        machine.kthread(lambda: cell.write(1), "writer")
        for number in range(readers):
            machine.kthread(cell.read, f"r{number}")

    return fn


@design
def polls(machine):
    """Looks again and again for what comes only if the other gets its turn."""
    cell = Shared(0, "cell")

    def poll():
        while not cell.read():
            pass

    machine.kthread(poll, "poller")
    machine.kthread(lambda: cell.write(1), "writer")


@design
def broken_beside_a_loop(machine):
    """One pair waits for each other, a third task never comes to rest."""
    cell = Shared(0, "cell")

    def for_ever():
        while not cell.read():
            pass

    two_orders(machine)
    machine.kthread(for_ever, "loop", idle=True)


@pytest.mark.parametrize(
    ("fn", "classes"),
    [
        (independent_tasks(4, 5), 1),
        (writers(4), 24),
        (readers_and_a_writer(5), 32),
        (philosophers(3, in_order=True), 6),
        (philosophers(4, in_order=True), 14),
    ],
    ids=["independent", "writers", "readers", "guests 3", "guests 4"],
)
def test_search_completes_one_execution_a_class(fn, classes):
    """The number of completed executions is the number of Mazurkiewicz classes, known by theory.

    Of n philosophers' orders at each fork, 2 to the n, those that form a cycle cannot happen.
    """
    search = Search(fn, Budget(seconds=None)).run()

    assert "" == search.limit
    assert classes == search.executions


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        (Budget(seconds=None, executions=5), "5 executions"),
        (Budget(seconds=0.0), "0 s"),
    ],
)
def test_search_out_of_budget_is_inconclusive(budget, limit):
    """A budget that ends before the schedules do is named, and is no pass."""
    verdict = check_design(writers(5), "writers", budget=budget)

    assert (Status.INCONCLUSIVE, limit) == (verdict.status, verdict.limit)
    assert verdict.executions < 120


def test_search_cut_at_the_steps_limit_is_bounded():
    """Where only the length of executions was limited, that is what the status says."""
    budget = Budget(seconds=None, steps_per_execution=12)

    verdict = check_design(polls, "polls", budget=budget, engine="sleep sets")

    assert Status.BOUNDED is verdict.status
    assert "12 steps in one execution" == verdict.limit
    assert verdict.cut


def test_search_finds_a_deadlock_beside_an_endless_loop():
    """Tasks that lock each other out are found although nothing ever comes to rest."""
    budget = Budget(seconds=5, executions=50, steps_per_execution=60)

    verdict = check_design(broken_beside_a_loop, "loop", budget=budget)

    assert Status.VIOLATED is verdict.status
    assert "DF001" == verdict.findings[0].code
    assert {"one", "other"} == {wait.task for wait in verdict.findings[0].waits}


def test_search_refuses_to_spawn_without_end():
    """More tasks than the limit is a finding about the design, not a crash."""

    @design
    def spawns(machine):
        for _ in range(MAX_TASKS + 1):
            machine.kthread(lambda: None)

    verdict = check_design(spawns, "spawns")

    assert Status.VIOLATED is verdict.status
    assert f"more than {MAX_TASKS} tasks" in verdict.findings[0].message


@pytest.mark.parametrize(
    "inject",
    [
        {"budget": Budget(seconds=None, executions=1)},
        {"budget": Budget(seconds=None, steps_per_execution=1)},
        {"budget": Budget(seconds=0.0)},
    ],
    ids=["one execution", "one step", "no time"],
)
def test_search_never_proves_what_it_did_not_finish(inject):
    """Whichever limit is met first, a broken design is never called proved."""

    @design
    def late(machine):
        queue, flag, fence = WaitQueue("queue"), Shared(0, "flag"), Timeline("gpu").fence()

        def waiter():
            queue.prepare_to_wait()
            if not flag.read():
                queue.schedule()
            queue.finish_wait()
            fence.signal()

        machine.kthread(waiter, "waiter")
        machine.kthread(lambda: flag.write(1), "forgets to wake")

    assert Status.VIOLATED is check_design(late, "late").status
    assert Status.PROVED is not check_design(late, "late", **inject).status


def test_search_stops_at_a_bug_of_ours(monkeypatch):
    """An assertion of this package that fails in a task is no finding about the design."""

    def body(machine):
        mutex = Mutex("A")
        machine.kthread(lambda: (mutex.lock(), mutex.unlock()), "t")

    def wrong(_mutex, _task):
        assert 1 == 2, "broken on purpose"

    monkeypatch.setattr(UNLOCK, "action", _from_our_file(wrong))

    with pytest.raises(InternalError, match="in t: broken on purpose"):
        check_design(body, "subject")


def test_search_takes_a_design_s_assertion_for_its_own():
    """A design may assert; that it fails is a finding."""

    def body(machine):
        machine.kthread(lambda: wrong(), "t")

    def wrong():
        assert 1 == 2, "not so"

    assert ["DF005"] == [one.code for one in check_design(body, "subject").findings]


def _from_our_file(fn):
    """The function, as if it stood in a module of the package."""
    code = fn.__code__.replace(co_filename=str(Path(dmabuf.__file__).parent / "sync" / "mutex.py"))
    return FunctionType(code, fn.__globals__)


def test_search_tells_how_it_gets_on():
    """Progress comes while it runs, with growing counts."""
    told = []

    @design
    def many(machine):
        done = Completion("done")
        cell = Shared(0, "cell")
        for number in range(5):
            machine.kthread(lambda n=number: (cell.write(n), done.complete()), f"t{number}")

    check_design(many, "many", budget=Budget(seconds=0.6), progress=told.append)

    assert told
    assert sorted(one.executions for one in told) == [one.executions for one in told]
    assert all(one.seconds <= 10 for one in told)


def test_complete_execution_is_seen_with_its_tasks_where_they_stand():
    """Whoever compares ends of executions sees who is blocked in what."""
    seen = []

    def body(machine):
        fence = Timeline("gpu").fence()
        machine.kthread(fence.wait, "waits")

    def complete(rt, _strategy):
        seen.append([(task.name, task.op.name) for task in rt.tasks if task.op is not None])

    Search(body, on_complete=complete).run()

    assert [[("waits", "fence.wait")]] == seen
