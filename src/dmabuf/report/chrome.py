"""Findings as a trace for Perfetto or chrome://tracing, with arrows from who ends a wait.

Every finding is a process, every task a thread of it; locks held and pending fences are
asynchronous events beside them. A step takes a millisecond there, since schedules have an order
and no durations. The format: "Trace Event Format" (Google, 2016), the JSON object form.

>>> trace_data([])["traceEvents"]
[]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dmabuf.report.finding import Finding, Step
from dmabuf.report.timeline import Span, Timeline
from dmabuf.report.verdict import Trouble, Verdict

__all__ = ["trace_data"]

_STEP_US = 1000

Event = dict[str, Any]


def trace_data(results: Sequence[Verdict | Trouble]) -> dict[str, Any]:
    """The findings of all verdicts as one JSON document."""
    events: list[Event] = []
    process = 0
    for result in results:
        if isinstance(result, Trouble):
            continue
        for finding in result.findings:
            if finding.steps:
                process += 1
                events += _Process(process, result.subject, finding).events()
    return {"traceEvents": events, "displayTimeUnit": "ms"}


class _Process:
    """The events of one finding."""

    def __init__(self, process: int, subject: str, finding: Finding) -> None:
        self.process = process
        self.subject = subject
        self.finding = finding
        self.timeline = finding.timeline or Timeline()
        self.made = [step for step in finding.steps if not step.blocked]
        names = [lane.name for lane in self.timeline.lanes]
        names += [step.task for step in finding.steps]
        names += [span.task for span in self.timeline.of("wait")]
        self.tasks = {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
        self.end = (len(self.made) + 2) * _STEP_US

    def events(self) -> list[Event]:
        """Names first, then what happens."""
        made = [self._meta("process_name", f"{self.subject}: {self.finding.code}")]
        for name, thread in self.tasks.items():
            made.append(self._meta("thread_name", name, thread))
            made.append(self._meta("thread_sort_index", thread, thread))
        made += [self._step(number, step) for number, step in enumerate(self.made)]
        for number, span in enumerate(self.timeline.spans):
            made += self._span(number, span)
        return made

    def _meta(self, kind: str, value: str | int, thread: int = 0) -> Event:
        key = "sort_index" if kind.endswith("sort_index") else "name"
        event = {"ph": "M", "name": kind, "pid": self.process, "tid": thread, "ts": 0}
        return {**event, "args": {key: value}}

    def _step(self, number: int, step: Step) -> Event:
        place = step.place
        args: dict[str, Any] = {"step": number + 1, "operation": step.op}
        if place is not None:
            args["place"] = f"{place.file}:{place.line}"
        if step.note:
            args["note"] = step.note
        return self._lasting("step", step.text, self.tasks[step.task], number, number, args)

    def _lasting(
        self, kind: str, name: str, thread: int, first: int, last: int, args: dict[str, Any]
    ) -> Event:
        """Something from the beginning of one step to the end of another."""
        start = (first + 1) * _STEP_US
        return {
            "ph": "X",
            "name": name,
            "cat": kind,
            "pid": self.process,
            "tid": thread,
            "ts": start,
            "dur": (last + 2) * _STEP_US - start - 1,
            "args": args,
        }

    def _span(self, number: int, span: Span) -> list[Event]:
        if span.kind == "wait":
            return self._wait(number, span)
        name = f"{span.what} held by {span.task}" if span.kind == "lock" else f"{span.what} pending"
        thread = self.tasks.get(span.task, 0)
        ident = f"{self.process}.{number}"
        common = {"cat": span.kind, "name": name, "id": ident, "pid": self.process, "tid": thread}
        end = self.end if span.end is None else (span.end + 1) * _STEP_US
        return [
            {"ph": "b", **common, "ts": (span.start + 1) * _STEP_US},
            {"ph": "e", **common, "ts": end},
        ]

    def _wait(self, number: int, span: Span) -> list[Event]:
        """A wait, and the arrow from the step that ended it or to who would have to."""
        thread = self.tasks[span.task]
        name = f"waits for {span.what}"
        first = span.start + 1
        alone = span.by == (span.task,)  # a timeout or a signal: its own step ends the wait
        last = len(self.made) if span.end is None else span.end - alone
        if first > last:
            return []
        made = [self._lasting("wait", name, thread, first, last, {})]
        for one, other in enumerate(span.by):
            if other not in self.tasks or span.idle or alone:
                continue
            ident = f"{self.process}.{number}.{one}"
            if span.end is None:
                ends = [(thread, self.end - _STEP_US // 2), (self.tasks[other], self.end - 2)]
            else:
                at = (span.end + 1) * _STEP_US
                ends = [(self.tasks[other], at + 1), (thread, at + _STEP_US // 2)]
            made += self._arrow(ident, "would end" if span.end is None else "ends", ends)
        return made

    def _arrow(self, ident: str, name: str, ends: list[tuple[int, int]]) -> list[Event]:
        common = {"cat": "wait", "name": name, "id": ident, "pid": self.process}
        (start, at), (target, then) = ends
        return [
            {"ph": "s", **common, "tid": start, "ts": at},
            {"ph": "f", "bp": "e", **common, "tid": target, "ts": then},
        ]
