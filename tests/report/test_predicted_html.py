"""Predictions on the page: what became of each comes first, and a schedule can be unfolded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmabuf.report.finding import Finding
from dmabuf.report.html import html_page
from dmabuf.report.judgement import Judgement, Outcome
from dmabuf.report.verdict import Status, Verdict
from tests.report.every_finding import verdicts
from tests.report.tags import Tags

EVIL = "<script>alert(1)</script>"
FORESEEN = Finding("DF001", EVIL)


def page_of(*judgements: Judgement) -> str:
    """The page of a proved design with these."""
    return html_page([Verdict("f.py::d", Status.PROVED, predicted=judgements)])


@pytest.mark.parametrize(
    ("judgement", "words"),
    [
        (Judgement(Outcome.CONFIRMED, FORESEEN, FORESEEN, beside=True), "beside a driver"),
        (Judgement(Outcome.REFUTED, FORESEEN), "Every schedule was explored"),
        (Judgement(Outcome.UNKNOWN, FORESEEN, limit="5 <executions>"), "5 &lt;executions&gt;"),
    ],
    ids=["confirmed", "refuted", "unknown"],
)
def test_outcome_comes_before_what_was_foreseen(judgement: Judgement, words: str) -> None:
    """The chip, then the rule and the escaped sentence, then what the outcome rests on."""
    page = page_of(judgement)

    order = [page.index(one) for one in (f">{judgement.outcome.value}<", "<b>DF001</b>", words)]
    assert sorted(order) == order
    assert EVIL not in page


@pytest.mark.slow
def test_schedule_that_confirms_is_unfolded_and_replayed_where_that_is_possible() -> None:
    """Beside a neighbour the design alone does not come to it, so no line says how to replay it."""
    (shown, *_) = (one for verdict in verdicts() for one in verdict.findings if one.steps)
    alone = Judgement(Outcome.CONFIRMED, FORESEEN, replace(shown, token="abc"))

    pages = page_of(alone), page_of(replace(alone, beside=True))

    assert [1, 1] == [page.count("<details>") for page in pages]
    assert [True, False] == ["--replay" in page for page in pages]
    assert [0, 0] == [len(ids) - len(set(ids)) for ids in (Tags(page).ids for page in pages)]


def test_page_without_predictions_does_not_speak_of_them() -> None:
    """Nobody asked for them."""
    assert "Predicted" not in page_of()
