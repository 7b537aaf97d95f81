"""One file for each audit, replaced as a whole; what is damaged or of another version is not taken.

The layout: `_MAGIC`, a check sum of the rest, the rest (marshal).
"""

from __future__ import annotations

import functools
import hashlib
import marshal
import os
import sys
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dmabuf.audit.front.cache import digest, tidy

__all__ = ["read", "version", "where", "write"]

_MAGIC: Final = b"dmabuf audit 1\n"
_SOURCES: Final = ("audit", "report/finding.py", "report/source_finding.py", "sync/gfp.py")
"""What an audit's answers depend on beside the tree, below the package."""


@functools.cache
def version() -> bytes:
    """A sum of the auditor's own source, and the version of Python."""
    package = Path(__file__).parents[2]
    sources: list[Path] = []
    for name in _SOURCES:
        path = package / name
        sources += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    sums = hashlib.blake2b(digest_size=16)
    for path in sources:
        with suppress(OSError):  # a package without its source cannot change
            sums.update(path.read_bytes() + b"\0")
    sums.update(repr((sys.hexversion, sys.implementation.cache_tag, marshal.version)).encode())
    return sums.digest()


def where(folder: Path, root: Path, folders: Iterable[str]) -> Path:
    """The file of an audit of some folders of a tree."""
    named = "\0".join(sorted(set(folders)))
    name = digest(os.fsencode(root.resolve()) + b"\0" + named.encode("utf-8", "surrogateescape"))
    return folder / f"{name.hex()}.audit"


def read(path: Path, notes: list[str]) -> Any:
    """What was written; None if there is nothing that can be taken, and why into `notes`."""
    try:
        data = path.read_bytes()
        os.utime(path)  # the one that was used last is dropped last
    except FileNotFoundError:
        return None
    except OSError as error:
        notes.append(f"{path}: not taken ({error.strerror}); all is done anew")
        return None
    body = memoryview(data)[len(_MAGIC) + 4 :]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : len(_MAGIC) + 4] != _check(body):
        notes.append(f"{path}: not taken (damaged); it will be written anew")
        return None
    with suppress(ValueError, EOFError, TypeError):
        found, content = marshal.loads(body)
        return content if found == version() else None
    notes.append(f"{path}: not taken (damaged); it will be written anew")
    return None


def write(path: Path, content: Any, notes: list[str]) -> None:
    """Replace what is there.

    Context: never raises for what the disk or its owner refuses; `notes` tells of it.
    """
    body = marshal.dumps((version(), content))
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_bytes(_MAGIC + _check(body) + body)
        temporary.replace(path)
        tidy(path.parent, path)
    except OSError as error:
        notes.append(f"{path}: not written ({error.strerror}); nothing is kept")
        with suppress(OSError):
            temporary.unlink()


def _check(body: bytes | memoryview) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")
