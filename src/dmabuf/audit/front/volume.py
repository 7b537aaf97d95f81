"""One file with facts of many others, and an index at its end; it is replaced as a whole.

The layout: `_MAGIC`; the bytes of each file's facts; the index (marshal: version, which other
volume it belongs to, time of writing, for each path its entry); `_TAIL` (where the index is, its
size and check sum).
"""

from __future__ import annotations

import marshal
import mmap
import os
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from dmabuf.audit.front.outline import Brief
from dmabuf.audit.front.tree import Stamp

__all__ = ["Entry", "Kept", "Volume"]

_MAGIC: Final = b"dmabuf facts 2\n"
_TAIL: Final = struct.Struct("<QQI8s")
_END: Final = b"facts.\n\0"


class Entry(NamedTuple):
    """Where a file's facts are, and of which bytes."""

    stamp: Stamp
    digest: bytes
    start: int
    size: int
    check: int
    brief: Brief


class Kept(NamedTuple):
    """What is to be kept of a file."""

    stamp: Stamp
    digest: bytes
    facts: bytes | memoryview
    brief: Brief = Brief()


class Volume:
    """A volume that is open, or an empty one.

    Args:
        version: of who writes; what another one wrote is not taken.

    Attributes:
        index: where the facts of each file are.
        written_ns: when it was written.
        ident: tells it from every other volume; b"" for an empty one.
        size: bytes of it.
    """

    def __init__(self, version: Any) -> None:
        self.index: dict[str, Entry] = {}
        self.written_ns = 0
        self.ident = b""
        self.size = 0
        self._version = version
        self._data: mmap.mmap | None = None

    def open(self, path: Path, belongs_to: bytes = b"") -> bool:
        """Take what is there; False, and nothing is taken, if it belongs to another volume.

        Raises:
            OSError, ValueError, EOFError, TypeError, struct.error: it cannot be read, is damaged,
                or is of another version; nothing is taken.
        """
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        begin, length, check_of_it, end = _TAIL.unpack(data[-_TAIL.size :])
        raw = data[begin : begin + length]
        if end != _END or data[: len(_MAGIC)] != _MAGIC or zlib.crc32(raw) != check_of_it:
            raise ValueError("damaged")
        version, other, written_ns, index = marshal.loads(raw)
        if version != self._version:
            raise ValueError("of another version")
        if other != belongs_to:
            return False
        self.index = {
            path: Entry(stamp, content, start, size, check, Brief(*brief))
            for path, (stamp, content, start, size, check, brief) in index.items()
        }
        self._data, self.written_ns, self.size = data, written_ns, len(data)
        self.ident = f"{written_ns} {check_of_it} {begin}".encode()
        os.utime(path)  # the one that was used last is dropped last
        return True

    def get(self, path: str) -> Kept | None:
        """What was kept of a file that is in the index; None if that has been damaged."""
        entry = self.index[path]
        assert self._data is not None
        facts = memoryview(self._data)[entry.start : entry.start + entry.size]
        if zlib.crc32(facts) != entry.check:
            del self.index[path]
            return None
        return Kept(entry.stamp, entry.digest, facts, entry.brief)

    def write(self, path: Path, everything: Mapping[str, Kept], belongs_to: bytes = b"") -> None:
        """Put a volume with these in the place of what is there; this object stays as it is.

        Raises:
            OSError: the disk or its owner refuses; what is there stays.
        """
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                self._write(file, everything, belongs_to)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _write(self, file: IO[bytes], everything: Mapping[str, Kept], belongs_to: bytes) -> None:
        file.write(_MAGIC)
        at = len(_MAGIC)
        index: dict[str, tuple[object, ...]] = {}
        same: dict[str, str] = {}  # marshal writes one object once
        for path in sorted(everything):
            one = everything[path]
            size = len(one.facts)
            includes = tuple(same.setdefault(text, text) for text in one.brief.includes)
            brief = tuple(one.brief._replace(includes=includes))
            index[path] = (one.stamp, one.digest, at, size, zlib.crc32(one.facts), brief)
            file.write(one.facts)
            at += size
        raw = marshal.dumps((self._version, belongs_to, time.time_ns(), index))
        file.write(raw)
        file.write(_TAIL.pack(at, len(raw), zlib.crc32(raw), _END))
