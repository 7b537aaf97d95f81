"""What people call a lock: the variable that it is assigned to, and the line.

>>> variable_in("self.one, self.other = Lock(), RLock()", 31)
'self.other'
"""

from __future__ import annotations

import ast
import itertools
import linecache
from pathlib import PurePath
from types import CodeType

from dmabuf.contract.classes import LockClass

__all__ = ["name_of", "variable_in"]


def name_of(cls: LockClass, number: int = 0) -> str:
    """The name of a lock.

    Args:
        cls: its class.
        number: which one of the class, from 1; 0 if that does not matter.
    """
    which = f" no. {number}" if number else ""
    if cls.place is None:
        return f"{cls.name}{which}"
    where = f"{PurePath(cls.place.file).name}:{cls.place.line}"
    line = linecache.getline(cls.place.file, cls.place.line)
    variable = variable_in(line, _column(cls.key))
    if variable:
        return f"{variable} ({cls.name}, {where}){which}"
    return f"{cls.name} {where}{which}"


def variable_in(line: str, column: int) -> str:
    """The variable that the call at that column is assigned to, empty if there is none."""
    text = line.lstrip()
    column -= len(line) - len(text)
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return ""
    match statement:
        case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=value):
            pass
        case _:
            return ""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, made in zip(target.elts, value.elts, strict=False):
            if made.col_offset <= column < (made.end_col_offset or 0):
                return ast.unparse(one)
    return ast.unparse(target)


def _column(key: object) -> int:
    """Where in its line the call stands that makes locks of a class; 0 if that is not known."""
    match key:
        case (str(), CodeType() as code, int(offset), CodeType(), int()):
            position = next(itertools.islice(code.co_positions(), offset // 2, None), None)
            return position[2] or 0 if position else 0
        case _:
            return 0
