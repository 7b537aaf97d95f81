"""Where functions are defined that audited code calls, but does not hold: in `mm/`, `kernel/`, ...

A quick look, not a parse: a function's body begins with a brace in the first column, as the
kernel's coding style has it. Whoever needs more gathers the facts of the files that are named here.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dmabuf.audit.front.cache import Cache, digest
from dmabuf.audit.front.tree import TreeError, find, read, stamp
from dmabuf.audit.front.volume import Kept

__all__ = ["FOLDERS", "Outside", "names"]

FOLDERS: Final = (
    "kernel",
    "mm",
    "lib",
    "fs",
    "block",
    "init",
    "ipc",
    "crypto",
    "arch/x86",
    "drivers/acpi",
    "drivers/base",
    "drivers/bus",
    "drivers/char",
    "drivers/clk",
    "drivers/devfreq",
    "drivers/firmware",
    "drivers/i2c",
    "drivers/interconnect",
    "drivers/iommu",
    "drivers/media/cec",
    "drivers/mfd",
    "drivers/of",
    "drivers/opp",
    "drivers/pci",
    "drivers/phy",
    "drivers/platform",
    "drivers/power",
    "drivers/pwm",
    "drivers/regulator",
    "drivers/reset",
    "drivers/soc",
    "drivers/thermal",
    "drivers/tty",
    "drivers/usb/core",
    "drivers/video",
    "drivers/virtio",
    "sound/core",
    "sound/hda",
    "virt",
)
"""Where functions of general use are; the folders that a tree does not have are passed over."""

_VERSION: Final = b"names 1"
# Longer heads of a function there are not.
_HEAD: Final = 1500
_NAME = re.compile(rb"([A-Za-z_]\w*)\s*\(").finditer
_SYSCALL = re.compile(rb"(?:COMPAT_)?SYSCALL_DEFINE\d\(\s*(\w+)").search
_NO_NAMES: Final = frozenset(
    (
        b"__printf",
        b"__scanf",
        b"__attribute__",
        b"__acquires",
        b"__releases",
        b"__must_hold",
        b"__section",
        b"__aligned",
        b"__alloc_size",
        b"__cond_acquires",
        b"__malloc",
        b"if",
        b"while",
        b"for",
        b"switch",
    )
)

# Name and whether other files can call it.
_Names = tuple[tuple[str, bool], ...]


def names(data: bytes) -> _Names:
    """The functions that a file defines, and whether each is seen by other files."""
    found: list[tuple[str, bool]] = []
    parts = data.replace(b"\r", b"").split(b"\n{")
    for part in parts[:-1]:
        tail = part[-_HEAD:]
        tail = tail[max(tail.rfind(end) + len(end) for end in (b";\n", b"}\n", b"\n\n", b"*/\n")) :]
        name = _name(tail)
        if name:
            found.append((name, b"static" not in tail.split(b"(", 1)[0]))
    return tuple(dict.fromkeys(found))


def _name(head: bytes) -> str:
    call = _SYSCALL(head)
    if call is not None:
        return "sys_" + call.group(1).decode()
    for one in _NAME(head):
        if one.group(1) not in _NO_NAMES:
            return one.group(1).decode()
    return ""


class Outside:
    """Which file defines a function.

    Args:
        root: of the tree.
        folders: where to look.
        keep: folder of the cache; None for no cache.

    Attributes:
        troubles: a sentence for each thing that could not be read.
    """

    def __init__(
        self, root: Path, folders: Iterable[str] = FOLDERS, *, keep: Path | None = None
    ) -> None:
        self.troubles: list[str] = []
        self._root = root
        self._seen: dict[str, list[str]] = {}
        self._cache = Cache(root, _VERSION, keep, kind="names") if keep is not None else None
        paths: set[str] = set()
        for folder in folders:
            try:
                found = find(root, [folder])
            except TreeError:
                continue
            paths.update(found.files)
            self.troubles.extend(found.troubles)
        self._read(sorted(path for path in paths if path.endswith(".c")))

    def _read(self, paths: list[str]) -> None:
        kept: dict[str, Kept] = {}
        fresh = 0
        for path in paths:
            one = self._old(path)
            if one is None:
                one = self._new(path)
                fresh += 1
            if one is None:
                continue
            kept[path] = one
            for name, seen in marshal.loads(one.facts):
                if seen:
                    self._seen.setdefault(name, []).append(path)
        if self._cache is not None and fresh:
            self._cache.save(self._root, kept)

    def _old(self, path: str) -> Kept | None:
        now = stamp(self._root / path)
        if self._cache is None or now is None or not self._cache.unchanged(path, now):
            return None
        return self._cache.get(path)

    def _new(self, path: str) -> Kept | None:
        found = read(self._root / path)
        if found.stamp is None:
            self.troubles.append(f"{path}: {found.trouble}")
            return None
        return Kept(found.stamp, digest(found.data), marshal.dumps(names(found.data)))

    def __len__(self) -> int:
        """How many functions other files can call."""
        return len(self._seen)

    def files(self, name: str) -> list[str]:
        """The files that define a function of this name for others; more than one is rare."""
        return self._seen.get(name, [])

    def everything(self) -> list[tuple[str, list[str]]]:
        """Every function that other files can call, with its files."""
        return sorted(self._seen.items())

    def having(self, wanted: Iterable[str]) -> list[str]:
        """The files that define these functions, sorted."""
        return sorted({path for name in wanted for path in self.files(name)})
