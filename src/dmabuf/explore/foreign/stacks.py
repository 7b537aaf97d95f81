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

from dmabuf.explore.foreign.whose import PACKAGE, is_installed, is_of_design
from dmabuf.report.finding import Place

__all__ = ["culprit"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$')
_MACHINERY = (PACKAGE + "rt" + os.sep, PACKAGE + "explore" + os.sep)


def culprit(text: str, path: str) -> Place | None:
    """The innermost line of foreign code that some thread is executing.

    Args:
        text: what faulthandler wrote.
        path: the file under test; the text shows its name in ASCII.

    """
    shown = path.encode("ascii", "backslashreplace").decode()
    for frames in _threads(text):
        for frame in frames:
            if frame.file == shown:
                return Place(path, frame.line, frame.function)
            if _is_theirs(frame.file):
                return frame
            if _explores(frame.file):
                break
    return None


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
