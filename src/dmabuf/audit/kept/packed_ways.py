"""Answers about ways as bytes and back."""

from __future__ import annotations

import marshal

from dmabuf.audit.ways.keeping import Answer
from dmabuf.audit.ways.plain import plain, way_of

__all__ = ["pack_answer", "unpack_answer"]


def pack_answer(answer: Answer) -> bytes:
    """The bytes of an answer."""
    ways = tuple((plain(way), dict(limits)) for way, limits in answer.ways)
    return marshal.dumps((ways, answer.complete, dict(answer.rest)))


def unpack_answer(data: bytes) -> Answer:
    """The answer that `pack_answer` wrote; raises what `marshal` raises for other bytes."""
    ways, complete, rest = marshal.loads(data)
    return Answer(tuple((way_of(way), limits) for way, limits in ways), complete, rest)
