"""Judgements of predictions, as data and as text."""

import pytest

from dmabuf.report.finding import Finding
from dmabuf.report.judgement import Judgement, Outcome, judgement_lines
from dmabuf.report.text import verdict_text
from dmabuf.report.verdict import ExitCode, Status, Verdict

PREDICTED = Finding("DF001", "two orders")


def verdict(*outcomes, status=Status.PROVED):
    """A verdict with so many judgements."""
    judged = tuple(Judgement(one, PREDICTED, limit="5 s") for one in outcomes)
    return Verdict("f.py::d", status, predicted=judged)


@pytest.mark.parametrize("outcome", Outcome)
def test_judgement_survives_its_data(outcome):
    """A child process sends it to its parent."""
    before = verdict(outcome)

    assert before == Verdict.from_data(before.to_data())


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), ExitCode.CLEAN),
        ((Outcome.REFUTED,), ExitCode.CLEAN),
        ((Outcome.UNKNOWN,), ExitCode.UNDECIDED),
        ((Outcome.UNKNOWN, Outcome.CONFIRMED), ExitCode.FINDINGS),
    ],
    ids=["none", "refuted", "unknown", "confirmed"],
)
def test_exit_code_counts_predictions(outcomes, code):
    """What is confirmed is a finding; what is unknown is undecided, never clean."""
    assert code is verdict(*outcomes).exit_code


def test_report_leads_with_them():
    """Outcome, rule and message come before everything else."""
    text = verdict_text(verdict(Outcome.CONFIRMED))

    assert [
        "f.py::d: PROVED",
        "  Predicted by the validator",
        "    CONFIRMED  DF001 two orders",
    ] == (text.splitlines()[:3])


def test_unknown_says_what_ended_the_search():
    """A limit is named."""
    lines = judgement_lines(verdict(Outcome.UNKNOWN).predicted)

    assert "    UNKNOWN    DF001 two orders: not decided (5 s)" == lines[1]
