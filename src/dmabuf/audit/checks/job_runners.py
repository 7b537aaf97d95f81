"""What only runs where a scheduler runs a job: its callbacks, and what nobody else calls.

Where a handler of time-outs has stopped the scheduler none of them runs, so a lock that they hold
is not held against it.
"""

from __future__ import annotations

from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import calls, driver_of
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine

__all__ = ["job_runners"]

_CALLBACKS = ("run_job", "prepare_job", "dependency")
_ROUNDS = 4


def job_runners(program: Program, found: Calls, driver: str) -> frozenset[str]:
    """The functions of a driver, as `file:name`, that only run while a job is started.

    Args:
        program: the tree.
        found: all its calls.
        driver: the folder of the driver.
    """
    runners = {
        target.routine
        for field in _CALLBACKS
        for target in program.tables.fields.get(("struct drm_sched_backend_ops", field), ())
        if driver_of(target.routine.path) == driver
    }
    for _ in range(_ROUNDS):
        called = {
            callee
            for one in runners
            for _index, name, _call in calls(one.function.code)
            if (callee := program.function(name, one.path)) is not None
        }
        fresh = {one for one in called - runners if _is_theirs(one, runners, program, found)}
        if not fresh:
            break
        runners |= fresh
    return frozenset(f"{one.path}:{one.name}" for one in runners)


def _is_theirs(routine: Routine, runners: set[Routine], program: Program, found: Calls) -> bool:
    """Is a function called by these only, and in no table?"""
    return not program.in_tables.get(routine) and found.callers([routine.name]) <= runners
