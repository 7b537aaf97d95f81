"""What is only done where something does not exist yet: `get` makes it the first time.

    hive = find_hive(gpu);
    if (gpu->hive) {
        hive = gpu->hive;
        goto out;
    }
    hive = kzalloc(...);

By the time that a job hangs the object has mostly been there since the device came up.
"""

from __future__ import annotations

from collections.abc import Iterator

from dmabuf.audit.checks.excuses.passed import passed
from dmabuf.audit.checks.look import calls, ends, parts
from dmabuf.audit.front.code import GOTO, IF, LOOP, RETURN, SET, Code, Expr, Instruction
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Way
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Allocates

__all__ = ["is_made_once"]

_NOTHING = (("name", "NULL"), ("number", 0))


def is_made_once(way: Way, program: Program) -> bool:
    """Does a way go through the making of what the same function returns where it exists?

    Args:
        way: from any root.
        program: where its functions are looked up.
    """
    for hop, routine in passed(way.hops[1:], program):
        code = routine.function.code
        kinds = program.tables.local(routine)
        line = routine.line_of(hop.place)
        for made, index in _made(code):
            before = code[index][1] <= line and "*" in kinds.get(made[1], "")
            if before and _is_returned(code, made) and _is_found(code, index, made):
                return True
    return False


def _made(code: Code) -> Iterator[tuple[Expr, int]]:
    """Variables that take new memory, and where."""
    for index, name, call in calls(code):
        allocates = any(isinstance(one, Allocates) for one in does(name) or ())
        if allocates and call[4] is not None and call[4][0] == "name":
            yield call[4], index


def _is_returned(code: Code, made: Expr) -> bool:
    return any(one[0] == RETURN and one[2] == made for one in code)


def _is_found(code: Code, end: int, made: Expr) -> bool:
    """Is there a branch before that leaves with what exists?"""
    return any(
        closed < end and _gives(code[start], code[start + 1 : closed], made)
        for start, closed in ends(code).items()
    )


def _gives(opening: Instruction, inside: Code, made: Expr) -> bool:
    """`if (hive) return hive;`, the same by way of the variable, or a search through a list."""
    leaves = [one for one in inside if one[0] in (GOTO, RETURN)]
    if opening[0] == IF and any(one[0] == RETURN and one[2] == opening[2] for one in leaves):
        return bool(opening[2][0] == "field")
    if opening[0] == LOOP:
        return bool(leaves) and made in parts(opening[2])
    sets = any(one[0] == SET and one[2] == made and one[3] not in _NOTHING for one in inside)
    return opening[0] == IF and sets and bool(leaves)
