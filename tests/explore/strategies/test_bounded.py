"""Search within a number of preemptions: everything that so few can bring about, and no proof."""

import itertools

import pytest

from dmabuf import Mutex, Shared, design
from dmabuf.explore.check import check_design
from dmabuf.explore.portfolio import BOUNDED
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.bounded import Bounded
from dmabuf.machine import Machine
from dmabuf.report.verdict import Status
from dmabuf.rt.explored_task import Names
from dmabuf.rt.tasks import Tasks
from tests.explore.small_scope import programs

ENDLESS = Budget(seconds=None)


class Within:
    """Every schedule with so few preemptions, one after the other, nothing clever."""

    def __init__(self, most):
        self.most = most
        self.choices = []
        self.spent = []
        self.depth = 0

    def pick(self, runtime):
        enabled = runtime.enabled()
        if self.depth == len(self.choices) and enabled:
            self.choices.append([t for t in enabled if self._spent(t, enabled) <= self.most])
            self.spent.append([self._spent(t, enabled) for t in self.choices[-1]])
        return self.choices[self.depth][0] if enabled else -1

    def _spent(self, transition, enabled):
        if not self.depth:
            return 0
        task = self.choices[self.depth - 1][0] // 256
        could = any(t // 256 == task for t in enabled)
        return self.spent[self.depth - 1][0] + (could and transition // 256 != task)

    def executed(self, *_):
        self.depth += 1

    def following(self):
        self.depth = 0
        while self.choices:
            self.choices[-1].pop(0)
            self.spent[-1].pop(0)
            if self.choices[-1]:
                return True
            self.choices.pop()
            self.spent.pop()
        return False


def ends(rt):
    """What an execution came to."""
    if rt.failure is not None:
        return "failure", rt.failure[0].name, repr(rt.failure[1])
    if rt.reports:
        return "report", rt.reports[0][1]
    world = rt.extras["world"]
    return repr((world.observed(), [(task.name, task.op) for task in rt.tasks]))


def all_within(program, most):
    """The ends of all schedules with so few preemptions; None if they are too many."""
    strategy, found, names = Within(most), set(), Names()
    for _ in range(400):
        rt = Tasks(strategy, names=names)
        rt.at_end = lambda runtime: found.add(ends(runtime))
        rt.run(lambda runtime: program(Machine(runtime)))
        if not strategy.following():
            return found
    return None


def searched(program, most):
    """The ends that the engine finds within the bound."""
    strategy, found, names = Bounded(most=most), set(), Names()
    while True:
        strategy.begin()
        rt = Tasks(strategy, names=names)

        def at_end(runtime):
            found.add(ends(runtime))
            strategy.ended(runtime)

        rt.at_end = at_end
        rt.run(lambda runtime: program(Machine(runtime)))
        if not strategy.backtrack():
            return found


@pytest.mark.slow
@pytest.mark.parametrize("group", ["completion", "fence", "lock", "queue", "ring"])
@pytest.mark.parametrize("most", [0, 1, 2])
def test_bounded_finds_every_end_of_schedules_within_the_bound(group, most):
    """What a schedule of so few preemptions comes to, the engine comes to as well."""
    some = list(itertools.islice(programs(group), 5, None, 41))

    expected = [all_within(program, most) for program in some]
    found = [searched(program, most) for program in some]

    compared = [pair for pair in zip(expected, found, strict=True) if pair[0] is not None]
    assert compared
    assert [] == [one - other for one, other in compared if one - other]


def late(count):
    """Tasks that count in one cell: one of them loses what another added."""

    @design
    def fn(machine):
        cell, done = Shared(0, "cell"), Shared(0, "done")

        def add():
            cell.write(cell.read() + 1)
            if done.add(1) == count and cell.read() != count:
                raise ValueError("lost")

        for number in range(count):
            machine.kthread(add, f"adds {number}")

    return fn


def test_bounded_finds_what_one_preemption_brings_about():
    """A lost update needs one preemption."""
    found = Search(late(2), ENDLESS, engine=BOUNDED).run()

    assert any("ValueError" in key for key in found.cases)


def test_bounded_is_no_proof_and_says_its_bound():
    """The answer is BOUNDED and names the number of preemptions."""

    @design
    def fine(machine):
        lock = Mutex("A")
        for name in "xyz":
            machine.kthread(lambda: lock.lock() or lock.unlock(), name)

    verdict = check_design(fine, "fine", budget=ENDLESS, engine=BOUNDED)

    assert (Status.BOUNDED, True) == (verdict.status, "2 preemptions" in verdict.limit)
