"""Results as JSON for machines; docs/reference/json.md describes every key.

The version in `schema` changes when a key goes or changes its meaning; new keys may come at any
time.

>>> check_document([Trouble("x.py", "no such file")], version="0", exit_code=2)["schema"]
'dmabuf.check/1'
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dmabuf.codes import CODES
from dmabuf.report.finding import Finding
from dmabuf.report.source_finding import Audited
from dmabuf.report.verdict import Exported, Result, Trouble
from dmabuf.report.wait_graph import graph_of

__all__ = [
    "CHECK_SCHEMA",
    "RULES_SCHEMA",
    "audited_data",
    "check_document",
    "code_data",
    "export_data",
    "finding_data",
    "run_data",
    "trouble_data",
]

CHECK_SCHEMA = "dmabuf.check/1"
RULES_SCHEMA = "dmabuf.rules/1"


def check_document(
    results: Iterable[Result | Audited],
    *,
    version: str,
    exit_code: int,
    files: int = 0,
    empty_files: int = 0,
    interrupted: bool = False,
) -> dict[str, Any]:
    """Everything that one `dmabuf check` found.

    Args:
        results: verdicts, troubles, exports and audits in order.
        version: of this package.
        exit_code: what the command ends with.
        files: how many Python files were looked at.
        empty_files: how many of them hold no design.
        interrupted: the command was ended by its user.
    """
    return {
        "schema": CHECK_SCHEMA,
        "version": version,
        "exit_code": exit_code,
        "interrupted": interrupted,
        "files": files,
        "files_without_design": empty_files,
        "results": [_result(result) for result in results],
    }


def _result(result: Result | Audited) -> dict[str, Any]:
    if isinstance(result, Audited):
        return audited_data(result)
    if isinstance(result, Trouble):
        return trouble_data(result)
    if isinstance(result, Exported):
        return export_data(result)
    data = {"kind": "verdict", **result.to_data(), "exit_code": int(result.exit_code)}
    data["findings"] = [finding_data(one, result.subject) for one in result.findings]
    return data


def audited_data(audited: Audited) -> dict[str, Any]:
    """What became of a tree of C source, each finding with its rule's sentence."""
    data: dict[str, Any] = {"kind": "audit", **audited.to_data()}
    data["exit_code"] = int(audited.exit_code)
    data["findings"] = [
        {**finding, "rule": code_data(finding["code"])} for finding in data["findings"]
    ]
    return data


def trouble_data(trouble: Trouble) -> dict[str, Any]:
    """An input that could not be used."""
    place = trouble.place
    return {
        "kind": "trouble",
        "subject": trouble.subject,
        "message": trouble.message,
        "remedy": trouble.remedy,
        "place": None
        if place is None
        else {"file": place.file, "line": place.line, "function": place.function},
        "exit_code": int(trouble.exit_code),
    }


def export_data(exported: Exported) -> dict[str, Any]:
    """A design in another tool's language."""
    return {
        "kind": "export",
        "subject": exported.subject,
        "language": exported.language,
        "text": exported.text,
        "exit_code": int(exported.exit_code),
    }


def finding_data(finding: Finding, subject: str) -> dict[str, Any]:
    """A finding with its rule's sentence, its wait graph and the arguments that replay it."""
    replay = ["dmabuf", "check", subject, "--replay", finding.token] if finding.token else None
    return {
        **finding.to_data(),
        "rule": code_data(finding.code),
        "wait_graph": graph_of(finding.waits).to_data(),
        "replay": replay,
    }


def code_data(code: str) -> dict[str, Any] | None:
    """A rule's entry in the catalogue, None for an unknown one."""
    entry = CODES.get(code)
    if entry is None:
        return None
    return {
        "id": entry.id,
        "strength": entry.strength.value,
        "sentence": entry.sentence.value,
        "statement": entry.statement,
        "remedy": entry.remedy,
        "decided_by": list(entry.decided_by),
        "implies": list(entry.implies),
    }


def run_data(run: Any) -> dict[str, Any]:
    """The outcome of running a rule's designs."""
    lines = [{"design": name, "expected": want, "got": got} for name, want, got in run.lines]
    return {"code": run.code, "ok": run.ok, "seconds": run.seconds, "designs": lines}
