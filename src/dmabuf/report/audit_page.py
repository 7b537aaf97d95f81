"""Findings about C source as one page: a list to filter, chains to unfold, usable by keyboard.

Without a script everything can still be read. Every word of somebody's source is escaped, and the
page's own policy forbids it to load anything.

>>> "no findings" in audit_page([Audited("drivers/gpu/drm/toy")])
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmabuf.codes import CODES
from dmabuf.report.page_frame import page_frame
from dmabuf.report.source_finding import Audited, Evidence, Hop, Level, SourceFinding
from dmabuf.report.source_text import audit_summary, place_text
from dmabuf.report.svg import text

__all__ = ["audit_page"]

_CLASS = {Level.ERROR: "bad", Level.WARNING: "unsure", Level.INFO: "good"}


def audit_page(audits: Sequence[Audited]) -> str:
    """The whole page."""
    title = ", ".join(audited.subject for audited in audits)
    findings = [finding for audited in audits for finding in audited.findings]
    items = [_finding(finding, f"f{number}") for number, finding in enumerate(findings, 1)]
    summaries = "".join(
        f'<p class="quiet">{text(line.strip())}</p>'
        for audited in audits
        for line in audit_summary(audited).split("\n")
    )
    return page_frame(
        title,
        header=f"{text(title)}</h1>{summaries}{_filters(findings)}",
        main=f'<ol class="found">{"".join(items)}</ol>',
        script="audit_page.js",
        style="audit_page.css",
    )


def _filters(findings: Sequence[SourceFinding]) -> str:
    """Three lists to choose from and a field for words; the script makes them work."""
    if not findings:
        return ""
    levels = [level.value for level in Level if any(one.level is level for one in findings)]
    return (
        '<form class="filters needs-js" role="search" aria-label="Filter">'
        + _choice("level", levels)
        + _choice("rule", sorted({one.code for one in findings}))
        + _choice("folder", sorted({_folder(one) for one in findings}))
        + '<label>words <input name="words" type="search" autocomplete="off"></label>'
        + '<output aria-live="polite"></output>'
        + '<span class="quiet">j, k: next, previous; o: unfold; /: words</span></form>'
    )


def _choice(name: str, values: Iterable[str]) -> str:
    options = [f'<option value="{text(one)}">{text(one)}</option>' for one in values]
    inside = "".join(['<option value="">all</option>', *options])
    return f'<label>{name} <select name="{name}">{inside}</select></label>'


def _folder(finding: SourceFinding) -> str:
    return finding.place.file.rpartition("/")[0] or "."


def _finding(finding: SourceFinding, ident: str) -> str:
    level = finding.level
    data = f'data-level="{level.value}" data-rule="{text(finding.code)}"'
    return (
        f'<li id="{ident}" {data} data-folder="{text(_folder(finding))}"><details>'
        f'<summary><span class="chip {_CLASS[level]}">{level.value}</span> '
        f"<b>{text(finding.code)}</b> {text(finding.message)}"
        f'<span class="at mono">{text(place_text(finding.place))} '
        f"{text(finding.place.function)}()</span></summary>"
        f"{_inside(finding)}</details></li>"
    )


def _inside(finding: SourceFinding) -> str:
    entry = "; ".join(part for part in (finding.entry, finding.scheduled) if part)
    where = f"Starts in <code>{text(finding.root)}()</code>" if finding.root else "About"
    parts = [f"<p>{where}: {text(entry)}</p>" if entry else "", _chain(finding.hops)]
    if finding.sinks:
        lines = [
            f"<li><code>{text(place_text(one.place))}</code> {text(one.text)}</li>"
            for one in finding.sinks
        ]
        parts.append(f'<h3>The same beyond it</h3><ul class="sinks">{"".join(lines)}</ul>')
    parts += [_evidence(one) for one in finding.evidence]
    code = CODES.get(finding.code)
    if code is not None:
        parts.append(
            f'<div class="rule"><p><b>{text(code.id)}</b> {text(code.statement)}</p>'
            f'<p class="remedy"><b>Remedy:</b> {text(code.remedy)}</p></div>'
        )
    if finding.hint:
        parts.append(f"<p><b>Confirm:</b> {text(finding.hint)}</p>")
    sure = f"{finding.sure:.0%} sure, key "
    parts.append(f'<p class="quiet">{sure}<code>{text(finding.key)}</code></p>')
    return "".join(parts)


def _evidence(evidence: Evidence) -> str:
    return f"<h3>Because</h3><p>{text(evidence.text)}</p>{_chain(evidence.hops)}"


def _chain(hops: Sequence[Hop]) -> str:
    if not hops:
        return ""
    lines: list[str] = []
    for hop in hops:
        how = f' <span class="how">{text(hop.how)}</span>' if hop.how not in ("", "direct") else ""
        note = f' <span class="quiet">{text(hop.note)}</span>' if hop.note else ""
        lines.append(
            f"<li><code>{text(hop.place.function)}()</code> {text(hop.text)}{how}{note}"
            f'<span class="at mono">{text(place_text(hop.place))}</span></li>'
        )
    return f'<ol class="chain">{"".join(lines)}</ol>'
