"""Facts that were kept from the last run: one volume for a tree, and one with what changed since.

A file's facts are taken if its bytes are the same, which is known from its stamp, or else from a
hash of them; the brief of its outline is in the index. A cache that is of another version of the
extractor or of Python, or damaged, counts for nothing and is written anew. A volume is replaced as
a whole by a rename, so that runs at the same time do not harm each other: the last one wins. The
second volume names the first one that it belongs to; with any other it counts for nothing.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from dmabuf.audit.front.tree import Stamp
from dmabuf.audit.front.volume import Kept, Volume

__all__ = ["Cache", "default_folder", "digest", "tidy"]

_SHARE: Final = 8
"""The second volume has no more of the first one's bytes than one in so many."""
# Bytes of all caches together; the oldest go first.
_LARGEST: Final = 2 << 30
# A file that was changed so shortly before it was kept may have been changed again since.
_RACY_NS: Final = 2_000_000_000
_ABANDONED_S: Final = 3600
_SUFFIXES: Final = (".facts", ".names", ".deeds", ".audit", ".found", ".more")


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
        self._more_path = self.path.with_name(f"{self.path.name}.more")
        self._base, self._more = Volume(self._version), Volume(self._version)
        if self._open(self._base, self.path, b""):
            self._open(self._more, self._more_path, self._base.ident)

    def _open(self, volume: Volume, path: Path, belongs_to: bytes) -> bool:
        try:
            return volume.open(path, belongs_to)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, EOFError, TypeError, struct.error) as error:
            self.notes.append(f"{path}: not taken ({error}); it will be written anew")
            return False

    def __len__(self) -> int:
        """How many files it has facts of."""
        return len(self._base.index.keys() | self._more.index.keys())

    def _with(self, path: str) -> Volume | None:
        """The volume that tells of a file; the second one goes first."""
        for volume in (self._more, self._base):
            if path in volume.index:
                return volume
        return None

    def unchanged(self, path: str, now: Stamp) -> bool:
        """Whether a file is, by its stamp, as it was."""
        volume = self._with(path)
        if volume is None or volume.index[path].stamp != now:
            return False
        return max(now[1], now[2]) + _RACY_NS < volume.written_ns

    def digest_of(self, path: str) -> bytes:
        """The content of a file that the facts are of; b"" if there are none."""
        volume = self._with(path)
        return volume.index[path].digest if volume is not None else b""

    def get(self, path: str) -> Kept | None:
        """What was kept of a file; None if that is nothing, or has been damaged."""
        volume = self._with(path)
        found = volume.get(path) if volume is not None else None
        if volume is not None and found is None:
            self.damaged += 1
        return found

    def save(self, root: Path, kept: Mapping[str, Kept]) -> None:
        """Keep these, and of the others what is still in the tree.

        What the first volume does not tell goes into the second, as long as that stays small and
        no file is gone; else all is written anew.

        Context: never raises for what the disk or its owner refuses; `notes` tells of it.
        """
        others = (self._base.index.keys() | self._more.index.keys()) - kept.keys()
        there = {path for path in others if (root / path).is_file()}
        more = {path: one for path in list(self._more.index) if (one := self._more.get(path))}
        more |= {path: one for path, one in kept.items() if not self.unchanged(path, one.stamp)}
        size = sum(len(one.facts) for one in more.values())
        apart = size * _SHARE <= self._base.size and there == others and not self.damaged
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if apart and self._base.ident:
                self._more.write(self._more_path, more, self._base.ident)
            else:
                rest = {path: one for path in there if (one := self.get(path)) is not None}
                self._base.write(self.path, {**kept, **rest})
                self._more_path.unlink(missing_ok=True)
            tidy(self._folder, self.path)
        except OSError as error:
            self.notes.append(f"{self.path}: not written ({error.strerror}); nothing is kept")


def tidy(folder: Path, keep: Path) -> None:
    """Drop the oldest caches of a folder, so that all together stay within bounds, but not `keep`.

    And what runs left behind that did not come to their end.
    """
    found: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):
            about = path.lstat()
            if path.suffix in _SUFFIXES:
                found.append((about.st_mtime, about.st_size, path))
            elif path.suffix == ".tmp" and about.st_mtime < time.time() - _ABANDONED_S:
                path.unlink()
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > _LARGEST and path != keep:
            with suppress(OSError):
                path.unlink()
