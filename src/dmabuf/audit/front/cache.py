"""Facts that were kept from the last run: one file for a tree, with an index at its end.

A file's facts are taken if its bytes are the same, which is known from its stamp, or else from a
hash of them. A cache that is of another version of the extractor or of Python, or damaged, counts
for nothing and is written anew. It is replaced as a whole by a rename, so that runs at the same
time do not harm each other: the last one wins.

The layout: `_MAGIC`; for each file the bytes of `packing.pack`; the index (marshal: version, time
of writing, for each path its entry); `_TAIL` (where the index is, its size and check sum).
"""

from __future__ import annotations

import hashlib
import marshal
import mmap
import os
import struct
import sys
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from dmabuf.audit.front.tree import Stamp

__all__ = ["Cache", "Entry", "Kept", "default_folder", "digest"]

_MAGIC: Final = b"dmabuf facts 1\n"
_TAIL: Final = struct.Struct("<QQI8s")
_END: Final = b"facts.\n\0"
# Bytes of all caches together; the oldest go first.
_LARGEST: Final = 2 << 30
# A file that was changed so shortly before it was kept may have been changed again since.
_RACY_NS: Final = 2_000_000_000
_ABANDONED_S: Final = 3600


class Entry(NamedTuple):
    """Where a file's facts are, and of which bytes."""

    stamp: Stamp
    digest: bytes
    start: int
    size: int
    check: int


class Kept(NamedTuple):
    """What is to be kept of a file."""

    stamp: Stamp
    digest: bytes
    facts: bytes | memoryview


def digest(data: bytes) -> bytes:
    """The name of a content."""
    return hashlib.blake2b(data, digest_size=16).digest()


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/dmabuf/audit`, by default below `~/.cache`."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # so says the specification
        base = Path("~/.cache").expanduser()
    return base / "dmabuf" / "audit"


class Cache:
    """What the last run on a tree kept.

    Args:
        root: of the tree.
        version: of the extractor; facts of another one are not taken.
        folder: where caches are; `default_folder()` if not given.
        kind: what is kept, "facts" of files or "names" of functions; each in a file of its own.

    Attributes:
        notes: what was wrong with it, in sentences.
        damaged: entries that were not taken as they have changed on the disk.
    """

    def __init__(
        self, root: Path, version: bytes, folder: Path | None = None, kind: str = "facts"
    ) -> None:
        self.notes: list[str] = []
        self.damaged = 0
        self._folder = folder or default_folder()
        self._version = (version, sys.hexversion, sys.implementation.cache_tag, marshal.version)
        tag = os.fsencode(Path(root).resolve()) + b"\0" + repr(sys.implementation).encode()
        self.path = self._folder / f"{digest(tag).hex()}.{kind}"
        self._data: mmap.mmap | None = None
        self._index: dict[str, Entry] = {}
        self._written_ns = 0
        self._open()

    def _open(self) -> None:
        try:
            with self.path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read_index(self._data)
            os.utime(self.path)  # the one that was used last is dropped last
        except FileNotFoundError:
            return
        except (OSError, ValueError, EOFError, TypeError, struct.error) as error:
            self.notes.append(f"{self.path}: not taken ({error}); it will be written anew")
            self._index = {}

    def _read_index(self, data: mmap.mmap) -> None:
        start, size, check, end = _TAIL.unpack(data[-_TAIL.size :])
        raw = data[start : start + size]
        if end != _END or data[: len(_MAGIC)] != _MAGIC or zlib.crc32(raw) != check:
            raise ValueError("damaged")
        version, self._written_ns, index = marshal.loads(raw)
        if version != self._version:
            raise ValueError("of another version")
        self._index = {path: Entry(*entry) for path, entry in index.items()}

    def __len__(self) -> int:
        """How many files it has facts of."""
        return len(self._index)

    def unchanged(self, path: str, now: Stamp) -> bool:
        """Whether a file is, by its stamp, as it was."""
        entry = self._index.get(path)
        if entry is None or entry.stamp != now:
            return False
        return max(now[1], now[2]) + _RACY_NS < self._written_ns

    def digest_of(self, path: str) -> bytes:
        """The content of a file that the facts are of; b"" if there are none."""
        entry = self._index.get(path)
        return entry.digest if entry is not None else b""

    def get(self, path: str) -> Kept | None:
        """What was kept of a file; None if that is nothing, or has been damaged."""
        entry = self._index.get(path)
        if entry is None or self._data is None:
            return None
        facts = memoryview(self._data)[entry.start : entry.start + entry.size]
        if zlib.crc32(facts) != entry.check:
            self.damaged += 1
            del self._index[path]
            return None
        return Kept(entry.stamp, entry.digest, facts)

    def save(self, root: Path, kept: Mapping[str, Kept]) -> None:
        """Keep these, and of the others what is still in the tree.

        Context: never raises for what the disk or its owner refuses; `notes` tells of it.
        """
        rest = {path: one for path in self._index if path not in kept and (one := self.get(path))}
        everything = {**kept, **{p: one for p, one in rest.items() if (root / p).is_file()}}
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                self._write(file, everything)
            temporary.replace(self.path)
            self._tidy()
        except OSError as error:
            self.notes.append(f"{self.path}: not written ({error.strerror}); nothing is kept")
            with suppress(OSError):
                temporary.unlink()

    def _write(self, file: IO[bytes], everything: Mapping[str, Kept]) -> None:
        file.write(_MAGIC)
        at = len(_MAGIC)
        index: dict[str, tuple[object, ...]] = {}
        for path in sorted(everything):
            one = everything[path]
            size = len(one.facts)
            index[path] = (one.stamp, one.digest, at, size, zlib.crc32(one.facts))
            file.write(one.facts)
            at += size
        raw = marshal.dumps((self._version, time.time_ns(), index))
        file.write(raw)
        file.write(_TAIL.pack(at, len(raw), zlib.crc32(raw), _END))

    def _tidy(self) -> None:
        """Drop the oldest caches, so that all together stay within bounds, and what was left."""
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                about = path.lstat()
                if path.suffix in (".facts", ".names", ".deeds"):
                    found.append((about.st_mtime, about.st_size, path))
                elif path.suffix == ".tmp" and about.st_mtime < time.time() - _ABANDONED_S:
                    path.unlink()
        total = 0
        for _, size, path in sorted(found, reverse=True):
            total += size
            if total > _LARGEST and path != self.path:
                with suppress(OSError):
                    path.unlink()
