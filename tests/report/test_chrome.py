"""Traces keep the rules of the trace event format, whatever was found."""

import json

import pytest

from dmabuf.report.chrome import trace_data
from dmabuf.report.finding import Finding, Step
from dmabuf.report.timeline import Lane, Span, Timeline
from dmabuf.report.verdict import Status, Trouble, Verdict
from tests.report.every_finding import verdicts

NEEDED = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur"},
    "b": {"name", "cat", "pid", "tid", "ts", "id"},
    "e": {"name", "cat", "pid", "tid", "ts", "id"},
    "s": {"name", "cat", "pid", "tid", "ts", "id"},
    "f": {"name", "cat", "pid", "tid", "ts", "id", "bp"},
}


def check_events(events):
    """The rules: known phases with their keys, named threads, pairs, slices that nest."""
    assert [] == [e for e in events if not NEEDED[e["ph"]] <= e.keys()]
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert [] == [e for e in events if e["ph"] in "Xsf" and (e["pid"], e["tid"]) not in named]
    assert {e["pid"] for e in events} == {e["pid"] for e in events if e["name"] == "process_name"}
    for begin, end in ("be", "sf"):
        started = {(e["cat"], e["id"]): e["ts"] for e in events if e["ph"] == begin}
        ended = {(e["cat"], e["id"]): e["ts"] for e in events if e["ph"] == end}
        assert started.keys() == ended.keys()
        assert len(started) == sum(e["ph"] == begin for e in events)
        assert [] == [key for key, at in started.items() if at > ended[key]]
    for thread in named:
        slices = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == thread]
        slices.sort(key=lambda e: e["ts"])
        ends = [e["ts"] + e["dur"] for e in slices]
        assert [] == [e for e, before in zip(slices[1:], ends, strict=False) if e["ts"] < before]


@pytest.mark.slow
def test_trace_of_every_finding_is_well_formed():
    """All phases have their keys, all threads names, and no two slices of a thread overlap."""
    document = json.loads(json.dumps(trace_data(verdicts())))

    assert {"traceEvents", "displayTimeUnit"} == document.keys()
    check_events(document["traceEvents"])


def test_trace_has_an_arrow_from_who_ended_a_wait():
    """The arrow starts in the step that ended the wait and ends in the wait."""
    steps = (Step("a", "locks L", "x"), Step("a", "unlocks L", "x"), Step("b", "locks L", "x"))
    timeline = Timeline(
        (Lane("a", "kthread"), Lane("b", "kthread")),
        (Span("lock", "L", "a", 0, 1), Span("wait", "L", "b", 0, 1, ("a",), "lock")),
    )
    finding = Finding("DF001", "m", steps=steps, timeline=timeline)

    events = trace_data([Verdict("d", Status.VIOLATED, (finding,)), Trouble("x", "y")])[
        "traceEvents"
    ]

    check_events(events)
    start, end = (next(e for e in events if e["ph"] == phase) for phase in "sf")
    unlock = next(e for e in events if e["name"] == "unlocks L")
    wait = next(e for e in events if e["name"] == "waits for L")
    assert (unlock["tid"], wait["tid"]) == (start["tid"], end["tid"])
    assert unlock["ts"] <= start["ts"] <= unlock["ts"] + unlock["dur"]
    assert wait["ts"] <= end["ts"] <= wait["ts"] + wait["dur"]
