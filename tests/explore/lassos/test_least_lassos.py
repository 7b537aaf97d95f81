"""The least way to show a run for ever, compared with all ways there are."""

import itertools

import pytest

from dmabuf import Shared, check_design
from dmabuf.explore.lassos.liveness import States, lassos
from dmabuf.rt.strategy import VARIANTS
from tests.explore.lassos.livelock_designs import ENDLESS
from tests.explore.stateful import explored

LONGEST = 9
SMALL = (
    "back_off_pair",
    "spins_for_nobody",
    "spins_under_the_lock",
    "spins_for_userspace",
    "writer_never_ends",
    "tries_a_busy_lock",
    "never_completed",
    "undoes_the_others_work",
    "polls_hardware_that_hangs",
    "polls_userspace_before_the_signal",
    "allocates_until_it_works",
    "polls_with_the_signallers_lock",
)


def movers(steps):
    """Whose steps they are."""
    return {step // VARIANTS for step in steps}


def cost(stem, turn):
    """Steps that are not ordinary, all steps, switches in the stem and in the turn."""
    switches = sum(
        a // VARIANTS != b // VARIANTS
        for steps in (stem, turn)
        for a, b in itertools.pairwise(steps)
    )
    return sum(step % VARIANTS > 0 for step in (*stem, *turn)), len(stem) + len(turn), switches


def least_of_all(states, lasso):
    """The least cost of any lasso by the same tasks in which the same is wrong."""
    best, wrong = cost(lasso.stem, lasso.turn), lasso.wrong
    around, before = movers(lasso.turn), movers(lasso.stem) | movers(lasso.turn)
    waiting = [((0,), ())]
    while waiting:
        path, steps = waiting.pop()
        for at in (i for i, state in enumerate(path[:-1]) if state == path[-1]):
            inside = [states.facts[state] for state in path[at:]]
            fair = all(set(facts.must) <= movers(steps[at:]) for facts in inside)
            same = movers(steps[at:]) <= around and all(wrong <= set(f.wrong) for f in inside)
            if fair and same:
                best = min(best, cost(steps[:at], steps[at:]))
        if len(steps) < best[1]:
            for step, to in states.arrows.out[path[-1]]:
                if step // VARIANTS in before:
                    waiting.append(((*path, to), (*steps, step)))
    return best


@pytest.mark.parametrize("name", SMALL)
def test_lasso_is_the_least_there_is(name):
    """No lasso by the same tasks has fewer odd steps, fewer steps or fewer switches."""
    _search, graph = explored(ENDLESS[name][0], sleep=False)
    states = States(graph)

    found = [lasso for lasso in lassos(graph) if cost(lasso.stem, lasso.turn)[1] <= LONGEST]

    assert found
    assert [cost(one.stem, one.turn) for one in found] == [least_of_all(states, o) for o in found]


def test_lasso_leaves_out_a_task_that_takes_no_part():
    """A process that writes somewhere else for ever is in no turn, and not on the way there."""

    def design(machine):
        flag, other = Shared(0, "flag"), Shared(0, "other")

        def spin():
            while not flag.read():
                pass

        def write():
            while True:
                other.write(1)
                other.write(0)

        machine.userspace(write, "process")
        machine.kthread(spin, "spinner")

    finding = check_design(design, "design", engine="graph").findings[0]

    assert (1, {"spinner"}) == (finding.turn, {step.task for step in finding.steps[:2]})


def test_lasso_has_ordinary_outcomes_where_it_can():
    """A choice that the run for ever does not need goes the ordinary way."""

    def design(machine):
        flag = Shared(0, "flag")

        def spin():
            machine.choose(3)
            while not flag.read():
                machine.may_fail("nothing")

        machine.kthread(spin, "spinner")

    finding = check_design(design, "design", engine="graph").findings[0]

    assert [] == [step.note for step in finding.steps if "way 1" in step.note]
