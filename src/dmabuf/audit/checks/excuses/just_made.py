"""A lock of a buffer that the way itself has just made: nobody else knows it.

    shmem = drm_gem_shmem_create(dev, size);
    toy_pin(&shmem->base);

Who pins it, or frees it where that fails, takes its lock and never waits for it. So it is no
evidence either against a lock that is held there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dmabuf.audit.checks.excuses.passed import passed
from dmabuf.audit.checks.look import assignments, calls, words_in
from dmabuf.audit.front.code import Code, Instruction
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Kind, Way

__all__ = ["is_just_made"]

_MAKES = re.compile(r"(?:^|_)(?:create|alloc|new)(?:_|$)")


def is_just_made(way: Way, program: Program) -> bool:
    """Does a way end in the lock of a buffer, and hand on one that it made before?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    kind, subject = way.effect.kind, way.effect.subject
    if kind is not Kind.RESV and (kind is not Kind.LOCK or subject is None):
        return False
    for hop, routine in passed(way.hops[1:], program):
        kinds = program.tables.local(routine)
        callee = hop.callee or way.effect.name
        if not _hands_on(routine.function.code, kinds, routine.line_of(hop.place), callee):
            continue
        structs = map(program.types.plain, kinds.values())
        if kind is Kind.RESV or (subject is not None and subject[0] in structs):
            return True
    return False


def _hands_on(code: Code, kinds: Mapping[str, str], line: int, callee: str) -> bool:
    """Is an argument of the call that leads on what a call before it made?"""
    made: set[str] = set()
    for _index, name, call in calls(code):
        if call[1] == line and name == callee:
            return any(words_in(one) & made for one in call[3])
        if call[1] < line and _MAKES.search(name):
            made |= _given(call, kinds)
            made |= _named_after(code, made, line)
    return False


def _given(call: Instruction, kinds: Mapping[str, str]) -> set[str]:
    """What a call that makes something leaves it in: its result, or what it is told to fill in."""
    result = call[4]
    found = {result[1]} if result is not None and result[0] == "name" else set[str]()
    for one in call[3]:
        is_address = one[0] == "addr"
        name = one[1] if is_address else one
        if name[0] == "name" and kinds.get(name[1], "").count("*") == 2 - is_address:
            found.add(name[1])
    return found


def _named_after(code: Code, made: set[str], end: int) -> set[str]:
    """`bo = to_toy_bo(&shmem->base)` is the same object."""
    return {
        target[1]
        for line, target, value in assignments(code)
        if line < end and target[0] == "name" and words_in(value) & made
    }
