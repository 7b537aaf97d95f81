"""Read the stacks that `faulthandler` writes, and find the line of a design that is to blame.

>>> text = '''Current thread 0x1 (most recent call first):
...   File "/d/f.py", line 7 in spin
...   File "/d/f.py", line 12 in broken
... '''
>>> culprit(text, "/d/f.py")
Place(file='/d/f.py', line=7, function='spin')
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dmabuf.explore.foreign.whose import PACKAGE, is_installed, is_of_design, is_ours
from dmabuf.report.finding import Place
from dmabuf.rt.life import MAIN

__all__ = ["blamed", "culprit", "stuck"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')
_START = MAIN.co_name  # of a task
_MACHINERY = (PACKAGE + "rt" + os.sep, PACKAGE + "explore" + os.sep)


def culprit(text: str, path: str) -> Place | None:
    """The innermost line of foreign code that some thread is executing.

    Args:
        text: what faulthandler wrote.
        path: the file under test; the text shows its name in ASCII.

    """
    shown = path.encode("ascii", "backslashreplace").decode()
    for frames in _threads(text):
        place = blamed(frames, shown)
        if place is not None:
            return replace(place, file=path) if place.file == shown else place
    return None


def blamed(frames: Iterable[Place], path: str = "") -> Place | None:
    """The innermost line of foreign code, or of the file `path`, among a thread's frames.

    Where a task is nothing but a function of Python's own, it is that function.
    """
    inner: Place | None = None
    for frame in frames:
        if frame.file == path or _is_theirs(frame.file):
            return frame
        if _explores(frame.file):
            return inner if frame.function == _START and not _is_ours(inner) else None
        inner = frame
    return None


def _is_ours(place: Place | None) -> bool:
    """Is it a line of this package, or none?"""
    return place is None or is_ours(place.file)


def stuck(does: str, place: Place) -> str:
    """The sentence about a design that makes no step any more."""
    who = place.function if place.function.isidentifier() else "the design"
    where = f"{Path(place.file).name}:{place.line}"
    return f"{who} {does} at {where}; loops and waits must go through the machine's objects"


def _threads(text: str) -> list[list[Place]]:
    """The frames of each thread, innermost first."""
    found: list[list[Place]] = []
    for line in text.splitlines():
        match = _FRAME.match(line)
        if match is None:
            found.append([])
        elif found:
            found[-1].append(Place(match["file"], int(match["line"]), match["function"]))
    return found


def _explores(file: str) -> bool:
    """A step under way, a baton awaited, or the search itself: no fault of the design.

    Guards stand between a design and what it calls, so they are passed over.
    """
    return file.startswith(_MACHINERY) and not file.endswith(f"{os.sep}guards.py")


def _is_theirs(file: str) -> bool:
    """Is it neither ours nor Python's own nor an installed library?"""
    return is_of_design(file) and not is_installed(file)
