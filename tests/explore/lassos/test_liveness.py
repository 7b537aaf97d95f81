"""Runs that never end: which are found, which are none, and how they are told."""

import itertools
import random

import pytest

from dmabuf import Mutex, Shared, Status, Timeline, WaitQueue, check_design
from dmabuf.explore.check import replay_design
from dmabuf.explore.lassos.components import Arrows, fair_parts
from dmabuf.explore.search import Budget
from tests.explore.lassos.livelock_designs import ENDLESS, PROGRESS

LIMIT = Budget(seconds=None, executions=5000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDLESS)
def test_endless_design_is_found(name):
    """It breaks the rule that it is registered with, and its token shows the same again."""
    design, code = ENDLESS[name]

    verdict = check_design(design, name, budget=LIMIT)
    finding = verdict.findings[0]
    again = replay_design(design, name, finding.token)

    assert code == finding.code
    assert (code, finding.message) == (again.findings[0].code, again.findings[0].message)
    assert verdict.steps < 2000


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRESS)
def test_progress_design_is_proved(name):
    """No false cycle is found in a design that gets on."""
    verdict = check_design(PROGRESS[name], name, budget=LIMIT)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)


def test_there_are_twenty_of_each():
    """So many designs are tried."""
    assert len(ENDLESS) >= 20
    assert len(PROGRESS) >= 20


def test_fair_parts_are_those_of_all_subsets():
    """On random graphs the parts are what trying every set of states finds."""
    rng = random.Random(5)
    for _ in range(300):
        count = rng.choice((2, 3, 4))
        out = {s: [] for s in range(count)}
        for _edge in range(rng.randrange(1, 8)):
            out[rng.randrange(count)].append((rng.randrange(3), rng.randrange(count)))
        must = {s: {t for t, _to in out[s] if rng.random() < 0.7} for s in range(count)}

        found = fair_parts(range(count), Arrows(out), must.__getitem__, lambda step: step)

        assert set().union(*found) == set().union(*every_fair_set(out, must))


def every_fair_set(out, must):
    """All sets of states that lead to each other and in which everybody moves who must."""
    for size in range(1, len(out) + 1):
        for chosen in map(set, itertools.combinations(out, size)):
            inner = [(s, step, to) for s in chosen for step, to in out[s] if to in chosen]
            moved = {step for _s, step, _to in inner}
            if inner and is_connected(chosen, inner) and all(must[s] <= moved for s in chosen):
                yield chosen


def is_connected(chosen, edges):
    """Does every state lead to every other?"""
    for start in chosen:
        reached = {start}
        for _ in chosen:
            reached |= {to for s, _step, to in edges if s in reached}
        if reached != chosen:
            return False
    return True


def test_livelock_among_others_is_found():
    """Tasks that end, and tasks that wait for what never comes, hide no livelock."""

    def design(machine):
        a, b, never = Mutex("a"), Mutex("b"), WaitQueue("never")

        def take(one, other):
            while True:
                with one:
                    if other.trylock():
                        other.unlock()
                        return

        machine.kthread(lambda: take(a, b), "A")
        machine.kthread(lambda: take(b, a), "B")
        machine.kthread(lambda: None, "ends")
        machine.kthread(lambda: never.wait_event(lambda: False), "idle", idle=True)

    verdict = check_design(design, "design", budget=LIMIT)

    assert ["A and B repeat the same 6 steps for ever"] == [f.message for f in verdict.findings]


def test_loop_of_a_work_item_is_no_service():
    """A worker may run for ever, but not inside one item."""

    def design(machine):
        turn, flag = WaitQueue("turn"), Shared(0, "flag")

        def serve():
            task = machine.rt.current()
            while True:
                task.idle = True
                turn.wait_event(lambda: flag.read() == 0)
                task.idle = False
                while flag.read() == 0:
                    pass

        machine.kthread(serve, "server")

    verdict = check_design(design, "design", budget=LIMIT)

    assert ["DF001"] == [finding.code for finding in verdict.findings]


def test_growing_design_is_not_proved():
    """Where no state comes twice, nothing is claimed."""

    def design(machine):
        count = Shared(0, "count")

        def forever():
            while True:
                count.add(1)

        machine.kthread(forever, idle=True)

    verdict = check_design(
        design, "design", budget=Budget(seconds=None, executions=20, steps_per_execution=60)
    )

    assert verdict.status in (Status.BOUNDED, Status.INCONCLUSIVE)
    assert verdict.limit


def test_loop_that_reads_the_clock_is_not_judged():
    """A loop that ends when enough time has passed is neither a finding nor proved."""

    def design(machine):
        def poll():
            end = machine.rt.now() + 1000
            while machine.rt.now() < end:
                pass

        machine.kthread(poll)

    verdict = check_design(
        design, "design", budget=Budget(seconds=None, executions=20, steps_per_execution=60)
    )

    assert () == verdict.findings
    assert Status.PROVED is not verdict.status


def test_opaque_design_is_not_proved():
    """A loop in a design whose states cannot be compared is cut, as ever."""

    def design(machine):
        flag = Shared(0, "flag")
        held = itertools.chain([1])  # nobody can look into that

        def poll():
            while flag.read() == 0 and held:
                pass

        machine.kthread(poll, idle=True)

    verdict = check_design(
        design, "design", budget=Budget(seconds=None, executions=20, steps_per_execution=60)
    )

    assert verdict.status in (Status.BOUNDED, Status.INCONCLUSIVE)


def test_fence_of_a_turn_is_not_pending_for_ever():
    """A loop that makes a fence and signals it a turn later leaves none behind."""

    def design(machine):
        timeline = Timeline("gpu")

        def serve():
            fences = [timeline.fence(), timeline.fence()]
            while True:
                fence = timeline.fence()
                fence.publish()
                fences.append(fence)
                fences.pop(0).signal()

        machine.kthread(serve, "server", idle=True)

    verdict = check_design(design, "design", budget=LIMIT)

    assert (Status.PROVED, ()) == (verdict.status, verdict.findings)
