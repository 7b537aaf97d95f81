"""The findings of an audit as a whole: where nothing differs they are those of the next one.

They are a function of the auditor, of the contents of all files, and of what was read of the tree
beside these. So they are kept with the sums of all that, in a file of their own: it can be asked
before anything is linked. What is of another tree, damaged, or of another auditor is not taken.

    whole = Whole(path, gathered.files)
    result = whole.recall(build.still)
    if result is None:
        ...
        whole.keep(result, build.said)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.kept.changes import sum_of_contents
from dmabuf.audit.kept.packed_findings import finding_of, plain_finding
from dmabuf.audit.kept.store import read, write
from dmabuf.report.source_finding import SourceFinding

__all__ = ["Result", "Whole"]

Said = Mapping[tuple[str, ...], bytes]
"""Sums of what was read beside the files, by what was asked."""


class Result(NamedTuple):
    """What came of an audit.

    Attributes:
        findings: of all levels, in the order of reports.
        limits: how often a bound of the search was met, by what it bounds.
        functions: how many were looked at.
    """

    findings: tuple[SourceFinding, ...]
    limits: tuple[tuple[str, int], ...]
    functions: int


class Whole:
    """What the last audit of some folders said.

    Args:
        beside: the file of its answers; None if nothing is kept.
        shelf: facts of the files as they were read; who links them changes these.

    Attributes:
        notes: what was wrong with it, in sentences.
    """

    def __init__(self, beside: Path | None, shelf: Shelf) -> None:
        self.notes: list[str] = []
        self._state = _state(shelf)
        self._path = beside.with_suffix(".found") if beside is not None else None

    def recall(self, still: Callable[[Said], bool]) -> Result | None:
        """What it said, if all was as it is.

        Args:
            still: whether what was read beside the files is as it was.
        """
        if self._path is None or self._state is None:
            return None
        kept: Any = read(self._path, self.notes)
        if kept is None or kept[0] != self._state or not still(kept[1]):
            return None
        findings, limits, functions = kept[2:]
        return Result(tuple(map(finding_of, findings)), limits, functions)

    def keep(self, result: Result, said: Said) -> None:
        """Take down what this audit said.

        Args:
            result: of the audit.
            said: sums of what was read beside the files.
        """
        if self._path is None or self._state is None:
            return
        findings = tuple(map(plain_finding, result.findings))
        content = (self._state, dict(said), findings, result.limits, result.functions)
        write(self._path, content, self.notes)


def _state(shelf: Shelf) -> bytes | None:
    """A sum of all files; None where one has no content, so that it cannot be told from others."""
    contents = {path: shelf.contents.get(path, b"") for path in shelf}
    return sum_of_contents(contents) if all(contents.values()) else None
