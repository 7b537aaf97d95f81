"""A finding about C source as a value: where it starts, how it gets there, and what it does.

>>> place = Place("drivers/gpu/drm/toy/toy.c", 12, "toy_run")
>>> finding = SourceFinding("DF301", Level.ERROR, "allocates with GFP_KERNEL", place, "toy_run")
>>> SourceFinding.from_data(finding.to_data()) == finding
True
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from dmabuf.report.finding import Place
from dmabuf.report.verdict import ExitCode

__all__ = ["Audited", "Evidence", "Hop", "Level", "Sink", "SourceFinding"]


class Level(enum.Enum):
    """How much a finding wants to be read; the order is that of reports."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Hop:
    """One function of a chain.

    Attributes:
        place: the line in it that leads on; in the last one, the line that does it.
        text: what that line does, such as "calls toy_emit" or "kzalloc(..., GFP_KERNEL)".
        how: how sure that is: "direct", "macro", "instance", "field", "work", "guess"; empty for
            the last one.
        note: a condition on the way, such as "if intr"; empty if there is none.
    """

    place: Place
    text: str
    how: str = ""
    note: str = ""

    @staticmethod
    def from_data(data: dict[str, Any]) -> Hop:
        """The hop that `asdict` wrote."""
        fields: dict[str, Any] = {**data, "place": Place(**data["place"])}
        return Hop(**fields)


@dataclass(frozen=True, slots=True)
class Sink:
    """Another line that does the same beyond the same choke point."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The other side: why what is done here is forbidden, such as a lock held over a wait."""

    text: str
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """One way that the contract forbids.

    Attributes:
        code: the rule.
        level: error, warning, info.
        message: what is wrong, in one sentence without a full stop.
        place: the line to look at first.
        root: the function where the way starts.
        entry: what that function is, such as "run_job of toy_ops, a scheduler callback".
        scheduled: what runs it: work, queue and flags, timer, irq; empty where `entry` says it all.
        hops: the way, from the root to the line that does it.
        sinks: more lines that do the same beyond the same choke point.
        evidence: the other sides.
        hint: where an annotation would let lockdep confirm it.
        key: what makes it the same finding in the next tree; of names, never of lines.
        sure: between 0 and 1.
    """

    code: str
    level: Level
    message: str
    place: Place
    root: str
    entry: str = ""
    scheduled: str = ""
    hops: tuple[Hop, ...] = ()
    sinks: tuple[Sink, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    hint: str = ""
    key: str = ""
    sure: float = 1.0

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands in a report: by level, then by file, line and rule."""
        place = self.place
        return (self.level.rank, place.file, place.line, self.code, self.key)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON; what `dataclasses.asdict` says, which takes six times as long."""
        return {
            "code": self.code,
            "level": self.level.value,
            "message": self.message,
            "place": _place_data(self.place),
            "root": self.root,
            "entry": self.entry,
            "scheduled": self.scheduled,
            "hops": _hops_data(self.hops),
            "sinks": tuple(
                {"place": _place_data(one.place), "text": one.text} for one in self.sinks
            ),
            "evidence": tuple(
                {"text": one.text, "hops": _hops_data(one.hops)} for one in self.evidence
            ),
            "hint": self.hint,
            "key": self.key,
            "sure": self.sure,
        }

    @staticmethod
    def from_data(data: dict[str, Any]) -> SourceFinding:
        """The finding that `to_data` wrote."""
        fields: dict[str, Any] = {
            **data,
            "level": Level(data["level"]),
            "place": Place(**data["place"]),
            "hops": _hops(data["hops"]),
            "sinks": tuple(Sink(Place(**one["place"]), one["text"]) for one in data["sinks"]),
            "evidence": tuple(
                Evidence(one["text"], _hops(one["hops"])) for one in data["evidence"]
            ),
        }
        return SourceFinding(**fields)


def _place_data(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "function": place.function}


def _hops_data(hops: tuple[Hop, ...]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"place": _place_data(one.place), "text": one.text, "how": one.how, "note": one.note}
        for one in hops
    )


def _hops(data: list[dict[str, Any]]) -> tuple[Hop, ...]:
    return tuple(Hop.from_data(one) for one in data)


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of one tree of C source.

    Attributes:
        subject: as the user named it.
        findings: in the order of reports.
        files, functions, bytes_read: how much was looked at.
        bytes_in_flaws: how much of it was not understood.
        suppressed, known: findings left out, with a reason or because the baseline has them.
        below: findings under the level that was asked for.
        seconds: how long it took.
        notes: further sentences: files that could not be used, suppressions that match nothing.
        limit: what ended it early; empty if it came to its end.
    """

    subject: str
    findings: tuple[SourceFinding, ...] = ()
    files: int = 0
    functions: int = 0
    bytes_read: int = 0
    bytes_in_flaws: int = 0
    suppressed: int = 0
    known: int = 0
    below: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    limit: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """1 with findings, 4 if it did not come to its end, else 0."""
        if self.findings:
            return ExitCode.FINDINGS
        return ExitCode.UNDECIDED if self.limit else ExitCode.CLEAN

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data["findings"] = [finding.to_data() for finding in self.findings]
        data["notes"] = list(self.notes)
        return data
