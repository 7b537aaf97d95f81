"""Which engine explores a design, and what the engines' findings make together."""

import subprocess
import sys
import zlib

import pytest

from dmabuf import Completion, Mutex, Shared, Status, check_design, design
from dmabuf.explore.phases import explore
from dmabuf.explore.portfolio import (
    DPOR,
    ENGINES,
    FIRST_EXECUTIONS,
    NAIVE,
    PCT,
    RANDOM,
    SAMPLES,
    SLEEP,
    EngineError,
    engine_named,
)
from dmabuf.explore.search import Budget, Search
from dmabuf.rules import RULES
from tests.explore.designs import two_orders

ENDLESS = Budget(seconds=None)
PROVERS = [name for name, engine in ENGINES.items() if engine.proves]
SAMPLERS = [RANDOM, PCT]


def writers(count):
    """Tasks that each add to the same cell once: every order is a class and state of its own."""

    @design
    def fn(machine):
        cell = Shared((), "cell")
        for number in range(count):
            machine.kthread(lambda number=number: cell.add((number,)), f"t{number}")

    return fn


def late_deadlock(busy):
    """Depth first comes by the deadlock of the first two tasks only after all orders of the rest.

    The first task waits for the second one's lock unless it goes first.
    """

    @design
    def fn(machine):
        cell = Shared(0, "cell")
        two_orders(machine)
        for number in range(busy):
            machine.kthread(lambda number=number: cell.write(number), f"busy {number}")

    return fn


def test_portfolio_proves_a_small_design_without_sampling():
    """What is exhausted in the first moments costs nothing but its own executions."""
    verdict = check_design(writers(4), "writers", budget=ENDLESS)

    assert (Status.PROVED, DPOR, 24, 0) == (
        verdict.status,
        verdict.engine,
        verdict.executions,
        verdict.sampled,
    )


@pytest.mark.slow
def test_portfolio_samples_a_large_design_and_goes_on():
    """Beyond the first moments both samplers run; the proof's counts are as if they had not."""
    alone = Search(writers(6), ENDLESS).run()

    verdict = check_design(writers(6), "writers", budget=ENDLESS)

    assert (720, FIRST_EXECUTIONS < 720) == (alone.executions, True)
    assert (720, alone.asleep, alone.steps) == (verdict.executions, verdict.asleep, verdict.steps)
    assert (Status.PROVED, 2 * SAMPLES) == (verdict.status, verdict.sampled)


@pytest.mark.slow
def test_portfolio_finds_early_what_depth_first_finds_late():
    """A deadlock that depth-first search has not come by within a budget is found by sampling."""
    budget = Budget(seconds=None, executions=FIRST_EXECUTIONS + 2 * SAMPLES + 1)

    depth_first = Search(late_deadlock(7), budget).run()
    verdict = check_design(late_deadlock(7), "late", budget=budget)

    assert {} == depth_first.cases
    assert ["DF001"] == [finding.code for finding in verdict.findings]


@pytest.mark.slow
def test_portfolio_findings_are_those_of_the_proof():
    """Sampling changes nothing in the report of a design that was exhausted."""
    forced = check_design(late_deadlock(5), "late", budget=ENDLESS, engine=SLEEP)

    picked = check_design(late_deadlock(5), "late", budget=ENDLESS)

    assert (0, 2 * SAMPLES) == (forced.sampled, picked.sampled)
    assert [one.to_data() for one in forced.findings] == [one.to_data() for one in picked.findings]
    assert picked.findings[0].fewest


@pytest.mark.slow
def test_portfolio_gives_the_same_answer_twice():
    """A budget in executions leaves nothing to the machine's speed."""
    budget = Budget(seconds=None, executions=400)

    found = [check_design(late_deadlock(6), "late", budget=budget).to_data() for _ in range(2)]

    for data in found:
        del data["seconds"]
    assert found[0] == found[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_finds_the_deadlock(engine):
    """Whichever engine is forced, the finding has the same rule and a schedule."""
    fn = RULES["DF001"].counterexample

    verdict = check_design(fn, "fn", engine=engine, budget=Budget(seconds=None, executions=300))

    assert (Status.VIOLATED, engine) == (verdict.status, verdict.engine)
    assert "DF001" == verdict.findings[0].code
    assert verdict.findings[0].token


@pytest.mark.parametrize("engine", PROVERS)
def test_engine_that_proves_proves(engine):
    """An engine that exhausts the schedules says so, with one execution a class at least."""
    verdict = check_design(writers(4), "writers", engine=engine, budget=ENDLESS)

    assert (Status.PROVED, 24) == (verdict.status, verdict.executions)


@pytest.mark.parametrize("engine", SAMPLERS)
def test_engine_that_samples_never_proves(engine):
    """Random executions end with the budget, and never in a pass."""
    budget = Budget(seconds=None, executions=30)

    verdict = check_design(writers(2), "writers", engine=engine, budget=budget)

    assert (Status.INCONCLUSIVE, "30 executions", 30) == (
        verdict.status,
        verdict.limit,
        verdict.executions,
    )


def test_budget_of_as_many_executions_as_there_are_is_a_proof():
    """The last execution being the last is seen before the budget is looked at."""
    fits = check_design(writers(4), "writers", budget=Budget(seconds=None, executions=24))
    short = check_design(writers(4), "writers", budget=Budget(seconds=None, executions=23))

    assert (Status.PROVED, Status.INCONCLUSIVE) == (fits.status, short.status)


def test_engine_has_several_spellings():
    """Names are those of reports; a command line may have dashes."""
    assert SLEEP == engine_named("Sleep-Sets").name


def test_engine_that_is_not_there_is_named():
    """The error says what there is."""
    with pytest.raises(EngineError, match=r"no engine 'magic'; there is .*'sleep sets'"):
        explore(writers(2), ENDLESS, engine="magic")


# -- the random engines ------------------------------------------------------------------------


def schedules(fn, engine, runs, seed=0):
    """The transitions of each run."""
    made = []
    search = Search(
        fn,
        Budget(seconds=None, executions=runs),
        engine=engine,
        seed=seed,
        on_complete=lambda _rt, strategy: made.append([node.chosen for node in strategy.path]),
    )
    search.run()
    return made


@pytest.mark.parametrize("engine", SAMPLERS)
def test_random_engine_is_a_function_of_its_seed(engine):
    """The same seed makes the same runs, another one others."""
    one, again, other = (schedules(writers(5), engine, 20, seed) for seed in (1, 1, 2))

    assert one == again
    assert one != other


@pytest.mark.parametrize("engine", SAMPLERS)
def test_random_engine_comes_by_every_order(engine):
    """Of four writers' 24 orders none is out of reach."""
    assert 24 == len({tuple(run) for run in schedules(writers(4), engine, 400)})


@pytest.mark.parametrize(("engine", "runs"), [(RANDOM, "c654325e"), (PCT, "1d0002ab")])
def test_random_engine_makes_known_runs(engine, runs):
    """Seeds mean the same on every Python: the runs are written down here."""
    made = repr(schedules(writers(4), engine, 50)).encode()

    assert runs == f"{zlib.crc32(made):08x}"


def test_uniform_walk_is_uniform():
    """Each of the orders of three writers comes up about as often as the others."""
    runs = schedules(writers(3), RANDOM, 600)

    counts = [runs.count(run) for run in {tuple(r): r for r in runs}.values()]

    assert 6 == len(counts)
    assert all(60 < count < 140 for count in counts)


@pytest.mark.slow
def test_pct_finds_a_bug_of_depth_two_more_often_than_its_bound():
    """Two orders between steps, n tasks of k steps together: one run in n * k finds it at least."""
    tasks, steps, runs = 6, 20, 600

    @design
    def fn(machine):
        lock, done, cell = Mutex("lock"), Completion("done"), Shared(0, "cell")

        def first():
            cell.write(1)
            with lock:
                pass
            done.complete()

        def second():
            if cell.read():
                with lock:
                    done.wait_for_completion()

        machine.kthread(first, "first")
        machine.kthread(second, "second")
        for number in range(tasks - 2):
            machine.kthread(lambda: [cell.read() for _ in range(3)], f"reader {number}")

    found = 0
    for seed in range(runs):
        search = Search(fn, Budget(seconds=None, executions=2), engine=PCT, seed=seed)
        found += bool(search.run().cases)

    assert runs / (tasks * steps) < found < runs


@pytest.mark.slow
@pytest.mark.parametrize("engine", [NAIVE, RANDOM])
def test_engine_of_the_command_line(engine, tmp_path):
    """`--engine` forces one, and the report's counts are its own."""
    file = tmp_path / "one.py"
    file.write_text("from dmabuf import design\n@design\ndef one(machine): pass\n")
    command = [sys.executable, "-m", "dmabuf", "check", str(file), "--json", "--budget", "20x"]

    done = subprocess.run(
        [*command, "--engine", engine], check=False, capture_output=True, text=True
    )

    assert f'"engine": "{engine}"' in done.stdout
    assert (0 if engine == NAIVE else 4) == done.returncode
