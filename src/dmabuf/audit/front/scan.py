"""From the bytes of a file to tokens with lines, and directives set aside.

A token is a string as it stands in the file; equal ones are one object, in facts read back, too.
Comments are gone, continued lines joined. Directives of a conditional (`#if` to `#endif`) stay in
the line of tokens as one token each, which begins with "#"; `#define` and `#include` are handed on
beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import repeat
from sys import intern

__all__ = ["Directive", "Scanned", "decode", "scan", "tokenize"]

# Text that is not code, or that must not be looked into when comments are sought.
_QUIET = re.compile(
    r"""//[^\n]*(?:\\\n[^\n]*)*|/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""[A-Za-z_$]\w*|[(),;{}\[\]]
    |0[xX][0-9a-fA-F]+\w*|\.?[0-9](?:[eEpP][+-]|[\w.])*
    |"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'
    |->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\.\.\.|[-+*/%&|^]=|\#\#
    |[^\s\\]""",
    re.VERBOSE | re.DOTALL | re.ASCII,
).findall
# Registers and their bits: two thirds of all bytes below drivers/gpu/drm. A file with no more
# numbers than `_FEW` has others: kinds of memory, limits, flags.
_FEW = 300
_NUMBER = re.compile(
    r"#define[ \t]+[A-Za-z_0-9]+[ \t]+\(?(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*\)?[ \t]*"
    r"(?:/\*[^*\n]*\*/|//[^\n]*)?(?=\n)"
)
# From the end of the line before, as a search for a plain character is quicker than for "^".
_DIRECTIVE = re.compile(r"\n[ \t]*#[^\n\\]*(?:\\.[^\n\\]*)*", re.DOTALL)
_WORD = re.compile(r"\s*#\s*([a-z]+)\s*(.*)", re.DOTALL)
_CONDITIONAL = {"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif"}


@dataclass(frozen=True, slots=True)
class Directive:
    """A `#define` or `#include`: its line, its word and the rest, lines kept apart."""

    line: int
    word: str
    text: str


@dataclass(slots=True)
class Scanned:
    """Tokens of a file, the line of each, and its directives that are no conditionals."""

    tokens: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)


def decode(data: bytes) -> tuple[str, str]:
    """The text of a file, and what was odd about its bytes in one sentence, or ''."""
    trouble = ""
    if b"\0" in data:
        trouble = f"{data.count(0)} NUL bytes were read as blanks"
        data = data.replace(b"\0", b" ")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        trouble = "; ".join(filter(None, (trouble, "not UTF-8, read as Latin-1")))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, trouble


def _blank(found: re.Match[str]) -> str:
    text = found.group()
    if text[0] != "/":
        joins = text.count("\\\n")
        return text.replace("\\\n", "") + "\n" * joins if joins else text
    return "\n" * text.count("\n") if "\n" in text else " "


def scan(text: str) -> Scanned:
    """Split a file's text into tokens and directives."""
    bare, numbers = _NUMBER.subn("", text)
    text = "\n" + _QUIET.sub(_blank, text if numbers <= _FEW else bare)
    out = Scanned()
    at = line = 0
    for found in _DIRECTIVE.finditer(text):
        start, end = found.span()
        if start > at:
            line = tokenize(text[at:start], line, out)
        _direct(found.group(), line + 1, out)
        line += found.group().count("\n")
        at = end
    tokenize(text[at:], line, out)
    return out


def _direct(text: str, line: int, out: Scanned) -> None:
    parts = _WORD.match(text)
    if parts is None:
        return
    word, rest = parts.groups()
    if word in _CONDITIONAL:
        joined = " ".join(rest.replace("\\\n", " ").split())
        out.tokens.append(f"#{word} {joined}".rstrip())
        out.lines.append(line)
    elif word in ("define", "include"):
        out.directives.append(Directive(line, word, rest))


def tokenize(text: str, line: int, out: Scanned) -> int:
    """Append the tokens of `text`, which begins in `line`; returns the line that it ends in."""
    tokens, lines = out.tokens, out.lines
    for row in text.split("\n"):
        if row:
            found = _TOKEN(row)
            if found:
                tokens.extend(map(intern, found))
                lines.extend(repeat(line, len(found)))
        line += 1
    return line - 1
