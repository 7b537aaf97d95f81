"""The search against the naive one: the same outcomes, and no execution twice.

`python -m tests.explore.test_differential 10000` compares that many programs.
"""

import itertools
import sys

import pytest

from dmabuf.explore import dependence
from dmabuf.explore.search import Search
from dmabuf.explore.strategies import dfs
from tests.explore.programs import Program

NAIVE = 1500
REDUCED = 1500


def compare(seed: int) -> str:
    """ "same", "capped", or what differs."""
    program = Program(seed)
    naive, finals, wrong = program.outcomes(sleep=False, executions=NAIVE)
    if naive.limit:
        return "capped"
    reduced, our_finals, our_wrong = program.outcomes(sleep=True, executions=REDUCED)
    if reduced.limit:
        return "capped"
    if finals != our_finals or wrong != our_wrong:
        return f"{len(finals)}/{len(our_finals)} outcomes, {len(wrong)}/{len(our_wrong)} findings"
    return "same"


def normal_form(events: list[tuple[int, tuple[int, ...]]]) -> tuple[object, ...]:
    """Foata's normal form: levels of steps that commute; equal for equivalent executions."""
    levels: list[list[tuple[int, tuple[int, ...]]]] = []
    for event in events:
        at = len(levels)
        while at and not any(depends(event, other) for other in levels[at - 1]):
            at -= 1
        if at == len(levels):
            levels.append([])
        levels[at].append(event)
    return tuple(tuple(sorted(level)) for level in levels)


def depends(one: tuple[int, tuple[int, ...]], other: tuple[int, tuple[int, ...]]) -> bool:
    """Written anew from the definition, not with the search's own function."""
    if one[0] // 256 == other[0] // 256:
        return True
    return any(
        mine >> 1 == theirs >> 1 and (mine | theirs) & 1
        for mine, theirs in itertools.product(one[1], other[1])
    )


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 120, 20))
def test_differential_same_outcomes_as_naive_search(start):
    """Sleep sets lose no outcome and no finding on random programs over all primitives."""
    results = [compare(seed) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 12


@pytest.mark.slow
def test_differential_no_two_executions_are_equivalent():
    """Of each class of equivalent executions exactly one is completed."""
    compared = 0
    for seed in range(60):
        program = Program(seed)
        forms: list[object] = []

        def complete(_rt, strategy, forms=forms):
            forms.append(normal_form([(n.chosen, n.footprint) for n in strategy.path]))

        search = Search(program.design, on_complete=complete)
        search.budget = type(search.budget)(seconds=None, executions=400)
        search.run()
        if not search.limit:
            compared += 1
            assert len(forms) == len(set(forms))

    assert compared > 40


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(lambda one, other: True, id="everything commutes"),
        pytest.param(lambda one, other: not set(one) & set(other), id="only write-write"),
        pytest.param(
            lambda one, other: not {n >> 1 for n in one[:1]} & {n >> 1 for n in other[:1]},
            id="only the first object",
        ),
    ],
)
def test_differential_notices_a_weakened_dependence(monkeypatch, mutant):
    """A dependence that forgets conflicts loses outcomes, and the comparison sees it."""
    monkeypatch.setattr(dfs, "independent", mutant)

    assert any(compare(seed) not in ("same", "capped") for seed in range(100))
    assert dependence.independent((1,), (0,)) is False


@pytest.mark.slow
def test_differential_carriers_make_the_same_executions():
    """Greenlets and the baton run the same schedules to the same outcomes."""
    for seed in range(6):
        one, *finals = Program(seed).outcomes(sleep=True, executions=60, carrier="greenlet")
        other, *theirs = Program(seed).outcomes(sleep=True, executions=60, carrier="threads")

        assert (one.executions, one.asleep, one.steps) == (
            other.executions,
            other.asleep,
            other.steps,
        )
        assert finals == theirs


if __name__ == "__main__":
    counts: dict[str, int] = {}
    for number in range(int(sys.argv[1])):
        said = compare(number)
        counts[said] = counts.get(said, 0) + 1
        if said not in ("same", "capped"):
            print(f"program {number}: {said}")  # noqa: T201 - a command
    print(counts)  # noqa: T201 - a command
