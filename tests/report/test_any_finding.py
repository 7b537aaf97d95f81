"""Every way to show a finding holds for any data, also for such as no checker makes yet."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabuf.report.chrome import trace_data
from dmabuf.report.dot import dot_text
from dmabuf.report.finding import Finding, Place, Step, Taken, Wait
from dmabuf.report.html import html_page
from dmabuf.report.mermaid import mermaid_text
from dmabuf.report.text import verdict_line, verdict_text
from dmabuf.report.timeline import Lane, Span, Timeline
from dmabuf.report.verdict import Status, Verdict
from dmabuf.report.wait_graph import graph_of

names = st.sampled_from(["a", "b", "A lock", "<script>", "x" * 90, "任务", "\x1b[2J\n", "\udcff"])
places = st.one_of(st.none(), st.builds(Place, names, st.integers(0, 9), names))
stacks = st.lists(st.builds(Place, names, st.integers(0, 9), names), max_size=3).map(tuple)
tuples = st.lists(names, max_size=3).map(tuple)
vias = st.sampled_from(["", "lock", "fence", "event", "irq"])
steps = st.builds(Step, names, names, names, places, st.booleans(), names | st.just(""), stacks)
taken = st.lists(st.builds(Taken, names, stacks), max_size=2).map(tuple)
waits = st.builds(
    Wait,
    names,
    names,
    names | st.just(""),
    tuples,
    st.booleans(),
    tuples,
    places,
    vias,
    st.booleans(),
    stacks,
    taken,
)


@st.composite
def findings(draw):
    """A finding whose timeline lies inside its schedule."""
    made = draw(st.lists(steps, max_size=6))
    count = sum(not step.blocked for step in made)
    spans = []
    for _ in range(draw(st.integers(0, 5)) if count else 0):
        start = draw(st.integers(-1, count - 1))
        end = draw(st.none() | st.integers(start + 1, count - 1)) if start + 1 < count else None
        kind = draw(st.sampled_from(["lock", "fence", "wait"]))
        what, task, by = draw(names), draw(names), draw(tuples)
        spans.append(Span(kind, what, task, start, end, by, draw(vias), draw(st.booleans())))
    lanes = [Lane(step.task, draw(st.sampled_from(["", "irq"])), 1) for step in made]
    return Finding(
        draw(st.sampled_from(["DF001", "DF999"])),
        draw(names),
        draw(tuples),
        draw(places),
        tuple(draw(st.lists(waits, max_size=4))),
        draw(tuples),
        tuple(made),
        draw(st.integers(0, 3)),
        draw(st.booleans()),
        draw(names | st.just("")),
        draw(st.integers(0, 3)),
        draw(st.integers(0, count)),
        draw(stacks),
        draw(taken),
        draw(st.none() | st.just(Timeline(tuple(lanes), tuple(spans)))),
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(findings())
def test_any_finding_can_be_shown_in_every_way(finding):
    """Text, page, drawing, trace, Mermaid, DOT and JSON are made, and are what they should be."""
    verdict = Verdict("<b>", Status.VIOLATED, (finding,))
    graph = graph_of(finding.waits)

    assert verdict_text(verdict)
    lines = verdict_text(verdict).split("\n")
    assert [] == [line for line in lines if not line.isprintable()]
    assert "\n" not in verdict_line(verdict)
    assert finding == Finding.from_data(json.loads(json.dumps(finding.to_data())))
    assert "<script>alert" not in html_page([verdict])
    assert 1 == html_page([verdict]).count("<script>")
    drawing = finding._repr_svg_()
    assert drawing is None or ElementTree.fromstring(drawing) is not None
    assert json.dumps(trace_data([verdict]))
    assert len(mermaid_text(graph).splitlines()) == len(dot_text(graph).splitlines()) - 2
