"""What is done under a reservation lock: no user memory, no mmap_lock (DF209)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dmabuf.audit.checks.clusters import Case, Origin, findings_of
from dmabuf.audit.checks.doubts import allowed, doubt
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.judge import Judgement
from dmabuf.audit.checks.look import is_test_code
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Kind, Way
from dmabuf.audit.ways.event import Event
from dmabuf.audit.ways.keeping import Question, question_of
from dmabuf.audit.ways.known.acts import Takes
from dmabuf.audit.ways.known.locks import LOCKS
from dmabuf.audit.ways.ways import Ways
from dmabuf.report.source_finding import Level, SourceFinding

__all__ = ["holders", "in_sight", "question_about", "under_reservation_lock"]

_KINDS = frozenset({Kind.USER_MEMORY, Kind.MMAP_LOCK})
_RESV = ("struct dma_resv", "lock")
_PLAIN = ("dma_resv_lock", "dma_resv_lock_interruptible", "ttm_bo_reserve")
_SURE = 0.6
_NEAR = 3
"""So many functions, of which each may have a condition that excludes the lock."""
_NODES = 400
"""From how many functions below each lock, the nearest and surest first."""


def under_reservation_lock(
    ways: Ways, routine: Routine, *, in_sight: bool
) -> Iterator[SourceFinding]:
    """What a function that holds a reservation lock does with user memory or mmap_lock.

    Args:
        ways: of the program.
        routine: one of `holders`.
        in_sight: it takes the lock itself.
    """
    cases = [
        Case(way, _judgement(way, certain=in_sight), sure=way.sure)
        for way in map(_weighed, ways.each(routine, _held, _KINDS, nodes=_NODES))
        if not way.effect.attempt and not allowed(way)
    ]
    yield from findings_of(Origin(routine.name, "takes a reservation lock"), cases)


def question_about(routine: Routine) -> Question | None:
    """What `under_reservation_lock` asks."""
    return question_of(routine, _held, _KINDS, _NODES)


def in_sight(calls: Calls) -> set[Routine]:
    """The functions that take a reservation lock themselves."""
    return calls.callers(_PLAIN)


def holders(ways: Ways, calls: Calls) -> list[Routine]:
    """The functions that take a reservation lock, by a wrapper or themselves, in order."""
    takers = calls.callers(
        name
        for name, acts in LOCKS.items()
        if any(isinstance(act, Takes) and act.kind == "resv" and not act.attempt for act in acts)
    )
    wrappers = [one.name for one in takers if ways.brackets.of(one)]
    found = takers | calls.callers(wrappers)
    return sorted(
        (one for one in found if not is_test_code(one.path)),
        key=lambda one: (one.path, one.line),
    )


def _weighed(way: Way) -> Way:
    return replace(way, sure=way.sure * doubt(way))


def _held(event: Event) -> bool:
    return any(one.lock == _RESV for one in event.held)


def _judgement(way: Way, *, certain: bool) -> Judgement:
    """Grave where the lock is taken in plain sight; loops of drm_exec may have dropped it."""
    what = "takes mmap_lock" if way.effect.kind is Kind.MMAP_LOCK else "touches user memory"
    certain = certain and way.sure >= _SURE and len(way.hops) <= _NEAR
    level = Level.ERROR if certain else Level.WARNING
    text = f"{way.effect.name}() {what} under a reservation lock"
    return Judgement("DF209", level, text, "user memory")
