"""Findings about C source as values, text, JSON and SARIF."""

import json
import re
from dataclasses import asdict, replace

from dmabuf.report.json import check_document
from dmabuf.report.sarif import sarif_document
from dmabuf.report.source_finding import Audited, Level, SourceFinding
from dmabuf.report.source_text import audit_summary, source_line, source_text
from dmabuf.report.verdict import ExitCode
from tests.report.audited import ALLOCATES, AUDITED, EVILLY, LOCKS


def sarif():
    """The log as a reader gets it."""
    return json.loads(json.dumps(sarif_document([AUDITED], version="1.2.3")))


def locations(node):
    """Every physical location below a node."""
    if isinstance(node, dict):
        found = [node["physicalLocation"]] if "physicalLocation" in node else []
        return found + [one for value in node.values() for one in locations(value)]
    return [one for value in node for one in locations(value)] if isinstance(node, list) else []


def test_source_finding_survives_json():
    """A finding that went through JSON is the same finding."""
    for finding in AUDITED.findings:
        assert finding == SourceFinding.from_data(json.loads(json.dumps(finding.to_data())))


def test_data_of_a_finding_is_what_its_fields_say():
    """No field is forgotten in the data, and each is under its own name, in order."""
    for finding in AUDITED.findings:
        said = {**asdict(finding), "level": finding.level.value}

        assert list(said.items()) == list(finding.to_data().items())


def test_source_findings_are_ordered_by_level_then_place():
    """Errors come first, whatever file they are in."""
    lock = replace(LOCKS, level=Level.ERROR)

    assert [ALLOCATES, LOCKS] == sorted([LOCKS, ALLOCATES], key=lambda one: one.order)
    assert [lock, ALLOCATES] == sorted([ALLOCATES, lock], key=lambda one: one.order)


def test_audited_ends_as_its_findings_and_limits_say():
    """Findings are 1; an audit that was cut short is no pass."""
    assert ExitCode.FINDINGS == AUDITED.exit_code
    assert ExitCode.UNDECIDED == Audited("x", limit="interrupted").exit_code
    assert ExitCode.CLEAN == Audited("x").exit_code


def test_source_line_is_for_grep():
    """File, line, function, rule and text stand in one line, a colon between."""
    said = "allocates with GFP_KERNEL on the way to a signal"

    line = source_line(ALLOCATES)

    assert f"drivers/gpu/drm/toy/toy_ring.c:12: toy_emit(): DF301: error: {said}" == line


def test_source_text_tells_the_chain_hop_by_hop():
    """Every hop has its file and line, its function, and how it goes on."""
    lines = source_text(ALLOCATES).split("\n")

    assert "starts in toy_run_job(): run_job of toy_sched_ops" in lines[1]
    assert "WQ_MEM_RECLAIM" in " ".join(lines[1:3])
    chain = [line.split() for line in lines if line.startswith("    drivers")]
    assert ["sched.c:40", "toy_run_job()", "calls", "toy_emit", "[field]"] == chain[0][1:]
    assert "drivers/gpu/drm/toy/toy_ring.c:12" == chain[1][0]
    assert "    also drivers/gpu/drm/toy/toy_ring.c:19: kmalloc(..., GFP_KERNEL)" in lines


def test_source_text_tells_the_other_side():
    """For a lock, where it is held over what must not be waited for."""
    text = source_text(LOCKS)

    assert "  because toy_pin() holds it\n" in text
    assert "    drivers/gpu/drm/toy/toy_gem.c:7  toy_pin() kzalloc(..., GFP_KERNEL)" in text


def test_source_text_holds_no_control_characters():
    """Nothing in somebody's source reaches the terminal as a command."""
    assert not set(source_text(EVILLY) + audit_summary(AUDITED)) & set("\u202e\x1b")


def test_audit_summary_tells_what_was_left_out():
    """Nothing is silently dropped."""
    text = audit_summary(AUDITED)

    assert "1 error, 1 warning, 1 at info level" in text
    assert "2 in the baseline, 1 suppressed" in text
    assert "not understood: 10 bytes (1.00%)" in text


def test_audit_in_json_has_the_rule_of_each_finding():
    """The document holds the audit with its kind, its code and its findings."""
    made = check_document([AUDITED], version="1", exit_code=1)
    found = json.loads(json.dumps(made))["results"][0]

    assert ("audit", 1, 3) == (found["kind"], found["exit_code"], len(found["findings"]))
    assert "DF301" == found["findings"][0]["rule"]["id"]
    assert "toy_emit" == found["findings"][0]["hops"][1]["place"]["function"]


def test_sarif_results_name_rules_and_carry_code_flows():
    """Each result has its rule by index, a level, a fingerprint, and its chain in order."""
    (run,) = sarif()["runs"]
    first, second, _third = run["results"]

    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[one["ruleIndex"]] for one in run["results"]] == [
        one["ruleId"] for one in run["results"]
    ]
    steps = first["codeFlows"][0]["threadFlows"][0]["locations"]
    lines = [one["location"]["physicalLocation"]["region"]["startLine"] for one in steps]
    assert [40, 12] == lines
    assert ALLOCATES.key == first["partialFingerprints"]["dmabufKey/v1"]
    assert ["error", "warning"] == [first["level"], second["level"]]
    assert 1 == len(first["relatedLocations"])


def test_sarif_places_are_relative_uris():
    """A path becomes a URI without blanks, below the root of the tree."""
    found = [one["artifactLocation"] for one in locations(sarif())]

    assert {"SRCROOT"} == {one["uriBaseId"] for one in found}
    assert [] == [one["uri"] for one in found if not re.fullmatch(r"[\w./%-]+", one["uri"])]
