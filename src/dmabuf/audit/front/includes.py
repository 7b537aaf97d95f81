"""Where the headers are that a file includes."""

from __future__ import annotations

import os
from pathlib import Path
from posixpath import dirname, normpath
from typing import Final

__all__ = ["Includes"]

# Where a kernel's build looks; of the architectures the one that most drivers are built for.
_FOLDERS: Final = (
    "include",
    "include/uapi",
    "arch/x86/include",
    "arch/x86/include/uapi",
    "include/asm-generic",
)


class Includes:
    """Finds the files that `#include` names, as far as they are in the tree."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, frozenset[str]] = {}
        self._found: dict[tuple[str, str], str | None] = {}

    def find(self, includer: str, text: str) -> str | None:
        """The path of what a file names as `<linux/slab.h>` or `"i915_drv.h"`, if there is one."""
        folder = dirname(includer) if text[:1] == '"' else ""
        if (folder, text) not in self._found:
            self._found[folder, text] = self._look(folder, text)
        return self._found[folder, text]

    def _look(self, folder: str, text: str) -> str | None:
        name = text[1:].split(">" if text[:1] == "<" else '"', 1)[0]
        if not name or name[0] == "/" or text[:1] not in ("<", '"'):
            return None
        for where in (folder, *_FOLDERS) if folder else _FOLDERS:
            path = normpath(f"{where}/{name}")
            if not path.startswith("..") and self._is_file(path):
                return path
        return None

    def _is_file(self, path: str) -> bool:
        """Whether there is such a file; a folder is listed once."""
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            try:
                with os.scandir(self._root / folder) as entries:
                    names = frozenset(entry.name for entry in entries)
            except OSError:
                names = frozenset[str]()
            self._names[folder] = names
        return name in self._names[folder]
