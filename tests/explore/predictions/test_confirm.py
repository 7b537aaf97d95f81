"""Predictions of the validator: each is confirmed by a schedule, refuted by exhaustion, or open."""

import pytest

from dmabuf import Mutex, Timeline, design
from dmabuf.codes import CODES
from dmabuf.explore.predictions.confirm import judge, predicted, watched
from dmabuf.explore.search import Budget
from dmabuf.report.judgement import Outcome
from dmabuf.rules import RULES
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp

CONFIRMED, REFUTED, UNKNOWN = Outcome.CONFIRMED, Outcome.REFUTED, Outcome.UNKNOWN


def designs_by_name():
    """All designs of the rules."""
    return {
        f"{code}.{fn.__name__}": fn
        for code, rule in RULES.items()
        for fn in (*rule.broken, *rule.kept)
    }


DESIGNS = designs_by_name()
EXPECTED = {
    "DF001.two_orders": {("DF001", CONFIRMED)},
    "DF001.one_order": set(),
    "DF001.orders_under_a_gate": {("DF001", REFUTED)},
    "DF001.one_after_the_other": {("DF001", REFUTED)},
    "DF107.signals_on_the_system_queue": {("DF107", CONFIRMED), ("DF205", CONFIRMED)},
    "DF107.nobody_waits_to_make_a_worker": {("DF107", REFUTED), ("DF205", CONFIRMED)},
    "DF109.leaves_it_to_recovery": {("DF205", CONFIRMED), ("DF205", REFUTED)},
    "DF201.tidies_before_the_signal": {("DF201", CONFIRMED), ("DF205", CONFIRMED)},
    "DF201.only_tries_the_lock": {("DF205", CONFIRMED)},
    "DF202.lock_across_wait": {("DF202", CONFIRMED), ("DF205", CONFIRMED)},
    "DF202.through_a_second_lock": {("DF202", CONFIRMED), ("DF205", CONFIRMED)},
    "DF202.trylock_on_the_way": {("DF205", CONFIRMED)},
    "DF202.signals_in_passing": {("DF202", REFUTED), ("DF205", REFUTED)},
    "DF301.allocates_before_it_signals": {("DF301", CONFIRMED), ("DF205", CONFIRMED)},
    "DF301.nobody_waits_in_reclaim": {("DF301", REFUTED), ("DF205", CONFIRMED)},
    "DF302.nofs_and_a_notifier_that_waits": {("DF302", CONFIRMED), ("DF205", CONFIRMED)},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_prediction_of_a_rules_design_is_judged(name):
    """What breaks a rule is confirmed; what only looks like it is refuted."""
    answers = predicted(DESIGNS[name], name)

    assert EXPECTED[name] == {(one.predicted.code, one.outcome) for one in answers}


@design
def annotated_and_allocating(machine):
    """Nobody in this design waits in reclaim, but a correct driver beside it may."""
    fence = Timeline("gpu").fence()

    def job():
        with signalling():
            allocate(Gfp.KERNEL, "a page table")
            fence.signal()

    machine.kthread(job)


def test_what_the_contract_allows_others_is_tried_with_a_neighbour():
    """The prediction rests on a permission; a driver that uses it shows the deadlock."""
    (answer,) = predicted(annotated_and_allocating, "d")

    assert ("DF301", CONFIRMED, True) == (answer.predicted.code, answer.outcome, answer.beside)
    assert answer.shown is not None
    assert "DF301" == answer.shown.code
    assert answer.shown.steps


def deep(rounds):
    """Two tasks that lock in two orders after so many steps of their own."""

    @design
    def inversion(machine):
        a, b, own = Mutex("A"), Mutex("B"), [Mutex(f"own {n}") for n in (0, 1)]

        def use(number, first, second):
            for _ in range(rounds):
                with own[number]:
                    pass
            with first, second:
                pass
            for _ in range(rounds):
                with own[number]:
                    pass

        machine.kthread(lambda: use(0, a, b), "one")
        machine.kthread(lambda: use(1, b, a), "two")

    return inversion


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 20])
def test_walks_confirm_what_the_budget_would_not_reach(rounds):
    """Directed walks need a few executions, whatever the number of schedules is."""
    (answer,) = predicted(deep(rounds), "d", budget=Budget(executions=20))

    assert ("DF001", CONFIRMED) == (answer.predicted.code, answer.outcome)


@design
def gated(machine):
    """The order differs, but a lock taken first keeps them apart; and there is much else to do."""
    a, b, gate = Mutex("A"), Mutex("B"), Mutex("gate")
    others = [Mutex(f"other {n}") for n in range(1)]

    def use(first, second):
        with gate, first, second:
            pass
        for other in others:
            with other:
                pass

    machine.kthread(lambda: use(a, b), "one")
    machine.kthread(lambda: use(b, a), "two")
    machine.kthread(lambda: use(a, b), "three")


@pytest.mark.slow
def test_limit_is_never_a_refutation():
    """A search that ends early leaves the prediction unknown, and says what ended it."""
    few = Budget(executions=5)

    (answer,) = predicted(gated, "d", budget=few)

    assert ("DF001", UNKNOWN) == (answer.predicted.code, answer.outcome)
    assert "5 executions" == answer.limit
    assert answer.shown is None


@pytest.mark.slow
def test_exhaustion_refutes_it():
    """The same prediction with enough of a budget."""
    (answer,) = predicted(gated, "d")

    assert ("DF001", REFUTED) == (answer.predicted.code, answer.outcome)


def test_silent_design_has_no_predictions():
    """No locks, nothing to predict."""

    @design
    def nothing(machine):
        machine.kthread(lambda: None, "one")

    assert () == predicted(nothing, "d")


STANDS_ALONE = {
    "pool_that_others_fill": "DF302",
    "nofs_where_no_notifier_waits": "DF302",
    "pages_are_pinned": "DF302",
}
"""Allocations that are right as long as no other driver's notifier waits for the fence."""


@pytest.mark.slow
def test_no_design_that_keeps_its_rule_is_confirmed_to_break_a_must():
    """Over all fixes and near-misses: what is confirmed is advice, or a rule of the same page."""
    wrong = []
    for fn in (fn for rule in RULES.values() for fn in rule.kept):
        validator = watched(fn)
        for one in validator.predictions:
            code = one.finding.code
            if code not in CODES or CODES[code].strength.value != "must":
                continue
            judged = judge(fn, fn.__name__, one, validator, budget=Budget(seconds=3.0))
            stands = judged.beside and STANDS_ALONE.get(fn.__name__) == code
            if judged.outcome is CONFIRMED and not stands:
                wrong.append((fn.__name__, code, one.finding.message))

    assert [] == wrong
