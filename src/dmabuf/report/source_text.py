"""Findings about C source as text: a line that grep understands, then the chain.

>>> from dmabuf.report.finding import Place
>>> from dmabuf.report.source_finding import Level
>>> found = SourceFinding("DF301", Level.ERROR, "allocates", Place("t.c", 3, "run"), "run")
>>> print(source_line(found))
t.c:3: run(): DF301: error: allocates
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmabuf.codes import CODES
from dmabuf.report.columns import clean
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Audited, Hop, Level, SourceFinding
from dmabuf.report.style import Style

__all__ = ["audit_summary", "place_text", "source_line", "source_text"]

_OF_LEVEL = {Level.ERROR: "bad", Level.WARNING: "unsure", Level.INFO: "dim"}
_MOST_SINKS = 5
_SURE = 0.995


def place_text(place: Place) -> str:
    """`file:line`, as the tree has it."""
    return f"{clean(place.file)}:{place.line}"


def source_line(finding: SourceFinding, style: Style | None = None) -> str:
    """The finding in one line: `file:line: function(): DFnnn: level: text`."""
    style = style or Style()
    function = f" {clean(finding.place.function)}():" if finding.place.function else ""
    level = style.paint(_OF_LEVEL[finding.level], finding.level.value)
    code = style.paint("rule", finding.code)
    return f"{place_text(finding.place)}:{function} {code}: {level}: {clean(finding.message)}"


def source_text(finding: SourceFinding, style: Style | None = None) -> str:
    """The finding with its chain, the other side, what to do, and how lockdep could confirm it."""
    style = style or Style()
    lines = [source_line(finding, style)]
    entry = "; ".join(part for part in (finding.entry, finding.scheduled) if part)
    if entry:
        starts = f"starts in {clean(finding.root)}()" if finding.root else "about"
        lines += style.wrap(clean(entry), f"  {starts}: ", "    ")
    lines += _chain(finding.hops, style)
    more = finding.sinks[:_MOST_SINKS]
    lines += [f"    also {place_text(one.place)}: {clean(one.text)}" for one in more]
    if len(finding.sinks) > len(more):
        lines.append(f"    and {len(finding.sinks) - len(more)} more")
    for evidence in finding.evidence:
        lines += style.wrap(clean(evidence.text), "  because ", "    ")
        lines += _chain(evidence.hops, style)
    if finding.sure < _SURE:
        lines.append(f"  sure: {finding.sure:.0%}")
    code = CODES.get(finding.code)
    if code is not None:
        lines += style.wrap(code.remedy, "  remedy: ", "    ")
    if finding.hint:
        lines += style.wrap(clean(finding.hint), "  confirm: ", "    ")
    lines.append(f"  key: {clean(finding.key)}")
    return "\n".join(lines)


def _chain(hops: Sequence[Hop], style: Style) -> list[str]:
    """A hop a line; places in one column."""
    places = [place_text(hop.place) for hop in hops]
    width = max(map(len, places), default=0)
    return [
        f"    {style.paint('place', place.ljust(width))}  {_hop(hop)}"
        for place, hop in zip(places, hops, strict=True)
    ]


def _hop(hop: Hop) -> str:
    how = f" [{hop.how}]" if hop.how not in ("", "direct") else ""
    note = f" ({hop.note})" if hop.note else ""
    return clean(f"{hop.place.function}() {hop.text}{how}{note}")


def audit_summary(audited: Audited, style: Style | None = None) -> str:
    """What was looked at, and what was found."""
    style = style or Style()
    counts = ", ".join(_counts(audited.findings, style)) or style.paint("good", "no findings")
    looked = f"{audited.files:,} files, {audited.functions:,} functions, {audited.seconds:.1f} s"
    lines = [f"{clean(audited.subject)}: {counts} ({looked})"]
    left_out = [
        f"{count} {what}"
        for count, what in (
            (audited.known, "in the baseline"),
            (audited.suppressed, "suppressed"),
            (audited.below, "below the level asked for"),
        )
        if count
    ]
    if left_out:
        lines.append(f"  left out: {', '.join(left_out)}")
    if audited.bytes_in_flaws:
        share = audited.bytes_in_flaws / max(audited.bytes_read, 1)
        lost = audited.bytes_in_flaws
        lines.append(f"  not understood: {lost:,} bytes ({share:.2%})")
    if audited.limit:
        lines += style.wrap(f"{audited.limit}; what was not looked at may hold more", "  ended: ")
    for note in audited.notes:
        lines += style.wrap(clean(note), "  note: ")
    return "\n".join(lines)


def _counts(findings: Iterable[SourceFinding], style: Style) -> list[str]:
    found = [finding.level for finding in findings]
    return [
        style.paint(_OF_LEVEL[level], f"{found.count(level)} {_noun(level, found.count(level))}")
        for level in Level
        if level in found
    ]


def _noun(level: Level, count: int) -> str:
    if level is Level.INFO:
        return "at info level"
    return level.value if count == 1 else f"{level.value}s"
