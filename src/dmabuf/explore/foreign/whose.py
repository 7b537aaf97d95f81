"""Whose file is it: this package's, Python's own, an installed package's, or the design's?

>>> is_ours(__file__), is_pythons(os.__file__), is_of_design("driver.py")
(True, True, True)
"""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from pathlib import Path

__all__ = ["PACKAGE", "is_installed", "is_of_design", "is_our_assertion", "is_ours", "is_pythons"]

PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_DESIGNS = PACKAGE + "rules" + os.sep
_INSTALLED = re.compile(r"[/\\](site|dist)-packages[/\\]")
_STDLIB = tuple(
    {path + os.sep for key in ("stdlib", "platstdlib") if (path := sysconfig.get_path(key))}
)


def is_ours(filename: str) -> bool:
    """A file of this package that holds no designs."""
    return filename.startswith(PACKAGE) and not filename.startswith(_DESIGNS)


def is_pythons(filename: str) -> bool:
    """Python's own (contextlib, threading), or no file at all ("<string>")."""
    if filename.startswith("<"):
        return True
    return filename.startswith(_STDLIB) and not is_installed(filename)


def is_installed(filename: str) -> bool:
    """A package that somebody installed."""
    return _INSTALLED.search(filename) is not None


def is_of_design(filename: str) -> bool:
    """A file that a design's author answers for, or uses."""
    return not is_ours(filename) and not is_pythons(filename)


def is_our_assertion(error: BaseException) -> bool:
    """Did one of our own assertions fail? Then the answer would not be worth anything."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return isinstance(error, AssertionError) and is_ours(last[0].filename)
