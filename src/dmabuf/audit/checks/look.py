"""Small questions about instructions and expressions: which calls, which names, which ends.

Everything here is about one function or table alone.

>>> name_of(("addr", ("field", ("name", "gpu"), "recover_work")))
'recover_work'
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from dmabuf.audit.front.code import (
    CALL,
    END,
    OPENS,
    SET,
    Code,
    Expr,
    Instruction,
)
from dmabuf.audit.program.routine import owner_of

__all__ = [
    "assignments",
    "calls",
    "driver_of",
    "ends",
    "fields_of",
    "is_test_code",
    "name_of",
    "parts",
    "words_in",
]


def driver_of(path: str) -> str:
    """The folder of the driver that a file belongs to.

    >>> driver_of("drivers/gpu/drm/toy/sched/job.c"), driver_of("drivers/dma-buf/heaps/heap.c")
    ('drivers/gpu/drm/toy', 'drivers/dma-buf/heaps')
    """
    return owner_of(path) or path.rpartition("/")[0]


def is_test_code(path: str) -> bool:
    """Is a file a test of the kernel's own? What it does wrong is on purpose."""
    folders = path.split("/")[:-1]
    name = path.rpartition("/")[2]
    return any(one in _TESTS for one in folders) or name.startswith(("st-", "mock_", "selftest"))


_TESTS = ("tests", "selftests", "selftest", "kunit")


def calls(code: Code) -> Iterator[tuple[int, str, Instruction]]:
    """Calls by name: index, name of the callee, the instruction."""
    for index, instruction in enumerate(code):
        if instruction[0] == CALL and instruction[2][0] == "name":
            yield index, instruction[2][1], instruction


def assignments(code: Code) -> Iterator[tuple[int, Expr, Expr]]:
    """Assignments: line, target, value."""
    for instruction in code:
        if instruction[0] == SET:
            yield instruction[1], instruction[2], instruction[3]


def fields_of(value: Expr | None) -> Iterator[tuple[str, Expr]]:
    """Fields of an initialiser by name, also of those in arrays."""
    if value is None or value[0] != "list":
        return
    for path, inner in value[1]:
        if path and path[-1].startswith("."):
            yield path[-1][1:], inner
        if inner[0] == "list":
            yield from fields_of(inner)


def name_of(value: Expr | None) -> str:
    """The last word of a place: a variable, or the field of it; "" if there is none."""
    while value is not None:
        kind = value[0]
        if kind == "name":
            return str(value[1])
        if kind == "field":
            return str(value[2])
        if kind in ("addr", "deref", "index"):
            value = value[1]
        elif kind == "cast":
            value = value[2]
        else:
            return ""
    return ""


def parts(value: Expr | None) -> Iterator[Expr]:
    """An expression and all those in it."""
    queue: list[Any] = [value]
    while queue:
        one = queue.pop()
        if isinstance(one, tuple) and one:
            inner = cast("tuple[Any, ...]", one)  # type: ignore[redundant-cast]
            yield inner
            queue.extend(inner)


def words_in(value: Expr | None) -> set[str]:
    """Every name in an expression."""
    return {str(one[1]) for one in parts(value) if one[0] == "name" and len(one) == 2}


def ends(code: Code) -> dict[int, int]:
    """Where each IF, LOOP, SWITCH and BLOCK ends, by index."""
    found: dict[int, int] = {}
    stack: list[int] = []
    for index, instruction in enumerate(code):
        if instruction[0] in OPENS:
            stack.append(index)
        elif instruction[0] == END and stack:
            found[stack.pop()] = index
    found.update(dict.fromkeys(stack, len(code)))
    return found
