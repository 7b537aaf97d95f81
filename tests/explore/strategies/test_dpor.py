"""Source-DPOR: as many executions as there are classes, and who stops where is judged."""

import itertools
from contextlib import suppress

import pytest

from dmabuf import Completion, Mutex, Shared, SpinLock, Timeline, design, wait_any
from dmabuf.errors import Interrupted
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.search import Budget, Search
from tests.explore.designs import philosophers
from tests.explore.fuzz import compare
from tests.explore.rule_mutants import RULE_MUTANTS
from tests.explore.small_scope import GROUPS, programs
from tests.support import needs_python_engines


def searched(fn, engine=DPOR):
    """The search, to its end."""
    search = Search(fn, Budget(seconds=None), engine=engine).run()
    assert "" == search.limit
    return search


@pytest.mark.slow
@pytest.mark.parametrize("count", range(2, 9))
def test_dpor_completes_one_execution_a_class_of_philosophers(count):
    """Each fork is used in one of two orders: 2 to the n, but for the one that cannot be."""
    search = searched(philosophers(count))

    assert DPOR == search.used
    assert 2**count - 1 == search.executions


@pytest.mark.slow
@pytest.mark.parametrize("count", range(2, 9))
def test_dpor_completes_one_execution_a_class_of_the_safe_order(count):
    """With one left-handed guest two of the orders cannot be."""
    search = searched(philosophers(count, in_order=True))

    assert 2**count - 2 == search.executions


def test_dpor_abandons_no_execution_of_philosophers():
    """Where sleep sets alone abandon many, races call for no execution too many."""
    ours = searched(philosophers(4))
    oracle = searched(philosophers(4), SLEEP)

    assert ours.executions == oracle.executions
    assert 0 == ours.asleep < oracle.asleep


def test_dpor_judges_where_userspace_stops():
    """Two stops that no one schedule passes are both found: each leaves its own fence pending."""

    @design
    def two(machine):
        fences = [Timeline(name).fence() for name in "ab"]
        cells = [Shared(0, name) for name in "xy"]
        for fence, cell in zip(fences, cells, strict=True):
            fence.publish()
            machine.userspace(lambda f=fence, c=cell: (c.write(1), f.signal(), c.write(2)))

    ours, oracle = searched(two), searched(two, SLEEP)

    assert DPOR == ours.used
    assert 1 == ours.executions
    assert set(oracle.cases) == set(ours.cases)


def test_dpor_visits_a_state_of_rest_once():
    """A stop that two executions stand for is judged with the first of them."""

    @design
    def three(machine):
        done, cell = Completion("done"), Shared(0, "cell")
        machine.userspace(done.complete, "app")
        machine.kthread(lambda: cell.write(1), "one")
        machine.kthread(lambda: cell.write(2), "other")

    search = searched(three)

    assert 2 == search.executions
    assert search.visits <= 2


def test_dpor_starts_a_handler_wherever_it_may():
    """A handler finds a spinlock free, or held by the task that it interrupts: one class each."""

    @design
    def line(machine):
        lock, seen = SpinLock("lock"), Shared(0, "seen")
        irq = machine.irq(lambda: seen.write(1), "line")

        def task():
            with lock:
                seen.read()

        machine.kthread(irq.raise_irq, "device")
        machine.kthread(task, "task")

    ours, oracle = searched(line), searched(line, SLEEP)

    assert (DPOR, SLEEP) == (ours.used, oracle.used)
    assert oracle.executions == ours.executions


def test_dpor_reverses_a_race_whose_later_step_waits_for_another():
    """What a wait reads besides its condition races, though another step enables the wait."""

    @design
    def both(machine):
        fences = [Timeline("ring").fence() for _ in range(2)]
        machine.kthread(lambda: fences[0].set_error(-5), "errs")
        machine.kthread(lambda: wait_any(fences), "waits")
        machine.kthread(fences[1].signal, "signals")

    ours, oracle = searched(both), searched(both, SLEEP)

    assert 7 == oracle.executions == ours.executions


def test_dpor_puts_a_timeout_between_two_reads_of_the_clock():
    """A timeout that is possible early also comes between what reads the clock before and after."""

    @design
    def clocks(machine):
        done = Completion("done")
        machine.kthread(lambda: done.wait(1.0), "waits")
        for name in "ab":
            machine.kthread(lambda: (machine.rt.now(), machine.rt.now()), name)

    ours, oracle = searched(clocks), searched(clocks, SLEEP)

    assert oracle.executions == ours.executions


def test_dpor_gives_others_their_turn_beside_a_loop_without_end():
    """Where executions are cut, tasks that the cut kept from moving are tried as well."""

    @design
    def loops(machine):
        lock, cell = Mutex("A"), Shared(0, "cell")

        def loop():
            while True:
                with lock:
                    pass

        def fails():
            with lock:
                raise ValueError(cell.read())

        machine.kthread(loop, "loop")
        machine.kthread(fails, "fails")

    budget = Budget(seconds=None, executions=50, steps_per_execution=30)
    search = Search(loops, budget, engine=DPOR).run()

    assert DPOR == search.used
    assert any("ValueError" in key for key in search.cases)


def test_dpor_number_of_an_object_may_be_of_another_kind_elsewhere():
    """What a task constructs may hang on the schedule; no guard is asked of another's object."""

    def body(machine):
        cell = Shared(0, "cell")

        def constructs():
            if cell.read():
                made = Completion("made")
                made.complete()
                made.wait()
            else:
                with Mutex("made"):
                    pass

        machine.kthread(constructs, "constructs")
        machine.kthread(lambda: cell.write(1), "writes")

    search = searched(body)

    assert (2, {}) == (search.executions, search.cases)


def test_dpor_lets_a_signal_come_before_what_ended_the_wait():
    """A signal made pending after a wait ended in another way is tried before that as well."""

    @design
    def three(machine):
        done = Completion("done")
        waits = []

        def wait():
            with suppress(Interrupted):
                done.wait_interruptible()

        machine.kthread(done.complete, "completes")
        waits.append(machine.kthread(wait, "waits"))
        machine.kthread(lambda: machine.rt.interrupt(waits[0]), "interrupts")

    ours, oracle = searched(three), searched(three, SLEEP)

    assert 2 == oracle.executions == ours.executions


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_dpor_equals_naive_search_in_a_small_scope(group):
    """No program of three tasks of one act each has another outcome; some of each group."""
    some = itertools.islice(programs(group), 3, None, 29)

    compared = [compare(program, cap=200, engine=DPOR) for program in some]

    assert [] == [said for one in compared for said in one.said]
    assert not all(one.capped for one in compared)


@pytest.mark.slow
@needs_python_engines
@pytest.mark.parametrize("mutant", RULE_MUTANTS, ids=lambda mutant: mutant.name)
def test_dpor_notices_a_weakened_rule(mutant, monkeypatch):
    """Without one of its rules the engine misses something of a known program, and that shows."""
    before = compare(mutant.program, engine=DPOR)

    mutant.apply(monkeypatch)
    after = compare(mutant.program, engine=DPOR)

    assert ([], False) == (before.said, before.capped)
    assert after.said
