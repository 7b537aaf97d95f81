"""Where the headers are that a file includes."""

from __future__ import annotations

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
        self._known: dict[str, bool] = {}

    def find(self, includer: str, text: str) -> str | None:
        """The path of what a file names as `<linux/slab.h>` or `"i915_drv.h"`, if there is one."""
        name = text[1:].split(">" if text[:1] == "<" else '"', 1)[0]
        if not name or name[0] == "/" or text[:1] not in ("<", '"'):
            return None
        if text[0] == '"':
            path = normpath(f"{dirname(includer)}/{name}")
            if self._is_file(path):
                return path
        for folder in _FOLDERS:
            path = normpath(f"{folder}/{name}")
            if self._is_file(path):
                return path
        return None

    def _is_file(self, path: str) -> bool:
        found = self._known.get(path)
        if found is None:
            inside = not path.startswith("..")
            found = inside and (self._root / path).is_file()
            self._known[path] = found
        return found
