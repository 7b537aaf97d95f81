"""Fences that nothing ends: no timeout handler, an endless time, no timer at all (DF102).

Whether the handler that is there does its work is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dmabuf.audit.checks.found import local_finding
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import assignments, driver_of, fields_of, is_test_code, words_in
from dmabuf.audit.front.code import DECLARE, Expr
from dmabuf.audit.front.facts import Variable
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["endless_fences"]

_ENDLESS = "MAX_SCHEDULE_TIMEOUT"
_TIMERS_TEXT = """
timer_setup INIT_DELAYED_WORK hrtimer_init hrtimer_setup setup_timer drm_sched_init
schedule_delayed_work queue_delayed_work mod_delayed_work
"""
_WATCHES = re.compile(r"hang|timeout|timedout|watchdog|tdr|recover")
_CONTAINERS = ("drivers/dma-buf", "drivers/gpu/drm", "drivers/gpu/drm/scheduler")
"""Fences of the subsystem itself are made of others, or end with them."""


def endless_fences(program: Program, calls: Calls) -> Iterator[SourceFinding]:
    """Schedulers and drivers that never give a job up."""
    watched = _watched(program)
    for path, variable in program.names.variables_of("struct drm_sched_backend_ops"):
        yield from _unhandled(path, variable, _level(path, watched))
    inits = calls.callers(["drm_sched_init"])
    for routine in sorted(inits, key=lambda one: (one.path, one.line)):
        yield from _endless(routine, calls, _level(routine.path, watched))
    yield from _untimed_drivers(program, calls)


def _watched(program: Program) -> set[str]:
    """The drivers that have a timer or work of their own whose name says that it watches."""
    return {
        driver_of(routine.path)
        for routine, registrations in program.registrations.items()
        for one in registrations
        if one.kind in ("timer", "work")
        and _WATCHES.search(f"{routine.name} {one.subject[1] if one.subject else ''}")
    }


def _level(path: str, watched: set[str]) -> Level:
    return Level.INFO if driver_of(path) in watched else Level.WARNING


def _unhandled(path: str, variable: Variable, level: Level) -> Iterator[SourceFinding]:
    fields = {field for field, _value in fields_of(variable.value)}
    if "run_job" in fields and "timedout_job" not in fields:
        hop = Hop(Place(path, variable.line), f"{variable.name} has no timedout_job")
        yield local_finding(
            "DF102",
            level,
            f"{variable.name} has run_job and no timedout_job, so a job that hangs is never ended",
            (hop,),
            entry="a scheduler's table (struct drm_sched_backend_ops)",
            detail=variable.name,
        )


def _endless(routine: Routine, calls: Calls, level: Level) -> Iterator[SourceFinding]:
    """Schedulers that are made with an endless time."""
    code = routine.function.code
    lines = [
        code[index][1]
        for other, index in calls.of("drm_sched_init")
        if other is routine and any(_ENDLESS in words_in(one) for one in code[index][3])
    ]
    if any(one[0] == DECLARE and one[3] == "struct drm_sched_init_args" for one in code):
        lines += [line for line, target, value in assignments(code) if _is_endless(target, value)]
    for line in lines[:1]:
        hop = Hop(routine.place(line), f"makes a scheduler with {_ENDLESS}")
        yield local_finding(
            "DF102",
            level,
            f"makes a scheduler with {_ENDLESS}, so its timeout handler never runs",
            (hop,),
            entry="where a scheduler is made",
            detail="drm_sched_init",
        )


def _is_endless(target: Expr, value: Expr) -> bool:
    if target[0] == "field" and target[2] == "timeout":
        return _ENDLESS in words_in(value)
    return any(field == "timeout" and _ENDLESS in words_in(one) for field, one in fields_of(value))


def _untimed_drivers(program: Program, calls: Calls) -> Iterator[SourceFinding]:
    timed = {driver_of(routine.path) for routine in calls.callers(_TIMERS_TEXT.split())}
    timed |= _with_handlers(program)  # the scheduler itself may be made by a helper
    told: set[str] = set()
    for path, variable in program.names.variables_of("struct dma_fence_ops"):
        driver = driver_of(path)
        if driver in timed | told or is_test_code(path):
            continue
        if driver not in _CONTAINERS:
            told.add(driver)
            yield _untimed(path, variable)


def _with_handlers(program: Program) -> set[str]:
    """The drivers with a table that tells a scheduler whom to ask when a job is late."""
    return {
        driver_of(path)
        for path, variable in program.names.variables_of("struct drm_sched_backend_ops")
        if "timedout_job" in {field for field, _value in fields_of(variable.value)}
    }


def _untimed(path: str, variable: Variable) -> SourceFinding:
    hop = Hop(Place(path, variable.line), f"{variable.name} makes fences of this driver")
    return local_finding(
        "DF102",
        Level.WARNING,
        "this driver makes fences and has no timer, delayed work or scheduler that could end them",
        (hop,),
        entry=f"a table of fence callbacks, {variable.name}",
        detail=variable.name,
    )
