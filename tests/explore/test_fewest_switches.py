"""The schedule that is printed has the fewest context switches of all that show the finding."""

import sys
from pathlib import Path

import pytest

from dmabuf import Mutex, check_design, design
from dmabuf.explore.diagnose import diagnose
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.shrink import Event, switches_of
from tests.explore.programs import Program

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "examples"))
import lock_across_wait


class _Brute(Search):
    """Naive search that only counts the switches of each schedule as it was run."""

    def _add(self, rt, key, *, only=None, **what):
        events = [Event(n.chosen // 256, n.chosen, n.footprint) for n in self._strategy.path]
        known = self.fewest.get(key)
        self.fewest[key] = min(switches_of(events), known if known is not None else 10**9)
        super()._add(rt, key, only=only, **what)


def _brute(fn, executions):
    search = _Brute(fn, Budget(seconds=None, executions=executions), sleep=False)
    search.fewest = {}
    search.run()
    return search


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
    """The shipped example and the philosophers: brute force finds nothing simpler."""
    brute = _brute(fn, 20_000)
    verdict = check_design(fn, "subject")

    assert not brute.limit
    assert verdict.findings[0].fewest
    assert min(brute.fewest.values()) == verdict.findings[0].switches


@pytest.mark.slow
def test_fewest_switches_of_random_designs():
    """For each way of going wrong, the reduced search's schedule equals brute force's best."""
    compared = 0
    for seed in range(1000, 1040):
        program = Program(seed)
        brute = _brute(program.design, 800)
        if brute.limit or not brute.cases:
            continue
        reduced = Search(program.design, Budget(seconds=None, executions=1200)).run()
        for key, case in reduced.cases.items():
            if case.snapshot is not None:
                diagnose(case.snapshot, reduced.wakers)
                assert brute.fewest[key] == case.switches, (seed, key)
                compared += 1

    assert compared > 20
