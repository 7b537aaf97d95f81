"""What became of a prediction: confirmed with a schedule, refuted by exhaustion, or unknown.

>>> print(judgement_lines((Judgement(Outcome.REFUTED, Finding("DF001", "two orders")),))[1])
    REFUTED    DF001 two orders: every schedule was explored
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dmabuf.report.columns import clean
from dmabuf.report.finding import Finding
from dmabuf.report.style import Style

__all__ = ["Judgement", "Outcome", "judgement_lines"]

_MARK = {"CONFIRMED": "bad", "REFUTED": "good", "UNKNOWN": "unsure"}


class Outcome(enum.Enum):
    """What became of a prediction."""

    CONFIRMED = "CONFIRMED"
    REFUTED = "REFUTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A prediction and what became of it.

    Attributes:
        outcome: CONFIRMED, REFUTED or UNKNOWN.
        predicted: what the validator foresaw from runs that did not come to it.
        shown: the finding with a schedule that confirms it; it may be another view of it.
        limit: what ended the search, if it is unknown.
        beside: it takes a neighbour that uses a permission of the contract.
    """

    outcome: Outcome
    predicted: Finding
    shown: Finding | None = None
    limit: str = ""
    beside: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "outcome": self.outcome.value,
            "predicted": self.predicted.to_data(),
            "shown": self.shown.to_data() if self.shown is not None else None,
            "limit": self.limit,
            "beside": self.beside,
        }

    @staticmethod
    def from_data(data: dict[str, Any]) -> Judgement:
        """The judgement that `to_data` wrote."""
        shown = data["shown"]
        return Judgement(
            Outcome(data["outcome"]),
            Finding.from_data(data["predicted"]),
            Finding.from_data(shown) if shown is not None else None,
            data["limit"],
            data["beside"],
        )


def judgement_lines(judgements: Sequence[Judgement], style: Style | None = None) -> list[str]:
    """A heading and a few lines for each: the outcome first."""
    style = style or Style()
    if not judgements:
        return []
    lines = [style.paint("head", "  Predicted by the validator")]
    for one in judgements:
        word = style.paint(_MARK[one.outcome.value], f"{one.outcome.value:<9}")
        margin = " " * 15
        first, *rest = style.wrap(f"{one.predicted.code} {_said(one)}", margin)
        lines += [f"    {word}  {first.lstrip()}", *rest]
        place = style.places.text(one.predicted.place)
        if place:
            lines.append(f"{margin}at {place}")
    return lines


def _said(one: Judgement) -> str:
    message = clean(one.predicted.message)
    if one.outcome is Outcome.REFUTED:
        return f"{message}: every schedule was explored"
    if one.outcome is Outcome.UNKNOWN:
        return f"{message}: not decided ({clean(one.limit)})"
    if one.beside:
        return f"{message}: so it is, beside a driver that does what the contract allows"
    return message
