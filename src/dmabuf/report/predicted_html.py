"""What became of the validator's predictions, as a part of the page: the outcome comes first.

>>> said = Judgement(Outcome.REFUTED, Finding("DF001", "two <orders>"))
>>> part = predicted_html((said,), Places(), lambda _finding, _ident: "", "p")
>>> "REFUTED" in part, "two &lt;orders&gt;" in part
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dmabuf.report.finding import Finding
from dmabuf.report.judgement import Judgement, Outcome
from dmabuf.report.schedule import Places
from dmabuf.report.svg import text

__all__ = ["predicted_html"]

_CLASS = {Outcome.CONFIRMED: "bad", Outcome.REFUTED: "good", Outcome.UNKNOWN: "unsure"}

ShowFinding = Callable[[Finding, str], str]
"""Draws a finding; the second argument makes its ids different from others."""


def predicted_html(
    judgements: Sequence[Judgement], places: Places, show: ShowFinding, ident: str
) -> str:
    """A heading and an entry for each; nothing without any.

    Args:
        judgements: what was predicted, and what became of it.
        places: how places in source are written.
        show: draws the schedule that confirms one.
        ident: makes ids different from others.
    """
    if not judgements:
        return ""
    entries = [
        _entry(one, places, show, f"{ident}p{number}") for number, one in enumerate(judgements, 1)
    ]
    return f'<h3>Predicted by the validator</h3><ul class="predicted">{"".join(entries)}</ul>'


def _entry(one: Judgement, places: Places, show: ShowFinding, ident: str) -> str:
    foreseen = one.predicted
    chip = f'<span class="chip {_CLASS[one.outcome]}">{one.outcome.value}</span>'
    said = f"<b>{text(foreseen.code)}</b> {text(foreseen.message)}"
    how = text(_how(one))
    place = text(places.text(foreseen.place))
    lines = [f"<p>{chip} {said}</p>"]
    lines += [f'<p class="quiet">{line}</p>' for line in (how, place and f"at {place}") if line]
    shown = one.shown
    if shown is not None and shown.steps:
        # the design alone does not come to what takes a neighbour, so there is no replaying it
        whole = replace(shown, token="") if one.beside else shown
        drawn = show(whole, ident)
        lines.append(f"<details><summary>A schedule that shows it</summary>{drawn}</details>")
    return f"<li>{''.join(lines)}</li>"


def _how(one: Judgement) -> str:
    """What the outcome rests on."""
    if one.outcome is Outcome.REFUTED:
        return "Every schedule was explored, and none comes to that."
    if one.outcome is Outcome.UNKNOWN:
        return f"Not decided: {one.limit}."
    if one.beside:
        return "So it is, beside a driver that does what the contract allows."
    return ""
