"""What a frame holds: its locals, cells and the values on its stack.

Python shows a frame's locals only. A loop's iterator and the left side of a sum live on the
stack; two states that differ there are different states, so a search that compares states has to
see them. They are read from the interpreter's memory, whose layout is tried out first on frames
with known contents; where that fails (`can_read`), nothing is read.

    >>> can_read()
    True
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import sys
from types import (
    BuiltinMethodType,
    CodeType,
    FrameType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
)
from typing import Any

from dmabuf.explore.states.codes_of import class_of, per_code
from dmabuf.explore.states.depths import below, instruction_at
from dmabuf.explore.states.opaque import Opaque

__all__ = ["NULL", "can_read", "contents", "position"]

_VERSIONS = ((3, 11), (3, 14))
"""From and below: these lay a frame out alike, as looked up in their pycore_frame.h."""

_INNER_AT = 24
_STACKTOP_AT = 64
_LOCALS_AT = 72
_CALLS = ("CALL", "CALL_FUNCTION_EX", "CALL_KW")
_THROUGH = (next, any, all)
"""Functions written in C that keep nothing of their own while they call a generator."""


class _Null:
    """An unbound local, or a gap on the stack."""


NULL = _Null()


def position(frame: FrameType) -> int:
    """Where it stands, whatever the interpreter has learnt about its code."""
    return instruction_at(frame.f_code, frame.f_lasti).offset


def contents(frame: FrameType) -> list[Any]:
    """Locals, cells and stack of a frame that waits for a call, without what that call works on.

    Raises Opaque if C code in between keeps state that cannot be seen.
    """
    code = frame.f_code
    inner = ctypes.c_void_p.from_address(id(frame) + _INNER_AT).value
    assert inner is not None
    top = ctypes.c_int.from_address(inner + _STACKTOP_AT).value
    fixed = _fixed(code)
    if top >= 0:
        return _read(inner, top)
    depth = _depth_in_c(frame, inner, fixed)
    return _read(inner, fixed + depth)


def _depth_in_c(frame: FrameType, inner: int, fixed: int) -> int:
    code = frame.f_code
    at = instruction_at(code, frame.f_lasti)
    depth = below(at)
    if depth is None or depth < 0 or depth > code.co_stacksize:
        raise Opaque(f"a step inside {_in_words(at.name)}", frame)
    if at.name in _CALLS:
        called = next(
            (one for one in _read(inner, fixed + depth + 2)[fixed + depth :] if one is not NULL),
            None,
        )
        if not _calls_through(called):
            raise Opaque(f"a step inside {getattr(called, '__name__', 'a call')}()", frame)
    return depth


def _in_words(name: str) -> str:
    return name.lower().replace("_", " ")


def _calls_through(called: Any) -> bool:
    """Does a call of this run Python code at once and keep nothing of its own meanwhile?"""
    if isinstance(called, (FunctionType, type)) or any(called is one for one in _THROUGH):
        return True
    if isinstance(called, MethodType):
        return _calls_through(called.__func__)
    if isinstance(called, functools.partial):
        return _calls_through(called.func)
    if isinstance(called, MethodDescriptorType):
        return _is_runtime(called.__objclass__)
    if isinstance(called, BuiltinMethodType):
        return inspect.isgenerator(called.__self__) or _is_runtime(type(called.__self__))
    kind = class_of(called)
    return kind.__module__.startswith("dmabuf.") or isinstance(
        inspect.getattr_static(kind, "__call__", None), FunctionType
    )


def _is_runtime(kind: type) -> bool:
    """Compiled, the runtime keeps nothing of its own but what a task has announced."""
    return kind.__module__.startswith("dmabuf.rt.")


@per_code
def _fixed(code: CodeType) -> int:
    """How many places its locals, cells and free variables take."""
    names = code.co_varnames
    return len(names) + len([c for c in code.co_cellvars if c not in names]) + len(code.co_freevars)


@functools.cache
def _arrays(count: int) -> tuple[Any, Any]:
    return ctypes.c_void_p * count, ctypes.py_object * count


def _read(inner: int, count: int) -> list[Any]:
    if not count:
        return []
    addresses, objects = _arrays(count)
    where = inner + _LOCALS_AT
    present = addresses.from_address(where)
    values = objects.from_address(where)
    return [values[i] if present[i] else NULL for i in range(count)]


# -- is the layout as expected? ------------------------------------------------------------------


@functools.cache
def can_read() -> bool:
    """Are frames of this interpreter laid out as they are read here? Tried out once."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if not _VERSIONS[0] <= sys.version_info[:2] < _VERSIONS[1]:
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    seen: list[Any] = []
    known = _known(seen)
    next(known)
    return seen == [True] and _is_known(contents(known.gi_frame))


class _Probe:
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def __enter__(self) -> int:
        frame = sys._getframe(1)
        found = contents(frame)
        self.seen.append(found[2] == "local" and "left" in found[3:] and found[-1] is not NULL)
        return 0

    def __exit__(self, *_: object) -> None:
        return None


def _known(seen: list[Any]) -> Any:
    """A frame with known contents, looked at from inside a with-statement and while it waits."""
    first, local = _Probe(seen), "local"
    for one in ("left",):
        with first:
            yield (one, local)


def _is_known(found: list[Any]) -> bool:
    return found[2] == "local" and found[3] == "left" and len(found) == 6
