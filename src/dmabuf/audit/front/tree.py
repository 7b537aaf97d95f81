"""Finding and reading the files of a kernel tree, whatever lies about in it.

Links that lead in circles, pipes, devices, files that cannot be read, vanish or change: each is
told in one sentence with its place and what to do, and the rest goes on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Final

from dmabuf.errors import DmabufError

__all__ = ["LARGEST", "Found", "Read", "Stamp", "TreeError", "find", "read", "stamp"]

LARGEST: Final = 64 << 20
"""Bytes of a file that is still read; the largest of a kernel, a list of registers, has 24 MB."""

Stamp = tuple[int, int, int, int]
"""Size, time of change of content and of the inode in ns, number of the inode."""

_SUFFIXES: Final = (".c", ".h")
_TRIES: Final = 3
_DEEPEST: Final = 64


class TreeError(DmabufError):
    """What was named is no tree that could be audited; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files of a tree, and what could not be looked into.

    Attributes:
        files: relative to the root, with slashes, sorted.
        troubles: a sentence for each thing that was left out.
    """

    files: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """The bytes of a file as they were at one moment; `trouble` says why there are none."""

    data: bytes
    stamp: Stamp | None
    trouble: str = ""


def find(root: Path, folders: Iterable[str]) -> Found:
    """All C files and headers below `folders`, relative to `root`; files may be named, too.

    Raises:
        TreeError: a folder that was asked for is not there.
    """
    walk = _Walk(root)
    for folder in folders:
        path = normpath(folder)
        if path.startswith(("/", "..")):
            raise TreeError(f"{folder}: not below {root}; name folders relative to the tree")
        full = root / path
        if full.is_dir():
            walk.folder("" if path == "." else path)
        elif full.is_symlink() or full.exists():
            walk.file(path)
        else:
            raise TreeError(f"{full}: no such file or folder; is {root} the root of a kernel tree?")
    return Found(tuple(sorted(walk.files)), tuple(walk.troubles))


class _Walk:
    """Walks without recursion; a folder that was seen before, by whatever name, is not entered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = str(root)
        self.files: set[str] = set()
        self.troubles: list[str] = []
        self._seen: set[tuple[int, int]] = set()

    def folder(self, start: str) -> None:
        stack = [start]
        while stack:
            path = stack.pop()
            if path.count("/") > _DEEPEST:
                self.troubles.append(f"{path}: deeper than {_DEEPEST} folders; not audited")
                continue
            stack.extend(reversed(self._inside(path)))

    def _inside(self, path: str) -> list[str]:
        """Note the files of a folder, and return the folders in it."""
        full = self.root / path
        try:
            about = full.stat()
            if (about.st_dev, about.st_ino) in self._seen:
                return []  # a link that leads back
            self._seen.add((about.st_dev, about.st_ino))
            with os.scandir(full) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.troubles.append(f"{path}: cannot be opened ({error.strerror}); not audited")
            return []
        folders: list[str] = []
        for entry in inside:
            name = f"{path}/{entry.name}" if path else entry.name
            if _is_folder(entry):
                folders.append(name)
            elif name.endswith(_SUFFIXES):
                self.file(name)
        return folders

    def file(self, path: str) -> None:
        try:
            mode = os.stat(f"{self._base}/{path}").st_mode  # noqa: PTH116 - as in `stamp`
        except OSError as error:
            self.troubles.append(f"{path}: cannot be opened ({error.strerror}); not audited")
            return
        if stat.S_ISREG(mode):
            self.files.add(path)
        else:
            self.troubles.append(f"{path}: no regular file; not audited")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads through what is no folder
        return False


def stamp(path: Path | str) -> Stamp | None:
    """What tells whether a file has changed; None if it cannot be looked at."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116 - thousands of names, no Path for each
    except OSError:
        return None


def _stamp(about: os.stat_result) -> Stamp:
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def read(path: Path) -> Read:
    """The bytes of a file; it is read again while somebody changes it.

    Context: never blocks on a pipe or a device that has taken the file's place.
    """
    last: Stamp | None = None
    for _ in range(_TRIES):
        try:
            before, data, after = _once(path)
        except OSError as error:
            return Read(b"", None, f"cannot be read ({error.strerror}); not audited")
        if not stat.S_ISREG(before.st_mode):
            return Read(b"", None, "no regular file; not audited")
        if before.st_size > LARGEST:
            return Read(b"", None, f"larger than {LARGEST >> 20} MB; not audited")
        last = _stamp(after)
        if _stamp(before) == last and len(data) == after.st_size:
            return Read(data, last)
    return Read(b"", last, "changes while it is read; not audited, try again")


def _once(path: Path) -> tuple[os.stat_result, bytes, os.stat_result]:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(handle, "rb") as file:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode) or before.st_size > LARGEST:
            return before, b"", before
        data = file.read(before.st_size + 1)  # one more tells of a file that grows
        return before, data, os.fstat(handle)
