"""Both engines against naive search on random programs: outcomes, findings, wakers, switches.

`python -m tests.explore.fuzz --programs 10000` compares as many as you like.
"""

import pytest

from dmabuf.explore.search import Budget, Search
from dmabuf.rt.explored_task import Names
from tests.explore.fuzz import compare
from tests.explore.mistakes import MUTANTS
from tests.explore.oracle import differences, everything, reduced
from tests.explore.random_programs import FAMILIES, generate
from tests.support import needs_python_engines

CAP = 600
PROGRAMS = 240
SHARE = 20


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, SHARE))
def test_search_equals_naive_search(start):
    """Nothing is lost or made up, no schedule has a switch too many, no class is run twice."""
    compared = [compare(generate(seed), cap=CAP) for seed in range(start, start + SHARE)]

    assert [] == [said for comparison in compared for said in comparison.said]
    assert sum(comparison.capped for comparison in compared) <= SHARE // 2


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_search_equals_naive_search_on_each_family(family):
    """Programs of one family of primitives only, so that its tasks meet often."""
    compared = [compare(generate(seed, (family,)), cap=200) for seed in range(10)]

    assert [] == [said for comparison in compared for said in comparison.said]
    assert not all(comparison.capped for comparison in compared)


@needs_python_engines
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_comparison_notices_a_mistake(mutant, monkeypatch):
    """A footprint that forgets something, or a wrong relation, is noticed by a known program."""
    program = generate(mutant.seed, mutant.families)
    before = compare(program)

    mutant.apply(monkeypatch)
    after = compare(program)

    assert ([], False) == (before.said, before.capped)
    assert after.said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_search_in_another_order_comes_to_the_same(seed):
    """The order in which schedules are tried changes no outcome, finding or number of classes."""
    for number in range(seed * 100, seed * 100 + 12):
        comparison = compare(generate(number), cap=CAP, seed=seed)

        assert [] == comparison.said


@pytest.mark.slow
def test_carriers_make_the_same_executions():
    """Greenlets and the baton run the same schedules in the same order to the same end."""
    for seed in range(12):
        program = generate(seed)
        if everything(program, cap=200).capped:
            continue
        one, other = (
            reduced(program, names=Names(), carrier=carrier) for carrier in ("greenlet", "threads")
        )

        assert one.paths == other.paths
        assert (one.outcomes, one.found) == (other.outcomes, other.found)


def test_oracle_counts_all_interleavings():
    """The naive search runs as many schedules as there are: two tasks of two steps have six."""

    def two_tasks(machine):
        from dmabuf import Shared

        cells = [Shared(0), Shared(0)]
        for cell in cells:
            machine.kthread(lambda cell=cell: (cell.add(1), cell.add(1)))

    naive = everything(two_tasks, cap=100)
    ours = reduced(two_tasks)

    assert 6 == naive.executions
    assert (1, 1) == (len(naive.classes), ours.search.executions)
    assert [] == differences(naive, ours)


def test_naive_switch_of_the_search_equals_the_oracle():
    """The search without sleep sets and the oracle, which share no code, run equally many."""
    for seed in range(8):
        program = generate(seed)
        naive = everything(program, cap=400)
        if not naive.capped:
            search = Search(program, Budget(seconds=None), sleep=False).run()

            assert naive.executions == search.executions
