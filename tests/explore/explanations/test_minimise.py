"""Counterexamples are as simple as any: brute force over all schedules finds no simpler one."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabuf import Mutex, check_design, design
from dmabuf.core.timeline import Timeline
from dmabuf.explore.check import replay_design
from dmabuf.explore.diagnose import diagnose
from dmabuf.explore.explanations.minimise import Goal, Trials, foata, minimise
from dmabuf.explore.explanations.shrink import Event, switches_of
from dmabuf.explore.explanations.simplest import STEPS_A_FINDING, Simplifier
from dmabuf.explore.phases import explore
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Machine
from dmabuf.rt.carriers import Greenlets
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.shared import Shared
from tests.explore.oracle import normal_form
from tests.explore.random_programs import generate

MOST_PREFIXES = 800
FAMILIES = (("mutex", "fence"), ("mutex", "choose", "time"))


class Ahead:
    """The strategy that makes some steps and notes what is possible then."""

    def __init__(self, pairs):
        self.pairs = pairs
        self.made = 0
        self.enabled = []

    def pick(self, runtime):
        if self.made < len(self.pairs):
            who, variant = self.pairs[self.made]
            return who * 256 + variant
        self.enabled = runtime.enabled()
        return -1

    def executed(self, transition, task, footprint):
        self.made += 1


def possible_after(fn, names, pairs):
    """(task number, variant) of each step that can follow."""
    strategy = Ahead(pairs)
    rt = Tasks(strategy, names=names, carrier=Greenlets())
    rt.run(lambda runtime: fn(Machine(runtime)))
    return [divmod(transition, 256) for transition in strategy.enabled]


def switches(pairs):
    """How often the running task changes."""
    return sum(one[0] != other[0] for one, other in itertools.pairwise(pairs))


def schedules_below(fn, names, fewest):
    """Every schedule, also unfinished ones, with fewer switches; None if there are too many."""
    found, todo = [], [[]] if fewest else []
    while todo:
        pairs = todo.pop()
        found.append(pairs)
        following = [[*pairs, pair] for pair in possible_after(fn, names, pairs)]
        todo += [one for one in following if switches(one) < fewest]
        if len(found) + len(todo) > MOST_PREFIXES:
            return None
    return found


def clumsy(fn, names, trials, goal, rng):
    """A schedule drawn at random that shows the goal; None if twenty do not."""
    for _ in range(20):
        pairs = []
        while possible := possible_after(fn, names, pairs):
            pairs.append(rng.choice(possible))
        if trials.show(pairs, goal):
            return pairs
    return None


def goals(search):
    """Each way in which the program comes to rest badly: its schedule and what has to stay."""
    rests = [case for case in search.cases.values() if case.snapshot is not None]
    stops = {(t, f) for c in rests for t in c.snapshot.stopped for f in c.snapshot.pending}

    def judge(rt, snapshot):
        return diagnose(snapshot, search.wakers, stops) if snapshot and snapshot.is_bad else None

    for case in rests:
        diagnosis = judge(None, case.snapshot)
        yield case, Goal(diagnosis, judge, diagnosis.chain or tuple(case.snapshot.names))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 40, 20))
def test_minimal_schedule_has_the_fewest_switches_of_all(start):
    """Where it is said to have the fewest, no schedule with fewer shows the same finding."""
    compared = 0
    rng = random.Random(start)
    for seed in range(start, start + 20):
        program = generate(seed, FAMILIES[seed % 2])
        search = Search(program, Budget(seconds=None, executions=2000)).run()
        for case, goal in goals(search):
            trials = Trials(program, search.names, "greenlet", 10**6)
            found = clumsy(program, search.names, trials, goal, rng)
            shown = minimise(trials, found or trials.numbered(case.moves), goal)
            fewer = schedules_below(program, search.names, switches_of(shown.events))
            if fewer is None:
                continue
            compared += 1

            assert shown.fewest
            assert not any(trials.show(pairs, goal) for pairs in fewer)

    assert compared >= 5


@pytest.mark.slow
def test_minimal_schedule_needs_each_of_its_tasks_and_last_steps():
    """Without any of its tasks, or a last step of one, it does not show the finding."""
    compared = 0
    for seed in range(40):
        program = generate(seed, FAMILIES[seed % 2])
        search = Search(program, Budget(seconds=None, executions=2000)).run()
        for case, goal in goals(search):
            trials = Trials(program, search.names, "greenlet", 10**6)
            shown = minimise(trials, trials.numbered(case.moves), goal)
            for who in {who for who, _variant in shown.pairs}:
                last = max(i for i, pair in enumerate(shown.pairs) if pair[0] == who)
                shorter = [pair for i, pair in enumerate(shown.pairs) if i != last]
                without = [pair for pair in shown.pairs if pair[0] != who]
                compared += 1
                for pairs in (shorter, without):
                    found = trials.show(pairs, goal)
                    assert found is None or found.size >= shown.size

    assert compared >= 10


@design
def with_a_bystander(machine):
    """Two locks in two orders; a third task works beside them, and one takes a chance."""
    one, other, beside = Mutex("A"), Mutex("B"), Shared("x", 0)

    def forth():
        machine.choose(3)
        with one, other:
            pass

    def back():
        with other, one:
            pass

    def bystander():
        for value in range(5):
            beside.write(value)

    machine.kthread(bystander)
    machine.kthread(forth)
    machine.kthread(back)


def test_steps_of_a_bystander_are_left_out():
    """Only the two tasks of the cycle are shown, at the first option, and others are counted."""
    finding = check_design(with_a_bystander, "d").findings[0]

    assert ("forth", "back") == finding.tasks
    assert 5 == finding.left_out
    assert 1 == finding.switches
    assert finding.fewest
    assert "way 0 of 3" in finding.steps[0].note


def test_schedule_with_left_out_steps_replays():
    """Its token shows the same finding again."""
    finding = check_design(with_a_bystander, "d").findings[0]

    again = replay_design(with_a_bystander, "d", finding.token).findings[0]

    assert (finding.code, finding.message) == (again.code, again.message)
    assert (finding.steps, finding.waits) == (again.steps, again.waits)
    assert finding.timeline == again.timeline


@design
def timeout_that_is_not_needed(machine):
    """Two locks in two orders; somebody beside them waits for a fence, but not for long."""
    one, other, fence = Mutex("A"), Mutex("B"), Timeline("gpu").fence()

    def forth():
        fence.is_signaled()
        with one, other:
            pass

    def back():
        with other, one:
            pass

    def hasty():
        fence.wait(timeout=1)
        fence.signal()

    machine.kthread(hasty)
    machine.kthread(forth)
    machine.kthread(back)


def test_timeout_that_is_not_needed_is_not_taken():
    """A wait that ends in time is not part of what goes wrong."""
    finding = check_design(timeout_that_is_not_needed, "d").findings[0]

    assert "DF001" == finding.code
    assert [] == [step.text for step in finding.steps if step.note == "times out"]


@design
def long_way(machine):
    """Two hundred steps before the locks are taken the wrong way round."""
    one, other, beside = Mutex("A"), Mutex("B"), Shared("x", 0)

    def forth():
        for value in range(100):
            beside.write(value)
        with one, other:
            pass

    def back():
        for _ in range(100):
            beside.read()
        with other, one:
            pass

    machine.kthread(forth)
    machine.kthread(back)


def test_minimising_keeps_to_its_steps():
    """It ends when its steps are used up, but for the run that it is in."""
    explored = explore(long_way, Budget(seconds=None, executions=30))
    (case, goal), *_ = goals(explored)
    simplifier = Simplifier(explored, lambda rest: goal.judge(None, rest))

    better, _fewest = simplifier.simplest(case, goal.key)

    used = 12_000 - simplifier.left
    assert used <= STEPS_A_FINDING + 2 * len(case.moves) + 20
    assert len(better.moves) <= len(case.moves)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda task, touched: Event(task, task * 256, tuple(touched)),
            st.integers(0, 3),
            st.lists(st.integers(0, 7), max_size=2),
        ),
        max_size=12,
    )
)
def test_foata_is_the_normal_form_of_the_oracle(events):
    """The levels computed in one pass are those of the definition."""
    levels = normal_form([(event.transition, event.footprint) for event in events])

    assert {(level, transition) for level, transition, _touched in levels} == foata(events)
