"""Work that signals fences, on a queue without a rescuer (DF107)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dmabuf.audit.checks.clusters import hops_of
from dmabuf.audit.checks.look import driver_of, is_test_code
from dmabuf.audit.checks.schedule import Queued, Schedule
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.program.tables import Registration
from dmabuf.audit.ways.effect import Way
from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["queued_badly", "without_rescuer"]

_SURE = 0.85
_NEAR = 2
"""A signal at most so many hops away is what the work is for."""


def without_rescuer(
    program: Program, schedule: Schedule, makers: set[str], signals: Callable[[Routine], Way | None]
) -> Iterator[SourceFinding]:
    """Works of drivers that make fences, each with the first line that queues it badly."""
    for routine, registration, queued in queued_badly(program, schedule, makers):
        way = signals(routine)
        if way is not None:
            yield _finding(routine, registration, queued, way)


def queued_badly(
    program: Program, schedule: Schedule, makers: set[str]
) -> Iterator[tuple[Routine, Registration, Queued]]:
    """Works of drivers that make fences, with the first line that queues each badly.

    Args:
        program: their functions.
        schedule: who queues what where.
        makers: drivers that make fences.
    """
    for routine, registrations in program.registrations.items():
        if driver_of(routine.path) not in makers or is_test_code(routine.path):
            continue
        for one in registrations:
            queued = _bad(schedule, one) if one.kind == "work" else None
            if queued is not None:
                yield routine, one, queued
                break


def _bad(schedule: Schedule, registration: Registration) -> Queued | None:
    if registration.subject is None:
        return None
    for queued in schedule.queued.get(registration.subject, ()):
        mine = driver_of(queued.routine.path) == driver_of(registration.routine.path)
        if mine and schedule.rescued(queued) is False:
            return queued
    return None


def _finding(
    routine: Routine, registration: Registration, queued: Queued, way: Way
) -> SourceFinding:
    name = registration.subject[1] if registration.subject else ""
    queue = queued.queue[1] or queued.queue[0]
    certain = way.sure >= _SURE and len(way.hops) <= _NEAR
    hops = (Hop(queued.place, f"queues {name} on {queue}", "work"), *hops_of(way))
    return SourceFinding(
        "DF107",
        Level.ERROR if certain else Level.INFO,
        f"{name} signals a fence and is queued on {queue}, which has no rescuer",
        queued.place,
        routine.name,
        f"work function of {name}",
        f"queued by {queued.routine.name}()",
        hops,
        key=f"DF107:{routine.name}:{queue}",
        sure=round(way.sure, 2),
    )
