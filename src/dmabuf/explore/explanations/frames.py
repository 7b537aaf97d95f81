"""The frames of a design on somebody's stack: which of its lines asked for a step.

>>> stack_of(None)
()
"""

from __future__ import annotations

import functools
import traceback
from types import FrameType

from dmabuf.explore.foreign import whose
from dmabuf.report.finding import Place, Stack
from dmabuf.rt.life import MAIN

__all__ = ["place_of_error", "stack_of"]

_MOST_FRAMES = 8


@functools.lru_cache(maxsize=1024)
def _is_of_design(filename: str) -> bool:
    return whose.is_of_design(filename)


def stack_of(frame: FrameType | None) -> Stack:
    """The design's frames, the innermost first, up to where its task starts."""
    found: list[Place] = []
    while frame is not None and len(found) < _MOST_FRAMES:
        code = frame.f_code
        if _is_of_design(code.co_filename):
            found.append(Place(code.co_filename, frame.f_lineno, code.co_name))
        elif code is MAIN:
            break
        frame = frame.f_back
    return tuple(found)


def place_of_error(error: BaseException) -> Place | None:
    """The innermost line of the design that an exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if _is_of_design(frame.filename):
            return Place(frame.filename, frame.lineno or 0, frame.name)
    return None
