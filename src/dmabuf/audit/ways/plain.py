"""Ways as plain values and back, and a name for each: for who keeps what is known of them."""

from __future__ import annotations

import hashlib
import marshal
from typing import Any, Final

from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.report.finding import Place

__all__ = ["digest_of", "plain", "way_of"]

_CANONICAL: Final = 2
"""The last format of `marshal` whose bytes depend on the value alone, and not on who shares it."""


def plain(way: Way) -> tuple[Any, ...]:
    """A way as tuples of plain values."""
    effect = way.effect
    return (
        _place(way.root),
        tuple((_place(hop.place), hop.how, hop.callee, hop.note) for hop in way.hops),
        (str(effect.kind), *(getattr(effect, name) for name in _EFFECT)),
        way.conditions,
        way.sure,
        way.scopes,
    )


def way_of(told: tuple[Any, ...]) -> Way:
    """The way that `plain` told."""
    root, hops, (kind, *more), *rest = told
    return Way(
        Place(*root),
        tuple(Hop(Place(*place), how, callee, note) for place, how, callee, note in hops),
        Effect(Kind(kind), **dict(zip(_EFFECT, more, strict=True))),
        *rest,
    )


def digest_of(way: Way) -> bytes:
    """Sixteen bytes that two ways have in common only if they are the same."""
    return hashlib.blake2b(marshal.dumps(plain(way), _CANONICAL), digest_size=16).digest()


_EFFECT = tuple(name for name in Effect.__dataclass_fields__ if name != "kind")


def _place(place: Place) -> tuple[str, int, str]:
    return place.file, place.line, place.function
