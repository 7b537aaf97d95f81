"""The search against the naive one over chains, arrays and merges; weakened footprints show.

`python -m tests.explore.test_containers_differential 1000` compares that many programs.
"""

import sys

import pytest

from dmabuf.core import fence_array, fence_chain
from tests.explore.comparison import compare, main, nothing, only_reads, weaken
from tests.explore.container_programs import Program

NAIVE = 500


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 40, 20))
def test_differential_same_outcomes_over_containers(start):
    """The reduced search loses no outcome, link or finding on random programs."""
    results = [compare(Program(seed), NAIVE) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("same") >= 8


def two_tasks(one, other, *prelude):
    """Two tasks with these operations, after what the body does."""
    program = Program(0)
    program.prelude = prelude
    program.tasks = [one, other]
    program.kinds = ["kthread", "kthread"]
    program.shape = 1
    return program


WALK = two_tasks([("walk", 2)], [("look back", 2)], ("signal", 1))
ERRORS = two_tasks([("signal failed", 0)], [("signal failed", 2)], ("enable", 0))
HOLD = two_tasks([("put container", 1)], [("get container", 2)])

WEAKENED = [
    pytest.param(fence_chain.COLLECT, only_reads, WALK, id="collecting changes nothing"),
    pytest.param(fence_chain.PREV, nothing, WALK, id="looking back reads nothing"),
    pytest.param(fence_array.COUNT, only_reads, ERRORS, id="counting changes nothing"),
    pytest.param(fence_array.COUNT, nothing, ERRORS, id="counting touches nothing"),
    pytest.param(fence_chain.IS_LAST, nothing, HOLD, id="releasing reads no reference"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("op", "how", "program"), WEAKENED)
def test_differential_notices_a_weakened_footprint(monkeypatch, op, how, program):
    """A footprint that forgets a conflict loses an outcome, and the comparison sees it."""
    before = compare(program, 5000)

    weaken(monkeypatch, op, how)

    assert "same" == before
    assert compare(program, 5000) not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), NAIVE))
