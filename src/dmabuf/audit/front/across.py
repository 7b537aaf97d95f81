"""Macros of headers that define functions or tables, where other files call them.

`DEFINE_SHOW_ATTRIBUTE(foo)`, `static DEFINE_MUTEX(lock);`: what a file gets by these depends on its
headers, so it is no fact of the file alone. A macro of `include/` is everybody's, one of another
header that of its own folder and those below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from posixpath import dirname
from typing import Final

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.cache import digest
from dmabuf.audit.front.expand import Definer, chosen
from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.outline import Outline
from dmabuf.audit.front.packing import pack
from dmabuf.audit.front.scan import Scanned, tokenize
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.front.toplevel import FileReader

__all__ = ["Expanded", "across", "expand_in"]

_GENERAL: Final = ("include/", "arch/")
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
    return found


Expanded = dict[str, tuple[bytes, bytes]]
"""By path what the facts were made of, as a sum, and the facts, packed."""


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
        seen = makers.seen_by(path) if outline.wants else {}
        wants = [want for want in outline.wants if want[1] in seen]
        if wants:
            made_of = digest(shelf.contents.get(path, b"") + makers.sum_of(path))
            before = known.get(path)
            if before is None or before[0] != made_of:
                before = (made_of, pack(_with(shelf[path], wants, seen)))
            found[path] = before
            shelf.expanded(path, *before)
    return found


class _Makers:
    """The macros of headers that define something, by who sees them."""

    def __init__(self, files: Mapping[str, FileFacts | Outline], wanted: set[str]) -> None:
        general: dict[str, Definer] = {}
        private: dict[str, dict[str, Definer]] = {}
        for path, facts in files.items():
            there = general if path.startswith(_GENERAL) else private.setdefault(dirname(path), {})
            for name, parameters, text in facts.makers:
                scanned = Scanned()
                tokenize(text, 0, scanned)
                there.setdefault(name, Definer(parameters, tuple(scanned.tokens)))
        self._general = general
        self._chosen = chosen(general)
        self._private = {folder: made for folder, made in private.items() if made}
        self._wanted = wanted
        self._known: dict[str, dict[str, Definer]] = {}
        self._sums: dict[int, bytes] = {}

    def seen_by(self, path: str) -> dict[str, Definer]:
        """What a file can call."""
        folder = dirname(path)
        if folder not in self._known:
            self._known[folder] = self._look(folder)
        return self._known[folder]

    def sum_of(self, path: str) -> bytes:
        """A sum of what a file can call."""
        seen = self.seen_by(path)
        if id(seen) not in self._sums:
            self._sums[id(seen)] = digest(repr(sorted(seen.items())).encode())
        return self._sums[id(seen)]

    def _look(self, folder: str) -> dict[str, Definer]:
        own: dict[str, Definer] = {}
        for other, made in self._private.items():
            if f"{folder}/".startswith(f"{other}/"):
                own |= made
        if not own or self._wanted.isdisjoint(own):
            return self._chosen
        return chosen({**self._general, **own})


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
