"""The outline of a file's facts: what linking a tree needs of all files, without their bodies.

A tree's outlines are a tenth of its facts, so they are all read to link it; the facts of a file are
when somebody looks at it. Where no file has changed its brief is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from dmabuf.audit.front.code import CALL, DECLARE, SET, Code, Expr
from dmabuf.audit.front.facts import FileFacts, Function, Macro

__all__ = ["Brief", "FunctionLine", "MacroLine", "Outline", "brief_of", "outline_of"]


_PART = ("op", "&")


class FunctionLine(NamedTuple):
    """A function with a body.

    Attributes:
        name: its name.
        line: its first one.
        static: as in `facts`, as are the conditions.
        size: bytes of its body.
        calls: names that it calls, sorted; those of its own variables are none.
        pointed: it calls through a pointer.
        stores: it may store a function in a struct, or fills one in.
    """

    name: str
    line: int
    static: bool
    size: int
    conditions: tuple[str, ...]
    calls: tuple[str, ...]
    pointed: bool
    stores: bool


class MacroLine(NamedTuple):
    """A macro that calls something."""

    name: str
    calls: tuple[str, ...]
    pointed: bool


class Outline(NamedTuple):
    """What a file has.

    Attributes:
        path, size, trouble, includes: as in `facts`.
        lost: bytes that were not understood.
        functions: as they stand in the facts, in the same order, as do the next three.
        macros, structs: names.
        variables: name, whether it is static, type, and whether it has a value.
        prototypes: names, and whether flags of an allocation are asked for.
        calling: the macros that call something.
        typedefs, makers, wants: as in `facts`.
        sets: the fields that its functions set to anything but a part of what they were.
        items: what is called in its tables in the place of a field.
    """

    path: str
    size: int
    lost: int
    trouble: str
    includes: tuple[str, ...]
    functions: tuple[FunctionLine, ...]
    macros: tuple[str, ...]
    structs: tuple[str, ...]
    variables: tuple[tuple[str, bool, str, bool], ...]
    prototypes: tuple[tuple[str, bool], ...]
    calling: tuple[MacroLine, ...]
    typedefs: tuple[tuple[str, str], ...]
    makers: tuple[tuple[str, tuple[str, ...], str], ...]
    wants: tuple[tuple[int, str, str, tuple[str, ...]], ...]
    sets: tuple[str, ...]
    items: tuple[str, ...]


class Brief(NamedTuple):
    """What is asked of every file, whatever becomes of it.

    Attributes:
        trouble, includes, size, lost: as in the outline.
        functions: how many.
    """

    trouble: str = ""
    includes: tuple[str, ...] = ()
    size: int = 0
    lost: int = 0
    functions: int = 0


def brief_of(outline: Outline) -> Brief:
    """The brief of a file."""
    return Brief(
        outline.trouble, outline.includes, outline.size, outline.lost, len(outline.functions)
    )


def outline_of(facts: FileFacts, before: Outline | None = None) -> Outline:
    """The outline of a file.

    Args:
        facts: of it.
        before: the outline of facts whose functions are the first ones of these.
    """
    known = before.functions if before is not None else ()
    sets = set(before.sets if before is not None else ())
    return Outline(
        facts.path,
        facts.size,
        sum(size for _, size in facts.flaws),
        facts.trouble,
        facts.includes,
        (*known, *(_function(one, sets) for one in facts.functions[len(known) :])),
        tuple(one.name for one in facts.macros),
        tuple(one.name for one in facts.structs),
        tuple((one.name, one.static, one.type, one.value is not None) for one in facts.variables),
        tuple(
            (name, any(one.startswith("gfp_t") for one in types))
            for name, _, types in facts.prototypes
        ),
        tuple(one for one in map(_macro, facts.macros) if one.calls or one.pointed),
        facts.typedefs,
        facts.makers,
        facts.wants,
        tuple(sorted(sets)),
        tuple(sorted({name for one in facts.variables for name in _items(one.value)})),
    )


def _items(table: Expr | None) -> Iterator[str]:
    """The calls in a table that stand where fields do: macros that stand for several."""
    if table is not None and table[0] == "list":
        for path, value in table[1]:
            if not path and value[0] == "call" and value[1][0] == "name":
                yield value[1][1]


def _function(one: Function, sets: set[str]) -> FunctionLine:
    """The line of a function; the fields that it sets go into `sets`."""
    code = one.code
    sets.update(
        each[2][2]
        for each in code
        if each[0] == SET and each[2][0] == "field" and each[3][:2] != _PART
    )
    parameters = {parameter.name for parameter in one.parameters}
    calls, pointed, local = _called(code, parameters)
    stores = any(
        each[0] == SET and _may_store(each[2], each[3], local - parameters) for each in code
    )
    size = len(one.body)
    return FunctionLine(
        one.name, one.line, one.static, size, one.conditions, calls, pointed, stores
    )


def _macro(one: Macro) -> MacroLine:
    calls, pointed, _ = _called(one.code, set())
    return MacroLine(one.name, calls, pointed)


def _called(code: Code, local: set[str]) -> tuple[tuple[str, ...], bool, set[str]]:
    """Names that are called, whether a pointer is, and the variables.

    `guard(mutex)(&lock)`, a call of what a call returns, calls a pointer, and `guard`.
    """
    names: set[str] = set()
    local = set(local)
    pointed = False
    for instruction in code:
        if instruction[0] == DECLARE:
            local.add(instruction[2])
        elif instruction[0] == CALL:
            callee: Any = instruction[2]
            named = callee[0] == "name" and callee[1] not in local
            pointed = pointed or not named
            if callee[0] == "call":
                callee = callee[1]
            if callee[0] == "name" and callee[1] not in local:
                names.add(callee[1])
    return tuple(sorted(names)), pointed, local


def _may_store(target: Expr, value: Expr, variables: set[str]) -> bool:
    """Whether an assignment may put a function into a struct, by what the file alone tells."""
    if value[0] == "list":
        return bool(target[0] == "name")
    if target[0] != "field" and (target[0] != "index" or target[1][0] != "field"):
        return False
    inner = value[2] if value[0] == "cast" else value
    inner = inner[1] if inner[0] == "addr" else inner
    return bool(inner[0] == "name" and inner[1] not in variables)
