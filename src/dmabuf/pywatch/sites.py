"""Which line of the program makes a lock: the first one outside what makes locks for others.

`queue.Queue()` makes a lock and three conditions; `executor.submit()` makes a condition for each
future. They are known by the line that called, and told apart by the line that made them.

    >>> class_of = Sites(Classes(Reached(Limits())))
    >>> class_of.class_here("Lock").name.startswith("Lock")
    True
"""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType, FrameType

from dmabuf.contract.classes import Classes, LockClass
from dmabuf.contract.limits import Limits, Reached
from dmabuf.report.finding import Place

__all__ = ["At", "Limits", "Reached", "Sites", "is_maker", "is_ours", "line_of"]

At = tuple[CodeType, int]
"""An instruction: what is cheap to keep of a line."""

_OURS = os.path.dirname(__file__) + os.sep  # noqa: PTH120 - compared as text for each frame
_LIBRARY = os.path.dirname(threading.__file__) + os.sep  # noqa: PTH120
_MAKERS = tuple(
    _LIBRARY + name
    for name in (
        "threading.py",
        "queue.py",
        f"concurrent{os.sep}",
        f"multiprocessing{os.sep}dummy{os.sep}",
        f"multiprocessing{os.sep}pool.py",
        f"asyncio{os.sep}",
    )
)


def is_ours(code: CodeType) -> bool:
    """Is that the watcher's own code?"""
    return code.co_filename.startswith(_OURS)


def is_maker(code: CodeType) -> bool:
    """Is that code of the standard library that makes and takes locks for others?"""
    return code.co_filename.startswith(_MAKERS)


def line_of(at: At) -> int:
    """The line of an instruction."""
    code, offset = at
    for start, end, line in code.co_lines():
        if start <= offset < end and line:
            return line
    return code.co_firstlineno


class Sites:
    """Lock classes by the line of creation.

    Args:
        classes: where they are kept.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._known: dict[tuple[int, int, int, int, str], tuple[LockClass, CodeType, CodeType]] = {}

    def class_here(self, kind: str) -> LockClass | None:
        """The class of what is being made right now; None if there are too many classes.

        Args:
            kind: "Lock", "Event" ...: two kinds made in one line are two classes.
        """
        inner = _outside(sys._getframe(1), is_ours)
        outer = _outside(inner, is_maker)
        key = (id(outer.f_code), outer.f_lasti, id(inner.f_code), inner.f_lasti, kind)
        known = self._known.get(key)
        if known is not None:
            return known[0]
        found = self._new(kind, (outer.f_code, outer.f_lasti), (inner.f_code, inner.f_lasti))
        if found is not None:
            if len(self._known) >= self.classes.reached.limits.classes:
                self._known.clear()
            self._known[key] = found, outer.f_code, inner.f_code  # alive, so no id comes twice
        return found

    def _new(self, kind: str, outer: At, inner: At) -> LockClass | None:
        """The class of a line that was not seen yet."""
        place = Place(outer[0].co_filename, line_of(outer), outer[0].co_name)
        name = kind
        if inner != outer:
            part = inner[0].co_qualname.removesuffix(".__init__")
            name = f"{kind} of {part}" if "." not in part else f"{kind} in {part}"
        key = (kind, outer[0], outer[1], inner[0], inner[1])
        return self.classes.of(key, name, place=place)


def _outside(frame: FrameType, is_inside: object) -> FrameType:
    """The first frame that is not inside, the outermost one if all are."""
    assert callable(is_inside)
    while is_inside(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    return frame
