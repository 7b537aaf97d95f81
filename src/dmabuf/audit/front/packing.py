"""Facts as bytes and back: what crosses the border of a process, and what is kept.

Written by `marshal`, which is quick and knows plain values only; its format belongs to a version of
Python. Bodies of functions stay bytes in bytes, so reading all facts of a tree touches no body.
"""

from __future__ import annotations

import marshal
from itertools import starmap
from typing import Any, Final

from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.facts import FileFacts, Function, Macro, Parameter, Struct, Variable

__all__ = ["DEEPEST", "is_deep", "pack", "unpack"]

# How deep an expression may be, so that who reads it may recurse.
DEEPEST: Final = 200


def is_deep(value: object) -> bool:
    """Whether tuples lie deeper in each other than anybody should recurse."""
    level: list[tuple[Any, ...]] = [value] if isinstance(value, tuple) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [one for each in level for one in each if isinstance(one, tuple)]
    return True


def pack(facts: FileFacts) -> bytes:
    """The bytes of a file's facts."""
    content: Any = (
        facts.path,
        facts.size,
        tuple(map(_function, facts.functions)),
        tuple((one.name, one.line, one.parameters, one.code, one.value) for one in facts.macros),
        tuple((one.name, one.line, tuple(map(tuple, one.fields))) for one in facts.structs),
        tuple(map(_variable, facts.variables)),
        facts.prototypes,
        facts.typedefs,
        facts.top,
        facts.includes,
        facts.flaws,
        facts.trouble,
        facts.makers,
        facts.wants,
    )
    return marshal.dumps(content)


def _function(one: Function) -> tuple[Any, ...]:
    return (
        one.name,
        one.line,
        one.end,
        one.returns,
        tuple(map(tuple, one.parameters)),
        one.body,
        one.static,
        one.conditions,
        one.flaws,
    )


def _macro(one: Macro) -> tuple[Any, ...]:
    return one.name, one.line, one.parameters, one.code, one.value


def _variable(one: Variable) -> tuple[str, int, str, Expr | None, bool]:
    return one.name, one.line, one.type, one.value, one.static


def unpack(data: bytes | memoryview) -> FileFacts:
    """The facts that `pack` wrote; raises what `marshal` raises for other bytes."""
    path, size, functions, macros, structs, variables, *rest = marshal.loads(data)
    return FileFacts(
        path,
        size,
        tuple(
            Function(name, line, end, returns, tuple(starmap(Parameter, given)), *more)
            for name, line, end, returns, given, *more in functions
        ),
        tuple(starmap(Macro, macros)),
        tuple(
            Struct(name, line, tuple(starmap(Parameter, fields))) for name, line, fields in structs
        ),
        tuple(starmap(Variable, variables)),
        *rest,
    )
