"""The state of the last audit on the disk: one file with all of it, one with what changed since.

The second is written after an edit, as long as it stays small. It names the first one that it
belongs to; with any other it counts for nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from dmabuf.audit.kept.state import State
from dmabuf.audit.kept.store import read, write

__all__ = ["Record"]

_SHARE: Final = 8
"""The second file has no more of the first one's bytes than one in so many."""


class Record:
    """What is kept of the audits of some folders of a tree.

    Args:
        path: of the first file; None if nothing is kept.
        notes: where it is told what is wrong.

    Attributes:
        state: the last one.
    """

    def __init__(self, path: Path | None, notes: list[str]) -> None:
        self._path, self._notes = path, notes
        self._ident = b""
        self._base = self.state = State()
        found = read(path, notes) if path is not None else None
        if path is None or found is None:
            return
        self._ident, parts = found
        self._base = self.state = State(*parts)
        more = read(_beside(path), notes)
        if more is not None and more[0] == self._ident:
            self.state = self._base.changed_by(more[1])

    def save(self, now: State) -> None:
        """Keep a state in the place of the last one."""
        if self._path is None:
            return
        apart = now.apart_from(self._base)
        changed = State().changed_by(apart)
        if self._ident and changed.weight * _SHARE <= self._base.weight:
            write(_beside(self._path), (self._ident, apart), self._notes)
        else:
            write(self._path, (os.urandom(8), now.plain), self._notes)
            with suppress(OSError):
                _beside(self._path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.more")
