"""Which branches of `#if` a kernel is built with, as far as its `.config` says.

Without one nothing is known but what is always so (`#if 0`, `__KERNEL__`). Logic has three values,
so that a name which no `.config` decides leaves its branch in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.packing import is_deep
from dmabuf.audit.front.reader import Lost
from dmabuf.audit.front.scan import Scanned, tokenize
from dmabuf.audit.front.statements import StatementReader

__all__ = ["Config", "parse"]

_LINE = re.compile(r"^(?:(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set)$", re.MULTILINE).finditer
_ALWAYS = {"__KERNEL__": True, "__cplusplus": False, "__ASSEMBLY__": False, "__CHECKER__": False}


@dataclass(frozen=True, slots=True)
class Config:
    """A kernel's configuration.

    Attributes:
        values: what is set: "y", "m", a number or a string; "n" for what is not.
        complete: what is not in it is not set; False if there is no configuration.
    """

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    complete: bool = False

    def decide(self, directive: str) -> bool | None:
        """Whether the branch of `#if ...`, `#ifdef X`, `#elif ...` is built; None if not known."""
        word, _, text = directive[1:].partition(" ")
        if word in ("ifdef", "elifdef"):
            return self._defined(text)
        if word in ("ifndef", "elifndef"):
            return _not(self._defined(text))
        return self._expression(text)

    def _defined(self, name: str) -> bool | None:
        name = name.split(" ", 1)[0]
        if name in _ALWAYS:
            return _ALWAYS[name]
        known = self.complete or name in self.values
        if not known or not name.startswith("CONFIG_"):
            return None
        if name.endswith("_MODULE") and name not in self.values:
            return self.values.get(name.removesuffix("_MODULE")) == "m"
        return self.values.get(name, "n") not in ("m", "n")

    def _expression(self, text: str) -> bool | None:
        scanned = Scanned()
        tokenize(text.replace("defined (", "defined("), 0, scanned)
        if "defined" in scanned.tokens:
            scanned.tokens = _with_parentheses(scanned.tokens)
        lines = [0] * len(scanned.tokens)
        work = StatementReader(scanned.tokens, lines, pair(scanned.tokens), set())
        work.begin()
        try:
            value = work.expression()
        except Lost:
            return None
        if work.at != len(scanned.tokens) or is_deep(value):
            return None
        return self._value(value)

    def _value(self, value: Expr) -> bool | None:
        kind = value[0]
        if kind == "number":
            return bool(value[1])
        if kind == "unary" and value[1] == "!":
            return _not(self._value(value[2]))
        if kind == "op" and value[1] == "&&":
            return _and(self._value(value[2]), self._value(value[3]))
        if kind == "op" and value[1] == "||":
            return _not(_and(_not(self._value(value[2])), _not(self._value(value[3]))))
        if kind == "call" and value[1][0] == "name" and len(value[2]) == 1:
            return self._call(value[1][1], value[2][0])
        return None

    def _call(self, test: str, given: Expr) -> bool | None:
        if given[0] != "name":
            return None
        if test == "defined":
            return self._defined(given[1])
        known = self.complete or given[1] in self.values
        if not known or test not in ("IS_ENABLED", "IS_BUILTIN", "IS_MODULE"):
            return None
        set_to = self.values.get(given[1], "n")
        return set_to in {"IS_ENABLED": ("y", "m"), "IS_BUILTIN": ("y",), "IS_MODULE": ("m",)}[test]


def _with_parentheses(tokens: list[str]) -> list[str]:
    """`defined X` as `defined(X)`."""
    out: list[str] = []
    for at, token in enumerate(tokens):
        if at and tokens[at - 1] == "defined" and token != "(":
            out.extend(("(", token, ")"))
        else:
            out.append(token)
    return out


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return True if left and right else None


def parse(text: str) -> Config:
    """The configuration that a `.config` file describes."""
    values: dict[str, str] = {}
    for found in _LINE(text):
        name, value, _ = found.groups()
        if name is not None:
            values[name] = value
    return Config(values, complete=True)
