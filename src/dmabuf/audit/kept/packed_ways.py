"""Answers about ways as bytes and back."""

from __future__ import annotations

import marshal
from typing import Any

from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.audit.ways.keeping import Answer
from dmabuf.report.finding import Place

__all__ = ["pack_answer", "unpack_answer"]


def pack_answer(answer: Answer) -> bytes:
    """The bytes of an answer."""
    ways = tuple((_way(way), dict(limits)) for way, limits in answer.ways)
    return marshal.dumps((ways, answer.complete, dict(answer.rest)))


def unpack_answer(data: bytes) -> Answer:
    """The answer that `pack_answer` wrote; raises what `marshal` raises for other bytes."""
    ways, complete, rest = marshal.loads(data)
    return Answer(tuple((_as_way(*way), limits) for way, limits in ways), complete, rest)


def _way(way: Way) -> tuple[Any, ...]:
    effect = way.effect
    return (
        _place(way.root),
        tuple((_place(hop.place), hop.how, hop.callee, hop.note) for hop in way.hops),
        (str(effect.kind), *(getattr(effect, name) for name in _EFFECT)),
        way.conditions,
        way.sure,
        way.scopes,
    )


_EFFECT = tuple(name for name in Effect.__dataclass_fields__ if name != "kind")


def _place(place: Place) -> tuple[str, int, str]:
    return place.file, place.line, place.function


def _as_way(root: Any, hops: Any, effect: Any, *rest: Any) -> Way:
    kind, *more = effect
    return Way(
        Place(*root),
        tuple(Hop(Place(*place), how, callee, note) for place, how, callee, note in hops),
        Effect(Kind(kind), **dict(zip(_EFFECT, more, strict=True))),
        *rest,
    )
