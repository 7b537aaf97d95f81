"""Facts of many files, unpacked when they are looked at, and so are their outlines.

>>> shelf = Shelf.of([FileFacts("a.c"), FileFacts("b.c")])
>>> list(shelf), shelf["a.c"].path, shelf.outlines["b.c"].size
(['a.c', 'b.c'], 'a.c', 0)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.outline import Brief, Outline, brief_of, outline_of
from dmabuf.audit.front.packing import pack, signs_in, unpack, unpack_outline

__all__ = ["Shelf"]


class Shelf(Mapping[str, FileFacts]):
    """Facts by path.

    Attributes:
        outlines: by path, in the order of the files.
        briefs: by path.
        contents: a name of the content of each file that came packed.
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes | memoryview] = {}
        self._outlines = _Outlines(self._packed)
        self.outlines: Mapping[str, Outline] = self._outlines
        self.briefs: dict[str, Brief] = {}
        self.contents: dict[str, bytes] = {}
        self._facts: dict[str, FileFacts] = {}

    @classmethod
    def of(cls, files: Iterable[FileFacts]) -> Shelf:
        """A shelf with facts that are at hand."""
        found = cls()
        for facts in files:
            found.put(facts)
        return found

    def put(self, facts: FileFacts) -> None:
        """Add a file."""
        self._facts[facts.path] = facts
        outline = self._outlines.known[facts.path] = outline_of(facts)
        self.briefs[facts.path] = brief_of(outline)

    def put_packed(
        self, path: str, content: bytes, packed: bytes | memoryview, brief: Brief | None = None
    ) -> Brief:
        """Add a file as `packing` packs it, with its brief if that is known; returns its brief."""
        self.contents[path] = content
        self._packed[path] = packed
        self._outlines.known[path] = None
        self.briefs[path] = brief or brief_of(self.outlines[path])
        return self.briefs[path]

    def expanded(self, path: str, content: bytes, packed: bytes) -> None:
        """Put other facts in the place of a file's own."""
        self._facts.pop(path, None)
        self.put_packed(path, content, packed)

    def signs(self, path: str) -> bytes:
        """The bytes of a file's signs, for `packing.unpack_signs`."""
        packed = self._packed.get(path)
        return signs_in(packed if packed is not None else pack(self._facts[path]))

    def sort(self) -> None:
        """Put the files into the order of their paths."""
        known = self._outlines.known
        self._outlines.known = {path: known[path] for path in sorted(known)}

    def __getitem__(self, path: str) -> FileFacts:
        found = self._facts.get(path)
        if found is None:
            found = self._facts[path] = unpack(self._packed[path])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.outlines)

    def __len__(self) -> int:
        return len(self.outlines)


class _Outlines(Mapping[str, Outline]):
    """Outlines that are unpacked when they are looked at.

    Attributes:
        known: by path; None for one that is packed yet.
    """

    def __init__(self, packed: Mapping[str, bytes | memoryview]) -> None:
        self.known: dict[str, Outline | None] = {}
        self._packed = packed

    def __getitem__(self, path: str) -> Outline:
        found = self.known[path]
        if found is None:
            found = self.known[path] = unpack_outline(self._packed[path])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)
