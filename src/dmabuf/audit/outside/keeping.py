"""Answers about functions outside, kept for the next run: one file for a tree.

They hold as long as every file that they were found in has the same bytes, no function outside has
come or gone, and the auditor is the same. Else they count for nothing and are found anew. The file
is replaced as a whole by a rename; of two runs at the same time the last one wins.
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

import dmabuf.audit
from dmabuf.audit.front.cache import default_folder, digest
from dmabuf.audit.front.outside import Outside
from dmabuf.audit.front.tree import read
from dmabuf.audit.outside.summaries import Table
from dmabuf.audit.ways.beyond import Deed, Doing
from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.audit.ways.scopes import Bracket
from dmabuf.report.finding import Place

__all__ = ["Keeping"]

_MAGIC: Final = b"dmabuf deeds 1\n"


class Keeping:
    """Where the answers about a tree are kept.

    Args:
        root: of the tree.
        folder: of the cache; None for the user's.

    Attributes:
        notes: what was wrong, in sentences.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        self.notes: list[str] = []
        self._root = root
        name = digest(os.fsencode(root.resolve()) + b"\0" + repr(sys.implementation).encode())
        self.path = (folder or default_folder()) / f"{name.hex()}.deeds"

    def load(self, wanted: frozenset[str], where: Outside) -> Table | None:
        """The answers, if they still hold and are about these functions."""
        try:
            data = self.path.read_bytes()
            check, body = data[len(_MAGIC) : len(_MAGIC) + 4], data[len(_MAGIC) + 4 :]
            if data[: len(_MAGIC)] != _MAGIC or check != _check(body):
                raise ValueError("damaged")
            version, index, asked, files, table = marshal.loads(body)
            if version != _version() or index != _index(where) or not wanted <= asked:
                return None
            if any(digest(read(self._root / path).data) != known for path, known in files):
                return None
            return _table(table)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, TypeError) as error:
            self.notes.append(f"{self.path}: not taken ({error}); it will be written anew")
            return None

    def save(
        self, table: Table, wanted: frozenset[str], where: Outside, files: Iterable[str]
    ) -> None:
        """Keep the answers that were found in these files.

        Context: never raises for what the disk or its owner refuses; `notes` tells of it.
        """
        contents = [(path, digest(read(self._root / path).data)) for path in files]
        content: Any = (_version(), _index(where), wanted, contents, _plain(table))
        body = marshal.dumps(content)
        part = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(_MAGIC + _check(body) + body)
            part.replace(self.path)
        except OSError as error:
            self.notes.append(f"{self.path}: not written ({error.strerror}); nothing is kept")
            with suppress(OSError):
                part.unlink()


def _check(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")


@functools.cache
def _version() -> tuple[bytes, int]:
    """All code of the auditor: whatever is changed in it may change an answer."""
    here = Path(dmabuf.audit.__file__).parent
    content = b"\0".join(path.read_bytes() for path in sorted(here.rglob("*.py")))
    return hashlib.blake2b(content, digest_size=16).digest(), sys.hexversion


def _index(where: Outside) -> bytes:
    return digest(repr(where.everything()).encode())


# -- as plain values ------------------------------------------------------------------------------


def _plain(table: Table) -> Any:
    return (
        [
            (name, tuple(one.asks.items()), one.acts, _plain_bracket(one.leaves))
            for name, one in table.functions.items()
        ],
        [(question, tuple(map(_plain_deed, deeds))) for question, deeds in table.deeds.items()],
        [
            (question, None if way is None else _plain_way(way))
            for question, way in table.held.items()
        ],
        table.read,
    )


def _plain_bracket(one: Bracket) -> Any:
    return one.opens, one.closes, one.takes, one.drops


def _plain_deed(one: Deed) -> Any:
    return _plain_effect(one.effect), tuple(map(_plain_hop, one.hops)), one.conditions, one.sure


def _plain_way(one: Way) -> Any:
    hops = tuple(map(_plain_hop, one.hops))
    return (
        _plain_place(one.root),
        hops,
        _plain_effect(one.effect),
        one.conditions,
        one.sure,
        one.scopes,
    )


def _plain_place(one: Place) -> Any:
    return one.file, one.line, one.function


def _plain_hop(one: Hop) -> Any:
    return _plain_place(one.place), one.how, one.callee, one.note


def _plain_effect(one: Effect) -> Any:
    flags = one.bounded, one.attempt, one.context
    return str(one.kind), one.name, one.gfp, one.subject, *flags, one.queue, one.flags


def _table(found: Any) -> Table:
    functions, deeds, held, read = found
    return Table(
        {name: Doing(dict(asks), acts, Bracket(*leaves)) for name, asks, acts, leaves in functions},
        {question: tuple(map(_deed, one)) for question, one in deeds},
        {question: None if one is None else _way(one) for question, one in held},
        read,
    )


def _deed(found: Any) -> Deed:
    effect, hops, conditions, sure = found
    return Deed(_effect(effect), tuple(map(_hop, hops)), conditions, sure)


def _way(found: Any) -> Way:
    root, hops, effect, *rest = found
    return Way(Place(*root), tuple(map(_hop, hops)), _effect(effect), *rest)


def _hop(found: Any) -> Hop:
    place, *rest = found
    return Hop(Place(*place), *rest)


def _effect(found: Any) -> Effect:
    kind, *rest = found
    return Effect(Kind(kind), *rest)
