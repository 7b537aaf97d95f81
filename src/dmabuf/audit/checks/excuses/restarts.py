"""What a handler of time-outs does after it started the scheduler again.

From there on the jobs run: their fences are owed by hardware and by the next time-out, and wait
for the rest of the handler only where that next one is queued behind it.

Source: drivers/gpu/drm/scheduler/sched_main.c, drm_sched_stop and drm_sched_start.
"""

from __future__ import annotations

from dmabuf.audit.checks.excuses.passed import passed
from dmabuf.audit.checks.look import calls
from dmabuf.audit.front.code import END, GOTO, OPENS, RETURN, Code
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Way

__all__ = ["is_after_restart", "is_stopped"]

_STARTS = "drm_sched_start"
_STOPS = ("drm_sched_stop", "drm_sched_wqueue_stop")


def is_after_restart(way: Way, program: Program) -> bool:
    """Does a way leave a function in a line after the last one that starts a scheduler?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    return any(
        _STARTS in routine.outline.calls
        and _started(routine.function.code, routine.line_of(hop.place))
        for hop, routine in passed(way.hops, program)
    )


def is_stopped(way: Way, program: Program) -> bool:
    """Does a way leave a function where a scheduler stands still, so that no job is run?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    return any(
        _stands(routine.function.code, routine.line_of(hop.place))
        for hop, routine in passed(way.hops, program)
    )


def _stands(code: Code, line: int) -> bool:
    """Was a scheduler stopped on the way to a line, and not started since?"""
    stops = _before(code, line, *_STOPS)
    return bool(stops) and max(stops) > max(_before(code, line, _STARTS), default=-1)


def _started(code: Code, line: int) -> bool:
    """Was a scheduler started before a line, and not stopped since?"""
    starts = _before(code, line, _STARTS)
    stops = [index for index, name, _call in calls(code) if name in _STOPS]
    before = [index for index in stops if code[index][1] < line]
    return bool(starts) and max(before, default=-1) < max(starts)


def _before(code: Code, line: int, *names: str) -> list[int]:
    """Where one of these is called before a line that is reached from there."""
    return [
        index
        for index, name, call in calls(code)
        if name in names and call[1] < line and _goes_on(code, index, line)
    ]


def _goes_on(code: Code, start: int, line: int) -> bool:
    """May a line be reached from a call further up, or is the block left before?"""
    depth = least = 0
    for instruction in code[start + 1 :]:
        if instruction[1] >= line:
            return True
        kind = instruction[0]
        depth += (kind in OPENS) - (kind == END)
        least = min(least, depth)
        if kind in (RETURN, GOTO) and depth == least:
            return False
    return True
