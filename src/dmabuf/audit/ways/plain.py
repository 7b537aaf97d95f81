"""Ways as plain values and back, and a name for each: for who keeps what is known of them.

Lines are told from the begin of the function that they are in: what comes before it in its file
changes nothing about a way.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable
from typing import Any, Final

from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.report.finding import Place

__all__ = ["Begin", "digest_of", "plain", "way_of"]

Begin = Callable[[str, str], int]
"""The line that those of a function are told from, by file and name; `Names.begin`."""

_CANONICAL: Final = 2
"""The last format of `marshal` whose bytes depend on the value alone, and not on who shares it."""


def plain(way: Way, begin: Begin) -> tuple[Any, ...]:
    """A way as tuples of plain values."""
    effect = way.effect
    return (
        _place(way.root, begin),
        tuple((_place(hop.place, begin), hop.how, hop.callee, hop.note) for hop in way.hops),
        (str(effect.kind), *(getattr(effect, name) for name in _EFFECT)),
        way.conditions,
        way.sure,
        way.scopes,
    )


def way_of(told: tuple[Any, ...], begin: Begin) -> Way:
    """The way that `plain` told."""
    root, hops, (kind, *more), *rest = told
    return Way(
        _place_of(root, begin),
        tuple(Hop(_place_of(place, begin), how, callee, note) for place, how, callee, note in hops),
        Effect(Kind(kind), **dict(zip(_EFFECT, more, strict=True))),
        *rest,
    )


def digest_of(way: Way, begin: Begin) -> bytes:
    """Sixteen bytes that two ways have in common only if they are the same."""
    told = marshal.dumps(plain(way, begin), _CANONICAL)
    return hashlib.blake2b(told, digest_size=16).digest()


_EFFECT = tuple(name for name in Effect.__dataclass_fields__ if name != "kind")


def _place(place: Place, begin: Begin) -> tuple[str, int, str]:
    return place.file, place.line - begin(place.file, place.function), place.function


def _place_of(told: tuple[str, int, str], begin: Begin) -> Place:
    file, line, function = told
    return Place(file, line + begin(file, function), function)
