"""Wait-sets under the reduced search and the naive one: the same outcomes on random programs.

`python -m tests.explore.test_wait_set_differential 1000` compares that many programs.
"""

import random
import sys

import pytest

from dmabuf import Shared, Timeline, WaitSet
from dmabuf.core import wait_set
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.api import READ

NAIVE = 1000
PROGRAMS = 80


class World:
    """The objects of one execution."""

    def __init__(self):
        self.fences = [Timeline("f").fence(), Timeline("g").fence()]
        self.waiting = WaitSet(self.fences[:1])
        self.cells = [Shared(0, "v"), Shared(0, "w")]
        self.logs = []

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
    fences, waiting = world.fences, world.waiting
    return fences[x].add_callback(lambda _f: waiting.closed or _add(world, 1 - x)) is not None


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


class Program:
    """One random design; the same seed gives the same one."""

    def __init__(self, seed):
        rng = random.Random(seed)
        names = sorted(OPERATIONS)
        self.tasks = [
            [(rng.choice(names), rng.randrange(2)) for _ in range(rng.randint(1, 2))]
            for _ in range(rng.randint(2, 3))
        ]
        if rng.random() < 0.6:  # or most executions come to rest for want of a signal
            self.tasks[0] += [("signal", 0), ("signal", 1)]
        self.world = None

    def design(self, machine):
        """Each task makes its operations and logs what it saw."""
        world = self.world = World()
        for index, operations in enumerate(self.tasks):
            log = []
            world.logs.append(log)
            machine.kthread(lambda o=operations, g=log: _run(world, o, g), f"t{index}")

    def outcomes(self, *, sleep):
        """The search, the set of final states, and the set of what went wrong."""
        finals = set()

        def complete(rt, _strategy):
            world = self.world
            waiting = world.waiting
            blocked = tuple((t.name, t.op.name) for t in rt.tasks if t.op is not None)
            inside = sorted(world.named(waiting.pending)), world.named(waiting.ready)
            values = tuple(cell._value for cell in world.cells)
            finals.add((repr(world.logs), values, blocked, repr(inside), waiting.closed))

        budget = Budget(seconds=None, executions=NAIVE)
        search = Search(self.design, budget, sleep=sleep, on_complete=complete).run()
        return search, finals, {repr(key) for key in search.cases}


def _run(world, operations, log):
    for name, x in operations:
        log.append((name, OPERATIONS[name](world, x)))


def compare(seed):
    """ "same", "capped", or what differs."""
    program = Program(seed)
    reduced, our_finals, our_wrong = program.outcomes(sleep=True)
    naive, finals, wrong = program.outcomes(sleep=False)
    if naive.limit or reduced.limit:
        return "capped"
    if finals != our_finals or wrong != our_wrong:
        return f"{len(finals)}/{len(our_finals)} outcomes, {len(wrong)}/{len(our_wrong)} findings"
    return "same"


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 10))
def test_wait_set_differential_same_outcomes_as_naive_search(start):
    """The footprints of a wait-set's steps lose no outcome and no finding."""
    results = [compare(seed) for seed in range(start, start + 10)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 5


def _reads(waiting, _task):
    return ((waiting, READ),)


def _nothing(_waiting, _task):
    return ()


WEAKENED = [
    pytest.param(wait_set.PUSH, _reads, 1, id="push changes nothing"),
    pytest.param(wait_set.PUSH, _nothing, 1, id="push touches nothing"),
    pytest.param(wait_set.ADMIT, _reads, 6, id="admit changes nothing"),
    pytest.param(wait_set.FORGET, _nothing, 50, id="forget looks at nothing"),
    pytest.param(wait_set.DRAIN, _reads, 48, id="drain changes nothing"),
    pytest.param(wait_set.COUNT, _nothing, 13, id="count looks at nothing"),
    pytest.param(wait_set.CLOSE, _reads, 13, id="close changes nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("op", "touches", "seed"), WEAKENED)
def test_wait_set_differential_notices_a_weakened_footprint(monkeypatch, op, touches, seed):
    """A step that conceals what it touches loses outcomes of a known program, and that shows."""
    before = compare(seed)
    monkeypatch.setattr(op, "touches", touches)

    after = compare(seed)

    assert "same" == before
    assert after not in ("same", "capped")


if __name__ == "__main__":
    counts = {}
    for number in range(int(sys.argv[1])):
        said = compare(number)
        counts[said] = counts.get(said, 0) + 1
        if said not in ("same", "capped"):
            print(f"program {number}: {said}")  # noqa: T201 - a command
    print(counts)  # noqa: T201 - a command
