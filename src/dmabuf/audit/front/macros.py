"""`#define`: what a macro does, read as an expression if it is one, else as statements.

A body is read on its own, so parameters are plain names in it. `a ## b` is one name with "##" in
it, `#a` a string.
"""

from __future__ import annotations

import re
from typing import Final

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.code import UNKNOWN
from dmabuf.audit.front.facts import Macro
from dmabuf.audit.front.numbers import number
from dmabuf.audit.front.packing import is_deep
from dmabuf.audit.front.reader import Lost
from dmabuf.audit.front.scan import Directive, Scanned, tokenize
from dmabuf.audit.front.statements import StatementReader
from dmabuf.audit.front.words import ATTRIBUTES

__all__ = ["read_macro"]

_HEAD = re.compile(r"([A-Za-z_]\w*)(\([^()]*\))?\s*(.*)", re.DOTALL).match
_NUMBER = re.compile(r"[\s(\\]*(-?(?:0[xX][0-9a-fA-F]+|[0-9]+))[uUlL]*[\s)\\]*\Z").match
_STRING = re.compile(r"[\s()\\]*(?:\"[^\"]*\")?[\s()\\]*\Z").match
# What cannot stand alone: the middle of something else.
_NO_START: Final = frozenset((")", "]", "}", ",", "else", "=", "->", "."))


def read_macro(directive: Directive, types: set[str]) -> Macro | None:
    """The macro that a `#define` defines; None for a string, nothing, and what is no code."""
    found = _HEAD(directive.text)
    if found is None:
        return None
    name, given, body = found.groups()
    if given is None and _STRING(body):
        return None
    if given is None and (plain := _NUMBER(body)):
        return _constant(name, directive.line, plain.group(1))
    parameters = None
    if given is not None:
        parameters = tuple(
            one.strip().replace("...", "__VA_ARGS__") for one in given[1:-1].split(",")
        )
        parameters = () if parameters == ("",) else parameters
    scanned = Scanned()
    head = directive.text[: found.start(3)]
    tokenize(body.replace("\\\n", "\n"), 1 + head.count("\n"), scanned)
    tokens, lines = _paste(scanned.tokens, scanned.lines)
    if not tokens or (given is None and _is_dull(tokens)):
        return None
    return _read(name, directive.line, parameters, tokens, lines, types)


def _constant(name: str, line: int, text: str) -> Macro | None:
    value = number(text.removeprefix("-"))
    if not isinstance(value, int):
        return None
    return Macro(name, line, None, (), ("number", -value if text[0] == "-" else value))


def _is_dull(tokens: list[str]) -> bool:
    """Whether this renames a type, an attribute or a keyword."""
    return tokens[0] in ATTRIBUTES or tokens[0] in _NO_START


def _paste(tokens: list[str], lines: list[int]) -> tuple[list[str], list[int]]:
    """Join what `##` joins; turn `#x` into a string."""
    if "##" not in tokens and "#" not in tokens:
        return tokens, lines
    out: list[str] = []
    places: list[int] = []
    skip = False
    for at, token in enumerate(tokens):
        if skip:
            skip = False
        elif token == "##" and out and at + 1 < len(tokens):
            skip = True
            if out[-1] == ",":  # `, ## __VA_ARGS__`
                out.append(tokens[at + 1])
                places.append(lines[at])
            else:
                out[-1] += "##" + tokens[at + 1]
        elif token == "#" and at + 1 < len(tokens):
            skip = True
            out.append(f'"#{tokens[at + 1]}"')
            places.append(lines[at])
        else:
            out.append(token)
            places.append(lines[at])
    return out, places


def _read(
    name: str,
    line: int,
    parameters: tuple[str, ...] | None,
    tokens: list[str],
    lines: list[int],
    types: set[str],
) -> Macro | None:
    work = StatementReader(tokens, lines, pair(tokens), types)
    work.begin()
    try:
        value = work.expression()
        if work.at == len(tokens) and not is_deep(value, len(tokens)):
            return Macro(name, line, parameters, tuple(work.code), value)
    except Lost:
        pass
    if parameters is None and "(" not in tokens:
        return None
    work.code, work.depth, work.at = [], 0, 0
    work.tokens[len(tokens)] = ";"  # the one that its user writes
    work.statements(len(tokens) + 1)
    if not work.code or all(one[0] == UNKNOWN for one in work.code):
        return None
    return Macro(name, line, parameters, tuple(work.code))
