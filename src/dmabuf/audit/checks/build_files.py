"""Kconfig files and Makefiles of a tree: those near some files first, all of them if need be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

__all__ = ["BuildFiles"]

_TOPS = ("arch/x86", "drivers", "fs", "kernel", "lib", "mm", "net", "sound", "virt")
_MOST_BYTES = 1_000_000
_ALL = ("*",)


class BuildFiles:
    """Reads the texts that say what is built; what cannot be read is not there.

    Args:
        root: the tree's.

    Attributes:
        said: a sum of each answer, by the folders that were asked about; of all there are, by `*`.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.said: dict[tuple[str, ...], bytes] = {}

    def still(self, said: Mapping[tuple[str, ...], bytes]) -> bool:
        """Whether other build files of the tree's said the same, as `said` tells it."""
        for folders in said:
            if folders == _ALL:
                self.all()
            else:
                self._texts(folders)
        return self.said == said

    def near(self, paths: Iterable[str]) -> dict[str, str]:
        """Those in the folders of these files, and in all folders above them."""
        folders: set[str] = set()
        for path in paths:
            parts = path.split("/")[:-1]
            folders.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return self._texts(tuple(sorted(folders)))

    def all(self) -> dict[str, str]:
        """All of the tree."""
        folders = [
            os.path.relpath(folder, self._root)
            for top in _TOPS
            for folder, _folders, _files in os.walk(Path(self._root, top))
        ]
        found = dict(self._in_folders(folders))
        self.said[_ALL] = _sum_of(found)
        return found

    def _texts(self, folders: tuple[str, ...]) -> dict[str, str]:
        found = dict(self._in_folders(folders))
        self.said[folders] = _sum_of(found)
        return found

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


def _sum_of(texts: Mapping[str, str]) -> bytes:
    return hashlib.blake2b(repr(sorted(texts.items())).encode(), digest_size=16).digest()


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return None
