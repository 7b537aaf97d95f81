"""Fences that their own client can ask for by a number: entries of an idr or an xarray.

An ioctl that waits for such a fence holds no lock, so reclaim does not find the fence there; but
who waits for one that never signals waits for ever. Where the lookup refuses numbers beyond one
that is only set after the push, as of msm's `queue->last_fence`, the entry is nobody's until then.
"""

from __future__ import annotations

from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import assignments, calls, driver_of, ends, name_of, parts
from dmabuf.audit.front.code import IF, RETURN, Code, Expr
from dmabuf.audit.program.routine import Routine

__all__ = ["numbered_at"]

_STORES = frozenset({
    "idr_alloc", "idr_alloc_u32", "idr_alloc_cyclic", "xa_alloc", "xa_alloc_cyclic", "xa_store",
})  # fmt: skip
_FINDS = ("idr_find", "xa_load", "idr_get_next", "xa_find")


def numbered_at(routine: Routine, start: int, end: int, found: Calls) -> int:
    """The index from where a fence can be found by a number, between two indices; else `end`.

    Args:
        routine: arms a job and pushes it.
        start: the index of the call that arms.
        end: that of the call that pushes.
        found: all calls of the program.
    """
    code = routine.function.code
    for index, name, call in calls(code):
        if name in _STORES and start < index < end and call[3]:
            table = name_of(call[3][0])
            later = {one[2] for one in _fields_set(code[end:])} - {
                one[2] for one in _fields_set(code[start:end])
            }
            if not _refused(routine, table, later, found):
                return index
    return end


def _fields_set(code: Code) -> list[Expr]:
    return [target for _line, target, _value in assignments(code) if target[0] == "field"]


def _refused(routine: Routine, table: str, later: set[str], found: Calls) -> bool:
    """Does every lookup in a table of the driver first ask a field that is set after the push?"""
    lookups = [
        (reader, index)
        for reader, index in found.of(*_FINDS)
        if reader is not routine  # who puts it in may ask whether the number is free
        and driver_of(reader.path) == driver_of(routine.path)
        and name_of(reader.function.code[index][3][0]) == table
    ]
    return bool(lookups) and all(_asks(one.function.code[:at], later) for one, at in lookups)


def _asks(before: Code, fields: set[str]) -> bool:
    """Is there a test of one of these fields that leaves the function?"""
    return any(
        before[start][0] == IF
        and any(one[0] == RETURN for one in before[start:end])
        and any(
            len(one) == 3 and one[0] == "field" and one[2] in fields
            for one in parts(before[start][2])
        )
        for start, end in ends(before).items()
    )
