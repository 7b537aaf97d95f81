"""Who calls which names, by the outlines of all files: no body is decoded."""

from __future__ import annotations

from collections import defaultdict

from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.program.asked import EVERYTHING
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import Routine

__all__ = ["Calling"]


class Calling:
    """Callers by name of the callee.

    Attributes:
        pointing: names of functions that call through a pointer.
    """

    def __init__(self, shelf: Shelf, names: Names) -> None:
        self._of: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.pointing: set[str] = set()
        self._names = names
        of = self._of
        for path, outline in shelf.outlines.items():
            for nth, line in enumerate(outline.functions):
                where = (path, nth)
                for name in line.calls:
                    of[name].append(where)
                if line.pointed:
                    self.pointing.add(line.name)

    def of(self, name: str) -> list[Routine]:
        """The functions that call a name, in the order of their files."""
        self._names.asked.now.add(EVERYTHING)
        at = self._names.at
        return [at(path, nth) for path, nth in self.where(name)]

    def where(self, name: str) -> list[tuple[str, int]]:
        """The same by file and place in it; not taken down."""
        return self._of.get(name, [])

    def above(self, name: str) -> set[str]:
        """The names of the functions that call a name."""
        outlines = self._names.outlines
        return {outlines[path].functions[nth].name for path, nth in self.where(name)}

    def names(self) -> list[str]:
        """All names that are called."""
        return list(self._of)
