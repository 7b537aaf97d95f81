"""Where a task stands: the frames of whoever uses the package, without those of the package.

>>> places(frames_here())[0].function
'<module>'
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import CodeType, FrameType

from dmabuf.report.finding import Place, Stack

__all__ = ["MECHANISM", "Frames", "frames_here", "places", "site_of_creation"]

_PACKAGE = str(Path(__file__).parent.parent)
_BELOW = (
    contextlib.__file__,
    *(f"{_PACKAGE}/{room}/" for room in ("rt", "sync", "contract", "kapi")),
)
"""What stands between a lock and whoever makes it."""
_MECHANISM = (
    *_BELOW,
    *(f"{_PACKAGE}/{room}" for room in ("core/", "mm/", "irq.py", "machine.py")),
)
_FEW = 6
MECHANISM = _MECHANISM
"""Beginnings of the file names of what is not the user's code."""

Frames = tuple[tuple[CodeType, int], ...]
"""Code and line of each frame, the innermost first: what is cheap to keep of a stack."""


def frames_here(limit: int = 48) -> Frames:
    """The calling task's frames, at most `limit` of them."""
    frame: FrameType | None = sys._getframe(1)
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < limit:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def places(frames: Frames) -> Stack:
    """The same for people: without the package's mechanism, unless that is all."""
    shown = [one for one in frames if not one[0].co_filename.startswith(_MECHANISM)]
    return tuple(
        Place(code.co_filename, line or 0, code.co_name) for code, line in shown or frames[:_FEW]
    )


def site_of_creation() -> tuple[object, Place]:
    """Which instruction makes the lock that is being constructed: a key, and the same for people.

    Two locks made in one line are two sites; one made in a loop, or in a function called often,
    is one site. What the package's own objects make inside themselves is a site of theirs.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_BELOW):
        frame = frame.f_back
    if frame is None:
        return ("nowhere",), Place("", 0)
    code = frame.f_code
    return (code, frame.f_lasti), Place(code.co_filename, frame.f_lineno, code.co_name)
