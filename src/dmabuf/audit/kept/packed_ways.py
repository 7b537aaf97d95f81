"""Answers about ways as bytes and back."""

from __future__ import annotations

import marshal

from dmabuf.audit.ways.keeping import Answer
from dmabuf.audit.ways.plain import Begin, plain, way_of

__all__ = ["pack_answer", "unpack_answer"]


def pack_answer(answer: Answer, begin: Begin) -> bytes:
    """The bytes of an answer."""
    ways = tuple((plain(way, begin), dict(limits)) for way, limits in answer.ways)
    return marshal.dumps((ways, answer.complete, dict(answer.rest)))


def unpack_answer(data: bytes, begin: Begin) -> Answer:
    """The answer that `pack_answer` wrote; raises what `marshal` raises for other bytes."""
    ways, complete, rest = marshal.loads(data)
    return Answer(tuple((way_of(way, begin), limits) for way, limits in ways), complete, rest)
