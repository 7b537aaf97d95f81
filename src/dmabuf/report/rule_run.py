"""What became of a rule's designs, as text: expected and got, and how the rule is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dmabuf.report.columns import clean, pad
from dmabuf.report.judgement import judgement_lines
from dmabuf.report.schedule import schedule_lines
from dmabuf.report.style import Style
from dmabuf.report.verdict import Verdict

__all__ = ["RunOfRule", "broken_lines", "run_lines"]

_ROWS = 7
"""Lines of the schedule, so that all of it is about ten."""


class RunOfRule(Protocol):
    """The outcome of running a rule's designs."""

    @property
    def code(self) -> str:
        """The rule."""
        ...

    @property
    def ok(self) -> bool:
        """Is every verdict as declared?"""
        ...

    @property
    def lines(self) -> Sequence[tuple[str, str, str]]:
        """Design, expected and got."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...

    @property
    def broken(self) -> Verdict | None:
        """What became of the counterexample."""
        ...


def run_lines(run: RunOfRule, style: Style) -> list[str]:
    """One line per design: expected and got."""
    lines: list[str] = []
    width = max((len(name) for name, _expected, _got in run.lines), default=0)
    for name, expected, got in run.lines:
        mark = style.paint("good", "ok") if expected == got else style.paint("bad", "DIFFERS")
        told = f"expected {expected}, got {got}"
        lines.append(f"{style.paint('rule', run.code)}  {pad(name, width)}  {told}  {mark}")
    return lines


def broken_lines(run: RunOfRule, style: Style) -> list[str]:
    """How the counterexample breaks the rule, in about ten lines; none if it does not."""
    verdict = run.broken
    if verdict is None or not (verdict.findings or verdict.predicted):
        return []
    if not verdict.findings:
        return judgement_lines(verdict.predicted, style)
    finding = verdict.findings[0]
    lines = [style.paint("head", f"{clean(verdict.subject)} breaks {run.code}:")]
    if finding.steps:
        lines += schedule_lines(finding, style.width, style.paint, style.places, _ROWS)
    return [*lines, *style.wrap(clean(finding.message), "  ")]
