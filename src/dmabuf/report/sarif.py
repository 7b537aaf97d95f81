"""Findings about C source as SARIF 2.1.0, with the chain of each as a code flow.

Places are relative to SRCROOT, the root of the tree; a viewer is told where that is. The stable key
of a finding is its fingerprint, so a service knows it again after lines have moved.

>>> sarif_document([], version="0")["version"]
'2.1.0'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from dmabuf.codes import CODES, Strength
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Audited, Hop, Level, SourceFinding

__all__ = ["sarif_document"]

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_FINGERPRINT = "dmabufKey/v1"
_ROOT = "SRCROOT"


def sarif_document(audits: Iterable[Audited], *, version: str) -> dict[str, Any]:
    """One log with a run for each tree.

    Args:
        audits: what was found.
        version: of this package.
    """
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [_run(audited, version) for audited in audits],
    }


def _run(audited: Audited, version: str) -> dict[str, Any]:
    rules = sorted({finding.code for finding in audited.findings})
    index = {code: at for at, code in enumerate(rules)}
    notes = [{"level": "note", "message": {"text": note}} for note in audited.notes]
    driver = {
        "name": "dmabuf",
        "semanticVersion": version,
        "rules": [_rule(code) for code in rules],
    }
    return {
        "tool": {"driver": driver},
        "invocations": [
            {"executionSuccessful": not audited.limit, "toolExecutionNotifications": notes}
        ],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "root of the kernel tree"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index) for finding in audited.findings],
    }


def _rule(code: str) -> dict[str, Any]:
    entry = CODES.get(code)
    if entry is None:
        return {"id": code}
    must = entry.strength is Strength.MUST
    return {
        "id": code,
        "shortDescription": {"text": entry.statement},
        "help": {"text": f"{entry.remedy} `dmabuf rules {code}` shows designs that break it."},
        "defaultConfiguration": {"level": "error" if must else "warning"},
        "properties": {"protects": entry.sentence.meaning, "strength": entry.strength.value},
    }


def _result(finding: SourceFinding, index: dict[str, int]) -> dict[str, Any]:
    starts = "; ".join(part for part in (finding.entry, finding.scheduled) if part)
    where = f"It starts in {finding.root}()" if finding.root else "It is about this"
    told = f"{finding.message}. {where}"
    flows = [_flow(finding.hops, f"from {finding.root}()")] if finding.hops else []
    flows += [_flow(one.hops, one.text) for one in finding.evidence if one.hops]
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": _LEVELS[finding.level],
        "message": {"text": f"{told}: {starts}." if starts else f"{told}."},
        "locations": [_location(finding.place)],
        "partialFingerprints": {_FINGERPRINT: finding.key},
        "rank": round(100 * finding.sure, 1),
    }
    if flows:
        result["codeFlows"] = flows
    if finding.sinks:
        related = [_location(one.place, one.text) for one in finding.sinks]
        result["relatedLocations"] = [{"id": at, **one} for at, one in enumerate(related, 1)]
    if finding.hint:
        result["properties"] = {"confirm": finding.hint}
    return result


def _flow(hops: Sequence[Hop], text: str) -> dict[str, Any]:
    steps = [
        {
            "location": _location(hop.place, f"{hop.place.function}() {hop.text}"),
            "nestingLevel": depth,
            "executionOrder": depth + 1,
            "importance": "essential" if depth in (0, len(hops) - 1) else "important",
        }
        for depth, hop in enumerate(hops)
    ]
    return {"message": {"text": text}, "threadFlows": [{"locations": steps}]}


def _location(place: Place, text: str = "") -> dict[str, Any]:
    physical = {
        "artifactLocation": {"uri": quote(place.file), "uriBaseId": _ROOT},
        "region": {"startLine": max(place.line, 1)},
    }
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.function:
        location["logicalLocations"] = [{"name": place.function, "kind": "function"}]
    if text:
        location["message"] = {"text": text}
    return location
