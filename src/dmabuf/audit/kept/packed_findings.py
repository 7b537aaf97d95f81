"""Findings as plain values and back."""

from __future__ import annotations

from typing import Any

from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Evidence, Hop, Level, Sink, SourceFinding

__all__ = ["finding_of", "plain_finding"]

Plain = tuple[Any, ...]


def plain_finding(one: SourceFinding) -> Plain:
    """A finding as tuples of plain values."""
    return (
        one.code,
        one.level.value,
        one.message,
        _place(one.place),
        one.root,
        one.entry,
        one.scheduled,
        _hops(one.hops),
        tuple((_place(sink.place), sink.text) for sink in one.sinks),
        tuple((each.text, _hops(each.hops)) for each in one.evidence),
        one.hint,
        one.key,
        one.sure,
    )


def finding_of(told: Plain) -> SourceFinding:
    """The finding that `plain_finding` told."""
    code, level, message, place, root, entry, scheduled, hops, sinks, evidence, *rest = told
    return SourceFinding(
        code,
        Level(level),
        message,
        Place(*place),
        root,
        entry,
        scheduled,
        _hops_of(hops),
        tuple(Sink(Place(*where), text) for where, text in sinks),
        tuple(Evidence(text, _hops_of(more)) for text, more in evidence),
        *rest,
    )


def _place(place: Place) -> Plain:
    return place.file, place.line, place.function


def _hops(hops: tuple[Hop, ...]) -> Plain:
    return tuple((_place(one.place), one.text, one.how, one.note) for one in hops)


def _hops_of(told: Plain) -> tuple[Hop, ...]:
    return tuple(Hop(Place(*place), *rest) for place, *rest in told)
