"""Reports of all rules' counterexamples and of the examples keep what every report promises."""

import json
from dataclasses import replace

import pytest

from dmabuf.report.columns import width_of
from dmabuf.report.finding import Finding
from dmabuf.report.style import Style
from dmabuf.report.text import verdict_text
from tests.report.every_finding import verdicts

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("width", [80, 100, 160])
def test_every_text_report_is_a_screenful(width):
    """Each finding is told in at most 40 lines, none wider than the terminal but commands."""
    for verdict in verdicts():
        for finding in verdict.findings:
            lines = verdict_text(replace(verdict, findings=(finding,)), Style(width)).splitlines()

            assert len(lines) <= 40
            assert [] == [
                line for line in lines if width_of(line) > width and "--replay" not in line
            ]


def test_every_text_report_has_all_its_parts():
    """Rule, case, schedule, remedy and replay line are there, and waits wherever tasks wait."""
    for verdict in verdicts():
        for finding in verdict.findings:
            text = verdict_text(replace(verdict, findings=(finding,)))

            parts = ("  here: ", "  remedy: ", finding.code)
            assert [] == [part for part in parts if part not in text]
            assert ("  replay: " in text) == bool(finding.token)
            assert ("Who waits for whom" in text) == bool(finding.waits)
            assert ("Schedule, " in text) == bool(finding.steps)


def test_every_finding_survives_json():
    """What is read back is the finding that was written."""
    for verdict in verdicts():
        for finding in verdict.findings:
            assert finding == Finding.from_data(json.loads(json.dumps(finding.to_data())))


def test_every_token_is_short():
    """At most 64 characters."""
    for verdict in verdicts():
        assert [] == [f.token for f in verdict.findings if len(f.token) > 64]


def test_every_timeline_fits_its_schedule():
    """Spans lie inside the schedule, tasks have lanes, and what is held at the end is in waits."""
    for verdict in verdicts():
        for finding in verdict.findings:
            made = sum(not step.blocked for step in finding.steps)
            timeline = finding.timeline
            if timeline is None:
                continue
            lanes = {lane.name for lane in timeline.lanes}

            assert {step.task for step in finding.steps} <= lanes
            for span in timeline.spans:
                assert -1 <= span.start < max(made, 1)
                assert span.end is None or span.start < span.end < made
                assert span.kind == "fence" or span.task in lanes
            held = {(s.task, s.what) for s in timeline.of("lock") if s.end is None}
            leading = [wait for wait in finding.waits if wait.leads]
            assert {(wait.task, lock) for wait in leading for lock in wait.holds} <= held
