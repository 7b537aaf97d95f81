"""A schedule as spans on lanes: who holds a lock, which fence is pending, who waits, until when.

Time is counted in steps: a span begins with the step at `start` and ends with the step at `end`,
both indices into the steps that a finding's schedule made. -1 is the state before the first step.

>>> held = Span("lock", "A", "reader", start=0, end=4)
>>> Timeline((Lane("reader", "kthread"),), (held,)).of("lock") == (held,)
True
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Lane", "Span", "Timeline"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A task of the timeline: its name, its trust class, and the CPU that it is bound to."""

    name: str
    kind: str = ""
    cpu: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts.

    Attributes:
        kind: "lock" (held by `task`), "fence" (published and pending) or "wait" (of `task`).
        what: name of the lock, the fence, or of what is waited for.
        task: who holds or waits; of a fence the one whose signal ended it.
        start: index of the step with which it began; -1 if it was so from the start.
        end: index of the step that ended it; None while it goes on.
        by: tasks that end it: of a wait that was ended the one that did, of one that goes on those
            that could.
        via: of a wait, what kind of thing is waited for: "lock", "fence", "event" or "irq".
        idle: it is the wait of a task that nobody owes work to.
    """

    kind: str
    what: str
    task: str = ""
    start: int = -1
    end: int | None = None
    by: tuple[str, ...] = ()
    via: str = ""
    idle: bool = False

    @staticmethod
    def from_data(data: dict[str, Any]) -> Span:
        """The span that `asdict` wrote."""
        fields: dict[str, Any] = {**data, "by": tuple(data["by"])}
        return Span(**fields)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes in order of their tasks' start, and spans in order of their beginning."""

    lanes: tuple[Lane, ...] = ()
    spans: tuple[Span, ...] = ()

    def of(self, kind: str) -> tuple[Span, ...]:
        """The spans of one kind."""
        return tuple(span for span in self.spans if span.kind == kind)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any] | None) -> Timeline | None:
        """The timeline that `to_data` wrote."""
        if data is None:
            return None
        return Timeline(
            tuple(Lane(**one) for one in data["lanes"]),
            tuple(Span.from_data(one) for one in data["spans"]),
        )
