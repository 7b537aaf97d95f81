"""Macros of headers that define functions or tables, where other files call them.

`DEFINE_SHOW_ATTRIBUTE(foo)`, `static DEFINE_MUTEX(lock);`: what a file gets by these depends on its
headers, so it is no fact of the file alone. A macro of `include/` is everybody's, one of another
header that of its own folder and those below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from posixpath import dirname
from typing import Any, Final

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.cache import digest
from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.expand import Definer, chosen, expand
from dmabuf.audit.front.facts import FileFacts, Variable
from dmabuf.audit.front.outline import Outline
from dmabuf.audit.front.packing import pack
from dmabuf.audit.front.reader import Lost
from dmabuf.audit.front.scan import Scanned, tokenize
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.front.toplevel import FileReader

__all__ = ["Expanded", "across", "expand_in"]

_GENERAL: Final = ("include/", "arch/")
_DEEPEST: Final = 6
Want = tuple[int, str, str, tuple[str, ...]]


def across(files: Mapping[str, FileFacts]) -> dict[str, FileFacts]:
    """The facts with what macros of headers define in them.

    Args:
        files: facts by path, those of the headers among them.
    """
    wanted = {want[1] for facts in files.values() for want in facts.wants}
    makers = _Makers(files, wanted)
    found = dict(files)
    for path, facts in files.items():
        seen = makers.seen_by(path) if facts.wants else {}
        wants = [want for want in facts.wants if want[1] in seen]
        if wants:
            found[path] = _with(facts, wants, seen)
        if any(map(_has_items, found[path].variables)):
            found[path] = _in_tables(found[path], makers.seen_by(path))
    return found


Expanded = dict[str, tuple[bytes, bytes]]
"""By path what was looked at, as a sum, and the facts, packed; b"" where the file's own are all."""


def expand_in(shelf: Shelf, known: Mapping[str, tuple[bytes, bytes]]) -> Expanded:
    """Put into a shelf what macros of headers define; the files without any stay packed.

    Args:
        shelf: facts as they were read.
        known: what this returned for the tree before.
    """
    outlines = shelf.outlines
    makers = _Makers(outlines, {want[1] for one in outlines.values() for want in one.wants})
    found: Expanded = {}
    for path, outline in list(outlines.items()):
        if not (outline.wants or outline.items):
            continue
        content = shelf.contents.get(path, b"")
        made_of = digest(content + makers.sum_of(path))
        before = known.get(path) if content else None
        if before is None or before[0] != made_of:
            before = (made_of, _expanded(path, outline, shelf, makers))
        found[path] = before
        if before[1]:
            shelf.expanded(path, *before)
    return found


def _expanded(path: str, outline: Outline, shelf: Shelf, makers: _Makers) -> bytes:
    """The facts of a file with what macros of headers define in it; b"" if that is nothing."""
    seen = makers.seen_by(path)
    wants = [want for want in outline.wants if want[1] in seen]
    if not wants and seen.keys().isdisjoint(outline.items):
        return b""
    return pack(_in_tables(_with(shelf[path], wants, seen), seen), outline)


class _Makers:
    """The macros of headers that define something, by who sees them; read when one is looked at."""

    def __init__(self, files: Mapping[str, FileFacts | Outline], wanted: set[str]) -> None:
        general: dict[str, _Maker] = {}
        private: dict[str, dict[str, _Maker]] = {}
        for path, facts in files.items():
            there = general if path.startswith(_GENERAL) else private.setdefault(dirname(path), {})
            for one in facts.makers:
                there.setdefault(one[0], one)
        self._general = general
        self._private = {folder: made for folder, made in private.items() if made}
        self._wanted = wanted
        self._known: dict[str, dict[str, Definer]] = {}
        self._sums: dict[str, bytes] = {}

    @cached_property
    def _definers(self) -> dict[str, Definer]:
        return {name: _definer(one) for name, one in self._general.items()}

    @cached_property
    def _chosen(self) -> dict[str, Definer]:
        return chosen(self._definers)

    @cached_property
    def _sum(self) -> bytes:
        return digest(repr(list(self._general.values())).encode())

    def seen_by(self, path: str) -> dict[str, Definer]:
        """What a file can call."""
        folder = dirname(path)
        if folder not in self._known:
            self._known[folder] = self._look(folder)
        return self._known[folder]

    def sum_of(self, path: str) -> bytes:
        """A sum of what a file can call."""
        folder = dirname(path)
        if folder not in self._sums:
            own = list(self._own(folder).values())
            self._sums[folder] = digest(self._sum + repr(own).encode()) if own else self._sum
        return self._sums[folder]

    def _own(self, folder: str) -> dict[str, _Maker]:
        """The macros of a folder and those above, if one of them is wanted."""
        own: dict[str, _Maker] = {}
        for other, made in self._private.items():
            if f"{folder}/".startswith(f"{other}/"):
                own |= made
        return {} if self._wanted.isdisjoint(own) else own

    def _look(self, folder: str) -> dict[str, Definer]:
        own = self._own(folder)
        if not own:
            return self._chosen
        return chosen({**self._definers, **{name: _definer(one) for name, one in own.items()}})


_Maker = tuple[str, tuple[str, ...], str]
"""A macro of a header: its name, its parameters, its text."""


def _definer(maker: _Maker) -> Definer:
    _name, parameters, text = maker
    scanned = Scanned()
    tokenize(text, 0, scanned)
    return Definer(parameters, tuple(scanned.tokens))


def _with(facts: FileFacts, wants: list[Want], makers: dict[str, Definer]) -> FileFacts:
    """The facts of a file with what these calls define in it."""
    functions, variables = list(facts.functions), list(facts.variables)
    structs, prototypes = list(facts.structs), list(facts.prototypes)
    for line, _name, text, conditions in wants:
        scanned = Scanned()
        tokenize(f"{text} ;", line, scanned)
        tokens = scanned.tokens
        reader = FileReader(tokens, [line] * len(tokens), pair(tokens), set())
        reader.read(makers)
        functions += [
            replace(one, conditions=conditions + one.conditions) for one in reader.functions
        ]
        variables += reader.variables
        structs += reader.all_structs
        prototypes += reader.prototypes
    return replace(
        facts,
        functions=tuple(functions),
        variables=tuple(variables),
        structs=tuple(structs),
        prototypes=tuple(prototypes),
    )


# -- items of tables ------------------------------------------------------------------------------


def _has_items(variable: Variable) -> bool:
    """Whether a table has an item that a macro may stand for: a call without a field."""
    value = variable.value
    return value is not None and value[0] == "list" and any(map(_is_call, value[1]))


def _is_call(item: Any) -> bool:
    path, value = item
    return bool(not path and value[0] == "call" and value[1][0] == "name")


def _in_tables(facts: FileFacts, makers: dict[str, Definer]) -> FileFacts:
    """The facts with what macros such as `SET_RUNTIME_PM_OPS(a, b, c)` put into tables."""
    return replace(
        facts,
        variables=tuple(
            one._replace(value=_table(one.value, makers)) if _has_items(one) else one
            for one in facts.variables
        ),
    )


def _table(value: Expr | None, makers: dict[str, Definer]) -> Expr:
    assert value is not None
    items: list[Any] = []
    for item in value[1]:
        more = _items(item[1], makers, 0) if _is_call(item) else None
        items.extend([item] if more is None else more)
    return ("list", tuple(items))


def _items(call: Expr, makers: dict[str, Definer], depth: int) -> list[Any] | None:
    """The items that a macro stands for; None if it is no such macro."""
    macro = makers.get(call[1][1])
    if macro is None or depth > _DEEPEST:
        return None
    arguments = [[one[1]] if one[0] == "name" else ["0"] for one in call[2]]
    tokens = expand(macro, arguments)
    if tokens is None or not tokens:
        return None
    tokens = ["{", *tokens, "}"]
    reader = FileReader(tokens, [1] * len(tokens), pair(tokens), set())
    reader.begin()
    try:
        found = reader.initialiser()
    except Lost:
        return None
    items: list[Any] = []
    for item in found[1]:
        more = _items(item[1], makers, depth + 1) if _is_call(item) else None
        items.extend([item] if more is None else more)
    return items if all(path for path, _ in items) else None
