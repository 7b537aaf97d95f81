"""Every rule runs: counterexamples are found, fixes proved, near-misses stay silent."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from dmabuf.explore.check import Budget, check_design, replay_design
from dmabuf.machine import Design
from dmabuf.report.finding import Finding
from dmabuf.report.judgement import Outcome
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rules import RULES, Rule, run_rule
from dmabuf.rules.frame import assemble, explored

CARRIERS = ["greenlet", "threads"]
BROKEN = [
    pytest.param(code, fn, id=f"{code}-{fn.__name__}")
    for code, rule in RULES.items()
    if not rule.is_judged
    for fn in rule.broken
]
JUDGED = [code for code, rule in RULES.items() if rule.is_judged]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("code", RULES)
def test_rule_designs_are_as_declared(code: str, carrier: str) -> None:
    """Broken designs lead with the rule, and what else is found follows from it; kept ones pass."""
    rule = RULES[code]

    run = run_rule(rule, carrier=carrier)

    assert [(name, expected) for name, expected, _got in run.lines] == [
        (name, got) for name, _expected, got in run.lines
    ]
    assert run.ok
    assert [fn.__name__ for fn in (*rule.broken, *rule.kept)] == [line[0] for line in run.lines]


@pytest.mark.parametrize("code", [code for code in RULES if code != "DF005"])
def test_rule_verdicts_are_the_same_on_both_carriers(code: str) -> None:
    """Findings, counts and schedules of a rule's designs do not depend on the carrier."""
    for fn in (*RULES[code].broken, *RULES[code].kept):
        one, other = (check_design(fn, fn.__name__, carrier=carrier) for carrier in CARRIERS)

        assert one.findings == other.findings
        assert (one.executions, one.steps) == (other.executions, other.steps)


@pytest.mark.parametrize(("code", "fn"), [p for p in BROKEN if p.values[0] != "DF005"])
def test_rule_token_shows_the_finding_again(code: str, fn: Design) -> None:
    """A finding's token replays to the same rule, the same words and the same schedule."""
    for finding in check_design(fn, fn.__name__).findings:
        again = replay_design(fn, fn.__name__, finding.token).findings

        assert [replace(finding, fewest=False)] == [replace(one, fewest=False) for one in again]


@pytest.mark.parametrize(("code", "fn"), BROKEN)
def test_rule_finding_points_into_the_rule(code: str, fn: Design) -> None:
    """The place to look at is a line of the page's own module."""
    finding = check_design(fn, fn.__name__).findings[0]

    assert finding.place is not None
    assert fn.__code__.co_filename == finding.place.file  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", JUDGED)
def test_advice_points_into_the_rule(code: str) -> None:
    """A confirmed prediction names a line of its design, whatever its tasks run on."""
    for fn in RULES[code].broken:
        one, other = (explored(RULES[code], fn, carrier=carrier) for carrier in CARRIERS)
        told = [judged for judged in one.predicted if judged.outcome is Outcome.CONFIRMED]

        assert _told(one) == _told(other)
        assert [True] == [_lies_in(fn, judged.predicted) for judged in told]


def _told(verdict: Verdict) -> list[tuple[Outcome, str]]:
    return [(judged.outcome, judged.predicted.message) for judged in verdict.predicted]


def _lies_in(fn: Design, finding: Finding) -> bool:
    return finding.place is not None and finding.place.file == fn.__code__.co_filename  # type: ignore[attr-defined]


def test_rules_together_are_quick() -> None:
    """All designs of all rules are explored in less than five seconds of processor time."""
    started = time.process_time()

    assert all(run_rule(rule).ok for rule in RULES.values())

    assert time.process_time() - started < 5


# --- the runner itself -------------------------------------------------------------------------


def _lines(rule: Rule, **changes: object) -> dict[str, str]:
    run = run_rule(replace(rule, near_misses=(), variants=(), **changes))  # type: ignore[arg-type]
    assert not run.ok
    return {name: got for name, expected, got in run.lines if expected != got}


def test_run_rule_reports_a_counterexample_that_breaks_nothing() -> None:
    """A page whose counterexample is proved is not as declared."""
    rule = RULES["DF202"]

    assert {"drops_the_lock_first": "PROVED"} == _lines(rule, counterexample=rule.fix)


def test_run_rule_reports_a_fix_that_breaks_the_rule() -> None:
    """A page whose fix is violated is not as declared."""
    rule = RULES["DF202"]

    assert {"lock_across_wait": "VIOLATED DF202"} == _lines(rule, fix=rule.counterexample)


def test_run_rule_reports_a_counterexample_of_another_rule() -> None:
    """A counterexample must lead with the rule of its page, not with any rule."""
    rule = RULES["DF202"]
    other = RULES["DF108"].counterexample

    assert {"waits_for_a_process": "VIOLATED DF108"} == _lines(rule, counterexample=other)


@pytest.mark.parametrize("code", JUDGED)
def test_run_rule_reports_advice_that_is_not_as_declared(code: str) -> None:
    """A prediction that is confirmed where none is declared, and the other way round."""
    rule = RULES[code]
    bad, good = rule.counterexample.__name__, rule.fix.__name__  # type: ignore[attr-defined]

    assert {bad: f"PROVED, CONFIRMED {code}"} == _lines(rule, fix=rule.counterexample)
    assert {good: "PROVED"} == _lines(rule, counterexample=rule.fix)


def test_run_rule_reports_findings_that_do_not_follow() -> None:
    """Rules that are broken besides must be implied by the page's rule."""
    rule = RULES["DF109"]

    def both(machine: object) -> None:
        rule.counterexample(machine)  # type: ignore[arg-type]
        RULES["DF001"].counterexample(machine)  # type: ignore[arg-type]

    assert {"both": "VIOLATED DF109 and DF001, which it does not imply"} == _lines(
        rule, counterexample=both
    )


def test_run_rule_takes_no_limit_for_a_pass() -> None:
    """A budget that ends the search of a fix makes the page not as declared."""
    rule = replace(RULES["DF001"], near_misses=(), variants=())

    run = run_rule(rule, budget=Budget(executions=1))

    assert not run.ok
    assert ("one_order", "PROVED", "INCONCLUSIVE 1 executions") == run.lines[-1]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"code": "DF999"}, "not in codes", id="unknown"),
        pytest.param({}, "two pages", id="twice"),
        pytest.param({"code": "DF005", "fix": lambda machine: None}, "lacks @design", id="mark"),
    ],
)
def test_assemble_refuses(changes: dict[str, object], word: str) -> None:
    """Unknown IDs, second pages and functions that are no designs are refused."""
    rule = RULES["DF001"]

    with pytest.raises(ValueError, match=word):
        assemble([rule, replace(rule, **changes)], audited={})  # type: ignore[arg-type]


# --- what the designs taught the explorer ------------------------------------------------------


def test_status_of_a_task_that_ends_with_a_lock_is_violated() -> None:
    """A lock kept at the end of a task is found even if nobody else wants it."""
    fn = next(fn for fn in RULES["DF004"].variants if fn.__name__ == "returns_with_the_lock")

    verdict = check_design(fn, fn.__name__)

    assert Status.VIOLATED is verdict.status
    assert "submit ended while it held ring" == verdict.findings[0].message
