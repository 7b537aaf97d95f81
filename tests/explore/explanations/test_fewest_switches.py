"""The schedule that is printed has the fewest context switches of all that show the finding."""

import sys
from pathlib import Path

import pytest

from dmabuf import Mutex, check_design, design
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.explored_task import Names
from tests.explore.oracle import everything, keys_below
from tests.explore.random_programs import generate
from tests.explore.straight_line import Line, Program

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
import lock_across_wait


@design
def philosophers(machine):
    """Three, all left first."""
    forks = [Mutex(f"fork {n}") for n in range(3)]
    for n in range(3):

        def eat(n=n):
            with forks[n], forks[(n + 1) % 3]:
                pass

        machine.kthread(eat, f"guest {n}")


@pytest.mark.parametrize("fn", [lock_across_wait.broken, philosophers])
def test_fewest_switches_of_known_designs(fn):
    """The shipped example and the philosophers: no schedule at all is simpler."""
    naive = everything(fn, cap=20_000)

    verdict = check_design(fn, "subject")

    assert not naive.capped
    assert verdict.findings[0].fewest
    assert min(naive.found.values()) == verdict.findings[0].switches


FOUR = (
    # each waits for the next one's lock at the end of a longer way
    Program(
        tuple(
            Line(
                (
                    ("read", 0),
                    ("read", 1),
                    ("locked", task % 2, (("locked", 1 - task % 2, (("read", 0),)),)),
                )
            )
            for task in range(4)
        )
    ),
    # a signal that comes only from behind a lock, beside two that have nothing to do with it
    Program(
        (
            Line((("locked", 0, (("read", 0), ("read", 1))), ("read", 0), ("signal", 0))),
            Line((("read", 1), ("locked", 0, (("wait_fence", 0, None, False), ("read", 0))))),
            Line((("read", 0),) * 7),
            Line((("read", 1),) * 7),
        )
    ),
    # a wake-up that is lost between the look and the sleep
    Program(
        (
            Line((("prepare", False), ("read", 0), ("schedule",), ("finish",), ("read", 0))),
            Line((("read", 0), ("wake",), ("read", 0), ("wake",))),
            Line((("locked", 0, (("locked", 1, (("add", 0, 1),)),)),)),
            Line((("locked", 1, (("locked", 0, (("add", 1, 1),)),)),)),
        )
    ),
)
"""Four tasks, up to thirty steps, each of which can go wrong in several ways."""


@pytest.mark.slow
@pytest.mark.parametrize("program", FOUR, ids=("abba", "signaller", "wake-up"))
def test_fewest_switches_of_four_tasks(program):
    """Every schedule with fewer switches than the search says was run, and shows no such thing."""
    names = Names()

    search = Search(program, Budget(seconds=None), names=names).run()

    assert search.cases
    assert not search.limit
    _assert_fewest(program, search, names)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 40, 20))
def test_fewest_switches_of_random_programs_of_four_tasks(start):
    """The same for programs drawn at random whose four tasks have up to thirty steps."""
    compared = 0
    for seed in range(start, start + 20):
        program = _of_four(seed)
        names = Names()
        search = Search(program, Budget(seconds=2, executions=1500), names=names).run()
        if search.cases and not search.limit:
            compared += _assert_fewest(program, search, names)

    assert compared


def _of_four(seed: int) -> Program:
    """Two programs of a seed's, side by side on the same objects."""
    one, other = (generate(seed * 2 + n, ("mutex", "completion", "shared")) for n in range(2))
    return Program(tuple(line for line in (one.tasks + other.tasks)[:4]))


def _assert_fewest(program: Program, search: Search, names: Names) -> int:
    """How many findings were compared."""
    cases = [c for c in search.cases.values() if c.snapshot is not None and c.switches <= 4]
    for switches in {case.switches for case in cases}:
        simpler = keys_below(program, switches, names=names)

        assert not simpler & {case.key for case in cases if case.switches >= switches}
    for case in cases:
        assert case.exact
    return len(cases)
