"""The first file system of a guest: a cpio archive of the "new ASCII" form (070701)."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Entry", "cpio", "folder", "program"]

_FIELDS = 13
_END = "TRAILER!!!"


class Entry(NamedTuple):
    """One file or folder: its path without leading slash, mode with type bits, contents."""

    path: str
    mode: int
    data: bytes = b""


def folder(path: str) -> Entry:
    """An empty folder."""
    return Entry(path, stat.S_IFDIR | 0o755)


def program(path: str, data: bytes) -> Entry:
    """A file that may be executed."""
    return Entry(path, stat.S_IFREG | 0o755, data)


def cpio(entries: Iterable[Entry]) -> bytes:
    """The archive; the kernel unpacks it into its first root.

    >>> cpio([])[:6], len(cpio([])) % 4
    (b'070701', 0)
    """
    archive = bytearray()
    for number, entry in enumerate([*entries, Entry(_END, 0)], 1):
        name = entry.path.encode() + b"\0"
        header = [0] * _FIELDS
        header[0], header[1], header[4] = number, entry.mode, 1
        header[6], header[11] = len(entry.data), len(name)
        archive += b"070701" + b"".join(b"%08X" % field for field in header) + name
        archive += bytes(-len(archive) % 4)
        archive += entry.data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
