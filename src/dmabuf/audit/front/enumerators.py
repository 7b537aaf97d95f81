"""The constants of enums, told as macros: a name that stands for a number.

Found in the tokens themselves, wherever an enum stands; the first is 0, each next one is one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.facts import Macro
from dmabuf.audit.front.numbers import number
from dmabuf.audit.front.packing import is_deep
from dmabuf.audit.front.reader import Lost
from dmabuf.audit.front.statements import StatementReader

__all__ = ["enumerators"]

# A file with more of them describes the registers of a chip.
_MOST: Final = 1500


def enumerators(tokens: list[str], lines: list[int], match: Mapping[int, int]) -> list[Macro]:
    """The enumerators of a file; nothing of one that has registers in it.

    Args:
        tokens: of the file.
        lines: the line of each.
        match: where each bracket is closed.
    """
    found: list[Macro] = []
    for start in _bodies(tokens, match):
        found += _body(tokens, lines, match, start)
        if len(found) > _MOST:
            return []
    return found


def _bodies(tokens: list[str], match: Mapping[int, int]) -> Iterator[int]:
    """Where the braces of enums are opened."""
    at = 0
    while True:
        try:
            at = tokens.index("enum", at) + 1
        except ValueError:
            return
        for brace in range(at, min(at + 3, len(tokens))):
            if tokens[brace] == "{":
                if brace in match:
                    yield brace
                break
            if not tokens[brace].isidentifier():
                break


def _body(
    tokens: list[str], lines: list[int], match: Mapping[int, int], start: int
) -> Iterator[Macro]:
    base: Expr | None = ("number", 0)
    more = 0
    at, end = start + 1, match[start]
    while at < end:
        stop = _comma(tokens, match, at, end)
        name = tokens[at]
        equal = next((i for i in range(at + 1, stop) if tokens[i] == "="), 0)
        if equal:
            base, more = _value(tokens[equal + 1 : stop]), 0
        if base is not None and name.isidentifier():
            yield Macro(name, lines[at], None, (), _plus(base, more))
        more += 1
        at = stop + 1


def _comma(tokens: list[str], match: Mapping[int, int], at: int, end: int) -> int:
    while at < end and tokens[at] != ",":
        at = match.get(at, at) + 1
    return min(at, end)


def _value(tokens: list[str]) -> Expr | None:
    if len(tokens) == 1:
        plain = number(tokens[0])
        if isinstance(plain, int):
            return ("number", plain)
    work = StatementReader(tokens, [0] * len(tokens), pair(tokens), set())
    work.begin()
    try:
        value = work.expression()
    except Lost:
        return None
    return value if work.at == len(tokens) and not is_deep(value, len(tokens)) else None


def _plus(base: Expr, more: int) -> Expr:
    if base[0] == "number":
        return ("number", base[1] + more)
    return ("op", "+", base, ("number", more)) if more else base
