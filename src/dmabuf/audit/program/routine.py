"""A function and where it stands, and how one calls another."""

from __future__ import annotations

from collections.abc import Callable

from dmabuf.audit.front.facts import FileFacts, Function
from dmabuf.audit.front.outline import FunctionLine
from dmabuf.audit.program.asked import Asked
from dmabuf.report.finding import Place

__all__ = ["GRADES", "Ref", "Routine", "owner_of"]

Ref = tuple[str, int, str]
"""A function in plain values: its file, which of those of its name there it is, and the name."""


class Routine:
    """A function of one file; there is one object for each.

    Its body is unpacked when it is looked at, and the name is taken down as asked.

    Args:
        path: its file, relative to the root of the tree.
        owner: whose it is: the driver's folder, or "" for code that drivers share.
        nth: which function of its file it is.
        which: of those of its name there.
        outline: what is known without the body.
        asked: where its name is taken down.
        load: unpacks it.
    """

    __slots__ = ("_asked", "_function", "_load", "_outline", "nth", "owner", "path", "which")

    def __init__(
        self,
        path: str,
        owner: str,
        nth: int,
        which: int,
        outline: FunctionLine,
        asked: Asked,
        load: Callable[[str], FileFacts],
    ) -> None:
        self.path, self.owner, self.nth, self.which = path, owner, nth, which
        self._outline = outline
        self._asked, self._load = asked, load
        self._function: Function | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._outline.name

    @property
    def ref(self) -> Ref:
        """What it is in questions and in what is kept: others may come and go in its file."""
        return self.path, self.which, self._outline.name

    @property
    def outline(self) -> FunctionLine:
        """What is known without unpacking it."""
        self._asked.now.add(self._outline.name)
        return self._outline

    @property
    def function(self) -> Function:
        """All of it."""
        self._asked.now.add(self._outline.name)
        if self._function is None:
            self._function = self._load(self.path).functions[self.nth]
        return self._function

    @property
    def line(self) -> int:
        """Its first line in its file; not taken down, as nothing that is kept depends on it."""
        return self._outline.line

    def place(self, line: int = 1) -> Place:
        """A line of it, as its instructions count them; the first one if none is given."""
        return Place(self.path, self._outline.line + line - 1, self._outline.name)

    def line_of(self, place: Place) -> int:
        """The line of a place in its file, as its instructions count them."""
        return place.line - self._outline.line + 1

    def __repr__(self) -> str:
        return f"{self.path}:{self.name}"


GRADES: dict[str, float] = {
    "direct": 1.0,
    "macro": 1.0,
    "argument": 1.0,
    "instance": 0.95,
    "file": 0.9,
    "field": 0.8,
    "work": 0.9,
    "guess": 0.3,
}
"""How sure an edge is by the way it was found; `field` is divided among many candidates."""


_SHARED = {"scheduler", "ttm", "display", "lib", "clients", "sysfb"}
_GPU = ("drivers", "gpu", "drm")


def owner_of(path: str) -> str:
    """Whose a file is: the folder of its driver, "" for code that drivers share.

    >>> owner_of("drivers/gpu/drm/amd/amdgpu/amdgpu_job.c"), owner_of("drivers/gpu/drm/drm_gem.c")
    ('drivers/gpu/drm/amd', '')
    >>> owner_of("drivers/dma-buf/heaps/cma_heap.c"), owner_of("a.c"), owner_of("foo/bar.c")
    ('', '', 'foo')
    """
    parts = path.split("/")[:-1]
    if tuple(parts[:3]) == _GPU:
        if len(parts) == 3 or parts[3] in _SHARED:
            return ""
        return "/".join(parts[:4])
    if parts[:2] in (["drivers", "dma-buf"], ["drivers", "base"]) or parts[:1] in (
        ["include"],
        ["kernel"],
        ["mm"],
        ["lib"],
    ):
        return ""
    return "/".join(parts[:3])
