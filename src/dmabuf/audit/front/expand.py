"""Macros that define functions or tables: `DEFINE_X(foo)` where `DEFINE_X(name)` has a body.

Only outside of functions; what a macro does inside of one is found by its name, as a call. Those of
the same file are expanded when it is read, those of headers when all files are (`across`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dmabuf.audit.front.scan import Directive, Scanned, tokenize
from dmabuf.audit.front.words import is_type_name

__all__ = ["Definer", "candidates", "chosen", "definers", "expand"]

# A macro that begins so is a statement or an expression.
_STATEMENTS: Final = frozenset(("{", "(", "do", "if", "for", "while", "switch", "return", "!", "-"))
# Words that a declaration begins with, and nothing else.
_DECLARES: Final = ("struct ", "static ", "const ", "extern ", "union ", "enum ")
_WORDS: Final = frozenset(one.strip() for one in _DECLARES)
# A macro for items of a table begins with a field.
_BEGINS: Final = (*_DECLARES, ".")
# Tokens that an expansion may have; who needs more is playing tricks.
LARGEST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Definer:
    """A macro with parameters whose body defines something, if only through others."""

    parameters: tuple[str, ...]
    tokens: tuple[str, ...]


def definers(directives: list[Directive]) -> dict[str, Definer]:
    """Those of a file's macros that may define a function or a table, if only through others."""
    return chosen(candidates(directives))


def candidates(directives: list[Directive]) -> dict[str, Definer]:
    """The macros that may define something, or that others of which define something."""
    found: dict[str, Definer] = {}
    for one in directives:
        name, bracket, rest = one.text.partition("(")
        if one.word != "define" or not bracket or not name.isidentifier():
            continue
        given, _, body = rest.partition(")")
        if "{" not in body and "(" not in body and not body.lstrip(" \t\\\n").startswith(_BEGINS):
            continue
        scanned = Scanned()
        tokenize(body.replace("\\\n", "\n"), 0, scanned)
        if not scanned.tokens or scanned.tokens[0] in _STATEMENTS:
            continue
        parameters = tuple(each.strip() for each in given.split(","))
        found[name] = Definer(parameters, tuple(scanned.tokens))
    return found


def chosen(macros: Mapping[str, Definer]) -> dict[str, Definer]:
    """Of these macros those that define something, themselves or through each other."""
    found = {name: one for name, one in macros.items() if _defines(one)}
    others = {name: one for name, one in macros.items() if name not in found}
    users: dict[str, list[str]] = defaultdict(list)
    for name, one in others.items():
        for token in dict.fromkeys(one.tokens):
            if token in macros:
                users[token].append(name)
    todo = list(found)
    while todo:
        for name in users.pop(todo.pop(), ()):
            if name not in found:
                found[name] = others[name]
                todo.append(name)
    return found


def _defines(macro: Definer) -> bool:
    first, *more = macro.tokens
    if "{" in more or first in _WORDS or first == ".":
        return True
    return is_type_name(first) and more[:1] != [] and more[0].isidentifier()


def expand(macro: Definer, arguments: list[list[str]]) -> list[str] | None:
    """The tokens of a macro's body with its arguments in place; None if they are too many."""
    given = _bind(macro.parameters, arguments)
    out: list[str] = []
    at = 0
    while at < len(macro.tokens):
        token = macro.tokens[at]
        if token == "##" and out and at + 1 < len(macro.tokens):
            right = given.get(macro.tokens[at + 1], [macro.tokens[at + 1]])
            if out[-1] == ",":
                out.extend(right)
            else:
                out[-1] += "".join(right[:1])
                out.extend(right[1:])
            at += 2
            continue
        if token == "#" and at + 1 < len(macro.tokens) and macro.tokens[at + 1] in given:
            text = " ".join(given[macro.tokens[at + 1]]).replace('"', "'")
            out.append(f'"{text}"')
            at += 2
            continue
        out.extend(given.get(token, [token]))
        at += 1
        if len(out) > LARGEST:
            return None
    return [token for token in out if token]


def _bind(parameters: tuple[str, ...], arguments: list[list[str]]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for at, name in enumerate(parameters):
        if name.endswith("..."):
            rest: list[str] = []
            for each in arguments[at:]:
                rest.extend([*([","] if rest else []), *each])
            given["__VA_ARGS__" if name == "..." else name[:-3].strip()] = rest
        else:
            given[name] = arguments[at] if at < len(arguments) else []
    return given
