"""What a terminal is like: how wide, in colour or not, which characters."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["forgive_encoding", "is_live", "open_streams", "wants_colour", "width_of_terminal"]

_WIDEST = 120
_USUAL = 100


def width_of_terminal(stream: TextIO) -> int:
    """How wide a report may be: COLUMNS, else the terminal's width, else 100; never above 120."""
    try:
        columns = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(stream.fileno()).columns or _USUAL
        except (OSError, ValueError):
            columns = _USUAL
    return min(columns, _WIDEST)


def wants_colour(stream: TextIO) -> bool:
    """On a terminal that can; NO_COLOR and FORCE_COLOR decide otherwise, NO_COLOR first."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return is_live(stream)


def is_live(stream: TextIO) -> bool:
    """Is it a terminal that can move its cursor?"""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def forgive_encoding() -> None:
    """A terminal that lacks a character gets its number, not an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def open_streams() -> None:
    """Standard streams that are closed lead nowhere, so that nothing else gets their numbers."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))
