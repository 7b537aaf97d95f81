"""What a piece of code is called and what it could ask for: read off once per code object.

>>> sorted(reads_of(compile("fence.timestamp", "driver.py", "eval")))
['time']
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, ModuleType
from typing import Any, TypeVar

from dmabuf.explore.foreign.whose import is_of_design

__all__ = ["class_of", "globals_of", "is_design_class", "name_of", "per_code", "reads_of"]

R = TypeVar("R")
class_of: Callable[[Any], type[Any]] = type
"""What `type` says, to a type checker too."""

_TELLS = {
    "now": "time",
    "seqno": "seqno",
    "context": "context",
    "describe": "seqno",
}
_PARTS = {"timestamp": "time", "ktime": "time", "seqno": "seqno", "info": "time"}
_CONSTANT = (int, str, bool, float, bytes, type(None), ModuleType, BuiltinFunctionType)

_names: dict[int, tuple[CodeType, int]] = {}
"""A number for each code object, which is kept so that its place in memory stays its own."""


def per_code(compute: Callable[[CodeType], R]) -> Callable[[CodeType], R]:
    """Compute once for each code object, by identity: equal code of two files is not the same."""
    known: dict[int, tuple[CodeType, R]] = {}

    @functools.wraps(compute)
    def look_up(code: CodeType) -> R:
        found = known.get(id(code))
        if found is None:
            found = known[id(code)] = code, compute(code)
        return found[1]

    return look_up


def name_of(code: CodeType) -> int:
    """A number that no other code object has, in this process."""
    known = _names.get(id(code))
    if known is None:
        known = _names[id(code)] = (code, len(_names))
    return known[1]


def _nested(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += [const for const in one.co_consts if isinstance(const, CodeType)]


@per_code
def reads_of(code: CodeType) -> frozenset[str]:
    """Which of "time", "seqno" and "context" a design's code names; it cannot ask otherwise."""
    if not is_of_design(code.co_filename):
        return frozenset()
    found: set[str] = set()
    for one in _nested(code):
        for name in one.co_names:
            if name in _TELLS:
                found.add(_TELLS[name])
            found |= {what for part, what in _PARTS.items() if part in name}
    return frozenset(found)


@per_code
def _global_names(code: CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """The global names that code uses, and those that it changes."""
    used: dict[str, None] = {}
    changed: set[str] = set()
    for one in _nested(code):
        for at in dis.get_instructions(one):
            if at.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                used[at.argval] = None
            elif at.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                changed.add(at.argval)
    return tuple(used), frozenset(changed)


def globals_of(code: CodeType, names: dict[str, Any]) -> list[Any]:
    """The module's variables that a design's code could keep state in."""
    used, changed = _global_names(code)
    found = [names.get(name) for name in sorted(changed)]
    for name in used:
        value = names.get(name)
        if value is None or isinstance(value, _CONSTANT) or _is_anothers(value):
            continue
        found.append(value)
    return found


def _is_anothers(value: Any) -> bool:
    """A function or class of ours, of Python's or of an installed package: no design's state."""
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return not is_of_design(code.co_filename)
    return isinstance(value, type) and not is_design_class(value)


@functools.lru_cache(maxsize=4096)
def is_design_class(kind: type) -> bool:
    """Does a design's author answer for this class?"""
    for value in vars(kind).values():
        code = getattr(value, "__code__", None)
        if isinstance(code, CodeType):
            return is_of_design(code.co_filename)
    if kind.__module__ == "builtins":
        return False
    return is_of_design(getattr(inspect.getmodule(kind), "__file__", None) or "<none>")
