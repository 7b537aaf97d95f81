"""Findings that one function shows."""

from __future__ import annotations

from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["local_finding"]


def local_finding(
    code: str,
    level: Level,
    message: str,
    hops: tuple[Hop, ...],
    *,
    entry: str,
    detail: str,
    scheduled: str = "",
    hint: str = "",
) -> SourceFinding:
    """A finding that one function shows, its lines in their order; the last one is the place.

    Args:
        code: the rule.
        level: how grave.
        message: without a full stop.
        hops: the lines; not empty.
        entry: what the function is.
        detail: what makes the key different from others of this rule in this function.
        scheduled: what runs it.
        hint: how lockdep could confirm it.
    """
    place, root = hops[-1].place, hops[0].place.function
    return SourceFinding(
        code,
        level,
        message,
        place,
        root,
        entry,
        scheduled,
        hops,
        hint=hint,
        key=f"{code}:{root or place.file}:{detail}",
    )
