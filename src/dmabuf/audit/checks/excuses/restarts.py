"""What a handler of time-outs does after it started the scheduler again.

From there on the jobs run: their fences are owed by hardware and by the next time-out, and wait
for the rest of the handler only where that next one is queued behind it.

Source: drivers/gpu/drm/scheduler/sched_main.c, drm_sched_stop and drm_sched_start.
"""

from __future__ import annotations

from dmabuf.audit.checks.look import calls
from dmabuf.audit.front.code import END, GOTO, OPENS, RETURN, Code
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Way

__all__ = ["is_after_restart"]

_STARTS = "drm_sched_start"
_STOPS = "drm_sched_stop"


def is_after_restart(way: Way, program: Program) -> bool:
    """Does a way leave a function in a line after the last one that starts a scheduler?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    for hop in way.hops:
        routine = program.function(hop.place.function, hop.place.file)
        if routine is None or _STARTS not in routine.outline.calls:
            continue
        if _started(routine.function.code, hop.place.line):
            return True
    return False


def _started(code: Code, line: int) -> bool:
    """Was a scheduler started before a line, and not stopped since?"""
    named = [(index, name) for index, name, call in calls(code) if call[1] < line]
    starts = [index for index, name in named if name == _STARTS and _goes_on(code, index, line)]
    stops = [index for index, name in named if name == _STOPS]
    return bool(starts) and max(stops, default=-1) < max(starts)


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
