"""Kconfig files and Makefiles of a tree: those near some files first, all of them if need be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["BuildFiles"]

_TOPS = ("arch/x86", "drivers", "fs", "kernel", "lib", "mm", "net", "sound", "virt")
_MOST_BYTES = 1_000_000


class BuildFiles:
    """Reads the texts that say what is built; what cannot be read is not there.

    Args:
        root: the tree's.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def near(self, paths: Iterable[str]) -> dict[str, str]:
        """Those in the folders of these files, and in all folders above them."""
        folders: set[str] = set()
        for path in paths:
            parts = path.split("/")[:-1]
            folders.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return dict(self._in_folders(sorted(folders)))

    def all(self) -> dict[str, str]:
        """All of the tree."""
        folders = [
            os.path.relpath(folder, self._root)
            for top in _TOPS
            for folder, _folders, _files in os.walk(Path(self._root, top))
        ]
        return dict(self._in_folders(folders))

    def _in_folders(self, folders: Iterable[str]) -> Iterator[tuple[str, str]]:
        for folder in folders:
            try:
                names = sorted(one.name for one in Path(self._root, folder).iterdir())
            except OSError:
                continue
            for name in names:
                if name.startswith("Kconfig") or name in ("Makefile", "Kbuild"):
                    text = _read(Path(self._root, folder, name))
                    if text is not None:
                        yield f"{folder}/{name}", text


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None
