"""From ways to findings: one for each root and choke point, with what lies beyond it folded.

The choke point is the function that the root calls, through which all of its ways of one family
go; what the root does itself is a finding by line. The key of a finding is made of names and never
of lines, so it is the same finding in the next tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dmabuf.audit.checks.judge import Judgement
from dmabuf.audit.ways.effect import Way
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Evidence, Hop, Sink, SourceFinding

__all__ = ["Case", "Origin", "findings_of", "hops_of", "merged", "unique"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the ways of a finding begin: function, what it is, what runs it."""

    function: str
    entry: str
    scheduled: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A way that breaks a rule, and the other side if there is one."""

    way: Way
    judgement: Judgement
    evidence: tuple[Evidence, ...] = ()
    sure: float = 1.0


def findings_of(origin: Origin, cases: Iterable[Case]) -> list[SourceFinding]:
    """The findings of one root."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((_choke(case.way), case.judgement.family), []).append(case)
    return [_finding(origin, choke, group) for (choke, _family), group in groups.items()]


def _choke(way: Way) -> str:
    """The function that the root calls; for what it does itself, the line."""
    first, *more = way.hops
    return first.callee if more else f":{first.place.line}"


def _finding(origin: Origin, choke: str, cases: Sequence[Case]) -> SourceFinding:
    ordered = sorted(cases, key=_rank)
    best = ordered[0]
    way, judgement = best.way, best.judgement
    places = {last_place(way)}
    sinks: list[Sink] = []
    for case in ordered[1:]:
        place = last_place(case.way)
        if place not in places:
            places.add(place)
            sinks.append(Sink(place, _also(case, judgement)))
    through = f">{choke}" if len(way.hops) > 1 else ""
    return SourceFinding(
        judgement.code,
        judgement.level,
        judgement.text,
        last_place(way),
        origin.function,
        origin.entry,
        origin.scheduled,
        hops_of(way),
        tuple(sinks),
        best.evidence,
        hint=_hint(best, origin),
        key=f"{judgement.code}:{origin.function}{through}:{_detail(judgement, way)}",
        sure=round(best.sure, 2),
    )


def _also(case: Case, told: Judgement) -> str:
    """What a line does that is not told itself, with its level if it is a milder one."""
    level = case.judgement.level
    return _does(case.way) + (f", {level.value}" if level is not told.level else "")


def _rank(case: Case) -> tuple[object, ...]:
    """The one to tell first: not the nearest, but the one that depends on the least."""
    last = last_place(case.way)
    return (
        case.judgement.level.rank,
        sum(map(_conditions_in, case.way.conditions)),
        -case.sure,
        len(case.way.hops),
        case.judgement.code,
        last.file,
        last.line,
    )


def _conditions_in(text: str) -> int:
    """How many things must hold for a condition to do so."""
    return 1 + text.count("||" if text.startswith("!(") else "&&")


def last_place(way: Way) -> Place:
    """The line that does it."""
    *_before, last = way.hops
    return last.place


def _detail(judgement: Judgement, way: Way) -> str:
    name = judgement.family
    return name.removeprefix("lock ") if name.startswith("lock ") else way.effect.name


def hops_of(way: Way) -> tuple[Hop, ...]:
    """A way as a report tells it."""
    hops = [Hop(hop.place, f"calls {hop.callee}", hop.how, hop.note) for hop in way.hops[:-1]]
    note = way.hops[-1].note
    if way.conditions:
        note = "; ".join(part for part in (note, f"if {way.conditions[-1]}") if part)
    return (*hops, Hop(way.hops[-1].place, _does(way), "", note))


def _does(way: Way) -> str:
    return f"{way.effect.name}()"


def _hint(case: Case, origin: Origin) -> str:
    """What to put where, so that lockdep sees it without the rare case having to happen."""
    function = case.way.hops[-1].place.function
    section = (
        f"dma_fence_begin_signalling() at the start of {origin.function}() and "
        "dma_fence_end_signalling() before it returns"
    )
    if case.judgement.family == "allocation":
        return f"{section}; might_alloc(GFP_KERNEL) in {function}() makes it independent of luck"
    if case.judgement.family.startswith("lock"):
        return f"{section}; might_lock() in {function}(), and might_alloc() where it is held"
    return section


def merged(findings: Iterable[SourceFinding]) -> list[SourceFinding]:
    """Of findings that end in the same line by the same last steps, one; the others as sinks.

    Four callbacks that call one helper are told once, by the surest of them.
    """
    groups: dict[tuple[object, ...], list[SourceFinding]] = {}
    for finding in findings:
        shared = finding.hops[1:] or (finding.root, finding.hops, finding.entry)
        kind = finding.entry.partition(" of ")[0].partition(",")[0]
        groups.setdefault((finding.code, finding.level, kind, shared), []).append(finding)
    return [_one_of(group) for group in groups.values()]


def _one_of(group: list[SourceFinding]) -> SourceFinding:
    first, *others = sorted(group, key=lambda one: (-one.sure, one.root, one.order))
    also = [Sink(one.hops[0].place, f"the same from {one.root}()") for one in others]
    return replace(first, sinks=(*first.sinks, *also))


def unique(findings: Iterable[SourceFinding]) -> list[SourceFinding]:
    """In the order of reports, each key once: of two the same, the second gets its file's name."""
    found: list[SourceFinding] = []
    keys: dict[str, int] = {}
    for finding in sorted(findings, key=lambda one: one.order):
        key = finding.key
        if key in keys:
            key = f"{key}@{finding.hops[0].place.file if finding.hops else finding.place.file}"
        count = keys[key] = keys.get(key, 0) + 1
        found.append(replace(finding, key=key if count == 1 else f"{key}#{count}"))
    return found
