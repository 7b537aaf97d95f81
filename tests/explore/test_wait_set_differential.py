"""Wait-sets under the reduced search and the naive one: the same outcomes on random programs.

`python -m tests.explore.test_wait_set_differential 1000` compares that many programs.
"""

import random
import sys

import pytest

from dmabuf import Shared, Timeline, WaitSet
from dmabuf.core import wait_set
from tests.explore.comparison import Compared, compare, main, nothing, only_reads, weaken

NAIVE = 1000
PROGRAMS = 30


class World:
    """The objects of one execution."""

    def __init__(self):
        self.fences = [Timeline("f").fence(), Timeline("g").fence()]
        self.waiting = WaitSet(self.fences[:1])
        self.cells = [Shared(0, "v"), Shared(0, "w")]

    @property
    def state(self):
        """What the cells hold, and what is in the wait-set."""
        waiting = self.waiting
        inside = sorted(self.named(waiting.pending)), self.named(waiting.ready)
        return tuple(cell._value for cell in self.cells), inside, waiting.closed

    def named(self, fences):
        """The indices of fences, in order."""
        return [self.fences.index(fence) for fence in fences]


def _add(world, x):
    try:
        return world.waiting.add(world.fences[x])
    except OSError:
        return "closed"


def _wait(world, _x, timeout=None):
    fence = world.waiting.wait(timeout)
    return fence and world.named([fence])


def _adds_in_callback(world, x):
    return world.fences[x].add_callback(lambda _f: _add(world, 1 - x)) is not None


OPERATIONS = {
    "add": _add,
    "add again": _add,
    "add in callback": _adds_in_callback,
    "cell": lambda w, x: w.cells[x].add(1),
    "close": lambda w, x: w.waiting.close(),
    "count": lambda w, x: len(w.waiting),
    "drain": lambda w, x: w.named(w.waiting.drain()),
    "iterate": lambda w, x: w.named(w.waiting),
    "look": lambda w, x: _wait(w, x, 0),
    "read": lambda w, x: w.cells[x].read(),
    "remove": lambda w, x: w.waiting.remove(w.fences[x]),
    "signal": lambda w, x: w.fences[x].signal(),
    "signal too": lambda w, x: w.fences[x].check_and_signal(),
    "signaled?": lambda w, x: w.fences[x].is_signaled(),
    "timed wait": lambda w, x: _wait(w, x, 1.0 + x),
    "wait": _wait,
}


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed):
        rng = random.Random(seed)
        names = sorted(OPERATIONS)
        self.tasks = [
            [(rng.choice(names), rng.randrange(2)) for _ in range(rng.randint(1, 2))]
            for _ in range(rng.randint(2, 3))
        ]
        if rng.random() < 0.6:  # or most executions come to rest for want of a signal
            self.tasks[0] += [("signal", 0), ("signal", 1)]

    def _make_world(self, machine):
        del machine
        return World()


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 10))
def test_wait_set_differential_same_outcomes_as_naive_search(start):
    """The footprints of a wait-set's steps lose no outcome and no finding."""
    results = [compare(Program(seed), NAIVE) for seed in range(start, start + 10)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 5


WEAKENED = [
    pytest.param(wait_set.PUSH, only_reads, 1, id="push changes nothing"),
    pytest.param(wait_set.PUSH, nothing, 1, id="push touches nothing"),
    pytest.param(wait_set.ADMIT, only_reads, 6, id="admit changes nothing"),
    pytest.param(wait_set.FORGET, nothing, 50, id="forget looks at nothing"),
    pytest.param(wait_set.DRAIN, only_reads, 48, id="drain changes nothing"),
    pytest.param(wait_set.COUNT, nothing, 13, id="count looks at nothing"),
    pytest.param(wait_set.CLOSE, only_reads, 13, id="close changes nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("op", "how", "seed"), WEAKENED)
def test_wait_set_differential_notices_a_weakened_footprint(monkeypatch, op, how, seed):
    """A step that conceals what it touches loses outcomes of a known program, and that shows."""
    before = compare(Program(seed), NAIVE)
    weaken(monkeypatch, op, how)

    after = compare(Program(seed), NAIVE)

    assert "same" == before
    assert after not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), NAIVE))
