"""A reservation lock of a buffer that the way itself has just made: nobody else knows it.

    shmem = drm_gem_shmem_create(dev, size);
    toy_pin(&shmem->base);

Who pins it, or frees it where that fails, takes its lock and never waits for it.
"""

from __future__ import annotations

import re

from dmabuf.audit.checks.look import assignments, calls, words_in
from dmabuf.audit.front.code import Code
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Hop, Kind, Way

__all__ = ["is_just_made"]

_MAKES = re.compile(r"(?:^|_)(?:create|alloc|new)(?:_|$)")


def is_just_made(way: Way, program: Program) -> bool:
    """Does a way end in the lock of a buffer, and hand on one that it made before?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    if way.effect.kind is not Kind.RESV:
        return False
    for hop in way.hops[1:]:
        routine = program.function(hop.place.function, hop.place.file)
        if routine is not None and _hands_on(routine.function.code, hop):
            return True
    return False


def _hands_on(code: Code, hop: Hop) -> bool:
    """Is an argument of the call that leads on what a call before it made?"""
    made: set[str] = set()
    for _index, name, call in calls(code):
        if call[1] == hop.place.line and name == hop.callee:
            return any(words_in(one) & made for one in call[3])
        result = call[4] if call[1] < hop.place.line and _MAKES.search(name) else None
        if result is not None and result[0] == "name":
            made.add(result[1])
            made |= _named_after(code, made, hop.place.line)
    return False


def _named_after(code: Code, made: set[str], end: int) -> set[str]:
    """`bo = to_toy_bo(&shmem->base)` is the same object."""
    return {
        target[1]
        for line, target, value in assignments(code)
        if line < end and target[0] == "name" and words_in(value) & made
    }
