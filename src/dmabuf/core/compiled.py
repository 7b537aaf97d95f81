"""The optional compiled build: which quick ways of a fence are C, and whether they are here.

`core/_fused.c` holds the quick parts of `Fence.signal` and `Fence.add_callback` once more; where
it was built (docs/design/0006-the-compiled-build.md) the methods try it first. Everything else,
and everything where it was not built or `DMABUF_PURE` is set, is the Python code.

    >>> "compiled" if is_compiled() else "pure Python"
    '...'
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["bind", "compiled", "is_compiled", "use"]

F = TypeVar("F", bound=Callable[..., Any])


def _load() -> Any:
    """The extension module, None where it is not wanted or was not built for this Python."""
    if os.environ.get("DMABUF_PURE", "") not in ("", "explorer"):  # that is another part
        return None
    try:
        return importlib.import_module("dmabuf.core._fused")
    except ImportError:
        return None


_fused = _load()


def is_compiled() -> bool:
    """Is the compiled build here and in use?"""
    return _fused is not None


def compiled(function: F) -> F:
    """A method of `Fence` that has a quick way in C: tried first, where there is a C build."""
    return function if _fused is None else _fused.Method(function)


def bind(*classes: type, clock: Callable[[], int]) -> None:
    """Tell the C build where the fields of these classes lie; from here on it is used."""
    if _fused is not None:
        _fused.bind(*classes, clock)


def use(wanted: bool) -> bool:
    """Take the quick ways in C or leave them: for tests. Returns what it was before."""
    return bool(_fused.use(wanted)) if _fused is not None else False
