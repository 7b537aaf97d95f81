"""How many values lie on a code object's stack before each of its instructions.

The interpreter does not store how far the stack of a frame reaches while C code runs on its
behalf, so it is worked out, as the compiler does for `co_stacksize`: from what each instruction
adds and takes, along every jump and into every handler.

    >>> waiting = (lambda a: [a, a.read()]).__code__
    >>> [below(at) for at in instructions(waiting) if at.name == "CALL"]
    [1]
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any, NamedTuple

from dmabuf.explore.states.codes_of import per_code

__all__ = ["Instruction", "below", "instruction_at", "instructions"]

_FALLS_NOT = frozenset(
    {
        "RETURN_VALUE",
        "RETURN_CONST",
        "RAISE_VARARGS",
        "RERAISE",
        "JUMP_FORWARD",
        "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT",
    }
)

_PUSHES = {
    "CALL": 1,
    "CALL_FUNCTION_EX": 1,
    "CALL_KW": 1,
    "BINARY_OP": 1,
    "BINARY_SUBSCR": 1,
    "BINARY_SLICE": 1,
    "COMPARE_OP": 1,
    "TO_BOOL": 1,
    "LOAD_ATTR": 1,
    "LOAD_METHOD": 1,
    "LOAD_SUPER_ATTR": 1,
    "BEFORE_WITH": 1,
    "FOR_ITER": 1,
    "WITH_EXCEPT_START": 1,
    "GET_ITER": 1,
    "FORMAT_VALUE": 1,
    "FORMAT_SIMPLE": 1,
    "STORE_ATTR": 0,
    "STORE_SUBSCR": 0,
    "DELETE_ATTR": 0,
    "DELETE_SUBSCR": 0,
    "JUMP_IF_FALSE_OR_POP": 0,
    "JUMP_IF_TRUE_OR_POP": 0,
}
"""Instructions that may call Python code and keep nothing in C while they do; what they push."""


class Instruction(NamedTuple):
    """One instruction; `depth` is -1 where nothing leads to it."""

    offset: int
    name: str
    effect: int
    depth: int


def instructions(code: CodeType) -> tuple[Instruction, ...]:
    """The instructions of a code object in order."""
    return tuple(_table(code)[1])


def instruction_at(code: CodeType, last: int) -> Instruction:
    """The instruction that a frame with that `f_lasti` is in the middle of.

    The interpreter may stand at a cache entry behind it, or, in 3.11, at the PRECALL before a CALL:
    that depends on how warm the code is, and is no difference.
    """
    by_offset, table = _table(code)
    return table[by_offset[last // 2]]


def below(at: Instruction) -> int | None:
    """How many values lie under those that the instruction works on.

    None if it is not known to keep nothing in C while it calls Python code.
    """
    pushes = _pushes(at.name)
    if pushes is None or at.depth < 0:
        return None
    return at.depth + at.effect - pushes


def _pushes(name: str) -> int | None:
    if name.startswith("UNARY_"):
        return 1
    if name.startswith("POP_JUMP_") and not name.endswith("NONE"):
        return 0
    return _PUSHES.get(name)


@per_code
def _table(code: CodeType) -> tuple[list[int], list[Instruction]]:
    """For each code unit the index of its instruction; the instructions."""
    read = list(dis.get_instructions(code))
    depths = _depths(code, read)
    table = [
        Instruction(i.offset, i.opname, _effect(i, jump=False), depths[i.offset]) for i in read
    ]
    by_unit: list[int] = []
    for index, one in enumerate(table):
        end = table[index + 1].offset if index + 1 < len(table) else len(code.co_code)
        stands_for = index + 1 if one.name == "PRECALL" else index
        by_unit += [stands_for] * ((end - one.offset) // 2)
    return by_unit, table


def _effect(one: dis.Instruction, *, jump: bool) -> int:
    if one.opname == "RETURN_GENERATOR":
        return 1  # what `send` passes; 3.11 says 0, as its compiler adds that later
    arg = one.arg if one.opcode >= dis.HAVE_ARGUMENT else None
    return dis.stack_effect(one.opcode, arg, jump=jump)


def _depths(code: CodeType, read: list[dis.Instruction]) -> dict[int, int]:
    index_of = {one.offset: index for index, one in enumerate(read)}
    depths = dict.fromkeys(index_of, -1)
    read_code: Any = dis.Bytecode(code)
    waiting = [(0, 0)]
    waiting += [(one.target, one.depth + one.lasti + 1) for one in read_code.exception_entries]
    while waiting:
        offset, depth = waiting.pop()
        if depths.get(offset, 0) >= 0:
            continue
        depths[offset] = depth
        one = read[index_of[offset]]
        if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
            waiting.append((one.argval, depth + _effect(one, jump=True)))
        index = index_of[offset] + 1
        if one.opname not in _FALLS_NOT and index < len(read):
            waiting.append((read[index].offset, depth + _effect(one, jump=False)))
    return depths
