"""Kconfig and Makefiles, as far as one question goes: which configuration guarantees a symbol.

`Options` knows which options select or depend on which others; `built_by` says which options decide
that a file is built. What is conditional guarantees nothing.

Source: Documentation/kbuild/{kconfig-language,makefiles}.rst.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Option", "Options", "built_by", "parse_kconfig"]

_WORD = re.compile(r"\s*(\|\||&&|!=|<=|>=|[!=()<>]|\"[^\"]*\"|'[^']*'|[\w.-]+)")
_HEAD = re.compile(r"(config|menuconfig)\s+(\w+)")
_END = re.compile(r"(choice|comment|menu|mainmenu|source|if|endif|endmenu|endchoice)\b")
_ADDS = re.compile(r"^\s*([\w.-]+?)-(\$\(CONFIG_(\w+)\)|y|m|objs)\s*[:+]?=(.*)$")


@dataclass(slots=True)
class Option:
    """One `config`.

    Attributes:
        name, file, line: which, and where it is.
        selects: what it selects without a condition.
        maybe: what it selects under one.
        depends: expressions that must hold, those of `if` blocks and menus around it included.
    """

    name: str
    file: str
    line: int
    selects: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    depends: list[str] = field(default_factory=list)


class Options:
    """All options of a tree; an option may be written in several places."""

    def __init__(self, options: Iterable[Option]) -> None:
        self.by_name: dict[str, list[Option]] = {}
        for option in options:
            self.by_name.setdefault(option.name, []).append(option)

    def guarantee(self, symbol: str) -> set[str]:
        """The options that cannot be on while `symbol` is off, by selects and depends."""
        found = {symbol}
        while True:
            more = {
                name
                for name, places in self.by_name.items()
                if name not in found and all(_has(one, symbol, found) for one in places)
            }
            if not more:
                return found
            found |= more


def _has(option: Option, symbol: str, found: set[str]) -> bool:
    if option.selects & found or symbol in option.maybe:
        return True
    return any(requires(expression, found) for expression in option.depends)


def requires(expression: str, symbols: set[str]) -> bool:
    """Can the expression hold only where one of the symbols is on?

    >>> requires("PCI && (A || B)", {"A", "B"}), requires("A || PCI", {"A"})
    (True, False)
    """
    return _Reader(_WORD.findall(expression), symbols).any_of()


class _Reader:
    """Reads an expression; each method is one level of binding, and ends at the first odd word."""

    def __init__(self, words: list[str], symbols: set[str]) -> None:
        self.words = words[::-1]
        self.symbols = symbols

    def any_of(self) -> bool:
        held = self.all_of()
        while self.words and self.words[-1] == "||":
            self.words.pop()
            held = self.all_of() and held
        return held

    def all_of(self) -> bool:
        held = self.one()
        while self.words and self.words[-1] == "&&":
            self.words.pop()
            held = self.one() or held
        return held

    def one(self) -> bool:
        denied = False
        while self.words and self.words[-1] == "!":
            self.words.pop()
            denied = not denied
        if not self.words:
            return False
        word = self.words.pop()
        if word == "(":
            held = self._inside()
        else:
            held = word in self.symbols
            if len(self.words) > 1 and self.words[-1] in ("=", "!=", "<", ">", "<=", ">="):
                sign, other = self.words.pop(), self.words.pop()
                held = held and (sign, other) in (("=", "y"), ("=", "m"), ("!=", "n"))
        return held and not denied

    def _inside(self) -> bool:
        """The inside of parentheses, without recursion that input could drive deep."""
        depth, inner = 1, list[str]()
        while self.words and depth:
            word = self.words.pop()
            depth += (word == "(") - (word == ")")
            inner.append(word)
        if depth == 0:
            inner.pop()
        return len(inner) < _MOST_WORDS and _Reader(inner, self.symbols).any_of()


_MOST_WORDS = 200


def parse_kconfig(path: str, text: str) -> list[Option]:
    """The options of one file. Never raises: a line that is not understood is passed over."""
    found: list[Option] = []
    around: list[str] = []
    now: Option | None = None
    help_at = -1
    for number, line in enumerate(_joined(text), 1):
        bare = line.split("#", 1)[0].rstrip() if help_at < 0 else line.rstrip()
        if not bare.strip():
            continue
        if help_at >= 0:
            if _indent(bare) >= max(help_at, 1) or (help_at == 0 and _indent(bare) > 0):
                continue
            help_at = -1
            bare = bare.split("#", 1)[0].rstrip()
        said = bare.strip()
        head = _HEAD.match(said)
        if head:
            now = Option(head[2], path, number, depends=[one for one in around if one])
            found.append(now)
        elif said in ("help", "---help---"):
            help_at = _indent(bare) + 1
        elif _END.match(said):
            now = None
            _enter(said, around)
        elif now is not None:
            _attribute(now, said)
        elif said.startswith("depends on ") and around:
            around[-1] = said[len("depends on ") :]
    return found


def _enter(said: str, around: list[str]) -> None:
    """An `if` block or a menu, which may have a condition, or the end of one."""
    word, _, rest = said.partition(" ")
    if word == "if":
        around.append(rest)
    elif word in ("menu", "choice"):
        around.append("")
    elif word in ("endif", "endmenu", "endchoice") and around:
        around.pop()


def _attribute(option: Option, said: str) -> None:
    if said.startswith("select "):
        name, _, condition = said[len("select ") :].partition(" if ")
        (option.maybe if condition else option.selects).add(name.strip())
    elif said.startswith("depends on "):
        option.depends.append(said[len("depends on ") :])


def _joined(text: str) -> list[str]:
    """Lines, those that go on with a backslash in one; the others stay as empty ones."""
    lines: list[str] = []
    kept, empty = "", 0
    for line in text.split("\n"):
        if line.endswith("\\"):
            kept += line[:-1] + " "
            empty += 1
            continue
        lines.append(kept + line)
        lines += [""] * empty
        kept, empty = "", 0
    return [*lines, kept] if kept else lines


def _indent(line: str) -> int:
    return len(line.expandtabs(8)) - len(line.expandtabs(8).lstrip())


def built_by(path: str, makefiles: Mapping[str, str]) -> list[set[str]]:
    """For each way in which a file is built, the options that must be on for it.

    Args:
        path: the file.
        makefiles: text by path. Those of folders above are asked how the folder is entered.
    """
    folder, _, name = path.rpartition("/")
    wanted = [(folder, f"{name.removesuffix('.c')}.o", frozenset[str]())]
    found: list[set[str]] = []
    seen: set[tuple[str, str]] = set()
    while wanted:
        folder, target, options = wanted.pop()
        if (folder, target) in seen:
            continue
        seen.add((folder, target))
        text = makefiles.get(f"{folder}/Makefile") or makefiles.get(f"{folder}/Kbuild")
        above, _, last = folder.rpartition("/")
        if text is None:
            if above and len(seen) < _MOST_TARGETS:
                wanted.append((above, f"{last}/{target}", options))
            continue
        for owner, option in _adders(text, target):
            more = options | {option} if option else options
            if owner != "obj":
                wanted.append((folder, f"{owner}.o", more))
            elif more:
                found.append(set(more))
            elif above:
                wanted.append((above, f"{last}/", more))
    return found


_MOST_TARGETS = 100


def _adders(text: str, target: str) -> list[tuple[str, str]]:
    """The lines that add a target: what to ("obj" or a composite), and with which option."""
    found: list[tuple[str, str]] = []
    for line in _joined(text):
        match = _ADDS.match(line.split("#", 1)[0])
        if match and target in match[4].split():
            found.append((match[1], match[3] or ""))
    return found
