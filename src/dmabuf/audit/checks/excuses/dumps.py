"""Dumps after a hang: what saves the state of hung hardware for somebody to read.

A dump is made once, of hardware that does nothing any more, and those who wrote it mostly know
what it may wait for. So it is told apart: by the name of a function, or by the structs that it
fills, below a handler of time-outs or errors.
"""

from __future__ import annotations

import re

from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Way

__all__ = ["is_dump"]

_SAYS_ALL = re.compile(r"(?:^|_)(?:core_?dumps?|dev_?core_?dump\w*|crash_?state)(?:_|$)")
"""A name that needs no handler above it."""
_DUMPS = re.compile(r"(?:^|_)(?:dump|snapshot|capture)(?:_|$)")
_HANDLES = re.compile(r"(?:^|_)(?:recover\w*|reset\w*|hang\w*|tdr|timeout|timedout|error|wedge\w*)")
_HANDLERS = frozenset({("struct drm_sched_backend_ops", "timedout_job")})


def is_dump(way: Way, program: Program) -> bool:
    """Does a way go through a function that only saves what hung hardware was doing?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    handled = _is_handler(program.function(way.root.function, way.root.file), program)
    for number, hop in enumerate(way.hops):
        name = hop.place.function
        handled = handled or _HANDLES.search(name) is not None
        words = (name, *_structs(program.function(name, hop.place.file), program))
        if any(map(_SAYS_ALL.search, words)):
            return True
        if handled and number and any(map(_DUMPS.search, words)):
            return True
    return False


def _is_handler(routine: Routine | None, program: Program) -> bool:
    places = program.in_tables.get(routine, ()) if routine is not None else ()
    return any((struct, field) in _HANDLERS for struct, field, _table in places)


def _structs(routine: Routine | None, program: Program) -> set[str]:
    """The names of the structs that a function has variables of."""
    if routine is None:
        return set()
    kinds = map(program.types.plain, program.tables.local(routine).values())
    return {one.removeprefix("struct ") for one in kinds if one.startswith("struct ")}
