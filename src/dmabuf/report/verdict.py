"""A verdict as a value: what is known about one design, and how it came to be known.

>>> Verdict("f.py::fixed", Status.PROVED).exit_code
<ExitCode.CLEAN: 0>
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dmabuf.report.finding import Finding, Place
from dmabuf.report.judgement import Judgement, Outcome

__all__ = ["ExitCode", "Exported", "Result", "Status", "Trouble", "Verdict", "worst"]


class ExitCode(enum.IntEnum):
    """Exit codes of the command line."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    NOT_AVAILABLE = 3
    UNDECIDED = 4
    INTERNAL = 70
    INTERRUPTED = 130


_WORST_FIRST = (
    ExitCode.INTERRUPTED,
    ExitCode.INTERNAL,
    ExitCode.USAGE,
    ExitCode.FINDINGS,
    ExitCode.NOT_AVAILABLE,
    ExitCode.UNDECIDED,
    ExitCode.CLEAN,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of several inputs together."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), ExitCode.CLEAN)


class Status(enum.Enum):
    """What a search can say. A limit that was reached is never a pass."""

    PROVED = "PROVED"
    VIOLATED = "VIOLATED"
    BOUNDED = "BOUNDED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one design.

    Attributes:
        subject: "file.py::design".
        findings: each distinct one, the leading rule's first.
        executions: complete executions, no two of them equivalent.
        cut: executions ended by a limit before their end.
        asleep: executions abandoned as equivalent to one made before.
        steps: steps made for the first time; `replayed` were repeated to get there.
        sampled: executions beside these, of engines that prove nothing, such as random walks.
        seconds: of search.
        assumed: what the answer takes for granted.
        limit: which limit was reached, empty if none.
        carrier: "greenlet" or "threads".
        engine: the one whose executions were counted.
        predicted: what the validator foresaw, if it was asked, and what became of that.
    """

    subject: str
    status: Status
    findings: tuple[Finding, ...] = ()
    executions: int = 0
    cut: int = 0
    asleep: int = 0
    steps: int = 0
    replayed: int = 0
    sampled: int = 0
    seconds: float = 0.0
    assumed: tuple[str, ...] = ()
    limit: str = ""
    carrier: str = ""
    engine: str = ""
    notes: tuple[str, ...] = field(default=())
    predicted: tuple[Judgement, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0 proved, 1 findings, also confirmed predictions, 4 undecided."""
        outcomes = {one.outcome for one in self.predicted}
        if self.findings or Outcome.CONFIRMED in outcomes:
            return ExitCode.FINDINGS
        decided = self.status is Status.PROVED and Outcome.UNKNOWN not in outcomes
        return ExitCode.CLEAN if decided else ExitCode.UNDECIDED

    def _repr_html_(self) -> str:
        """The page about this verdict in a frame of its own, for notebooks."""
        from dmabuf.report.html import html_frame

        return html_frame(self)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data["status"] = self.status.value
        data["findings"] = [finding.to_data() for finding in self.findings]
        data["assumed"] = list(self.assumed)
        data["notes"] = list(self.notes)
        data["predicted"] = [one.to_data() for one in self.predicted]
        return data

    @staticmethod
    def from_data(data: dict[str, Any]) -> Verdict:
        """The verdict that `to_data` wrote."""
        fields: dict[str, Any] = {
            **data,
            "status": Status(data["status"]),
            "findings": tuple(Finding.from_data(one) for one in data["findings"]),
            "assumed": tuple(data["assumed"]),
            "notes": tuple(data["notes"]),
            "predicted": tuple(Judgement.from_data(one) for one in data["predicted"]),
        }
        return Verdict(**fields)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An input that could not be used: what, where, and what to do about it."""

    subject: str
    message: str
    remedy: str = ""
    place: Place | None = None
    exit_code: ExitCode = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Exported:
    """A design in the language of another tool, which is no verdict about it.

    Attributes:
        subject: "file.py::design".
        language: such as "promela".
        text: a file for that tool.
    """

    subject: str
    language: str
    text: str
    exit_code: ExitCode = ExitCode.CLEAN


Result = Verdict | Trouble | Exported
"""What becomes of a design, or of a file."""
