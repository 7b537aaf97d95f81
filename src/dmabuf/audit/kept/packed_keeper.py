"""A keeper of answers that has them as bytes, wherever these are."""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import Any, cast

from dmabuf.audit.kept.packed_ways import pack_answer, unpack_answer
from dmabuf.audit.ways.keeping import Answer, Question
from dmabuf.audit.ways.plain import Begin

__all__ = ["PackedKeeper"]


class PackedKeeper:
    """What `ways.keeping.Keeper` asks for, by two questions about bytes.

    Args:
        begin: tells where functions begin, in the program that answers are about.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    def _known(self, question: Question) -> bytes | None:
        """The bytes of an answer; None if there is none that holds."""
        raise NotImplementedError

    def _put(self, question: Question, data: bytes, names: Iterable[str]) -> None:
        """Take down the bytes of an answer, and what was asked for it."""
        raise NotImplementedError

    def recall(self, question: Question) -> Answer | None:
        """What is known of an answer."""
        data = self._known(question)
        return unpack_answer(data, self._begin) if data is not None else None

    def recall_plain(self, question: Question) -> tuple[Any, ...] | None:
        """The same for an answer of plain values."""
        data = self._known(question)
        return cast("tuple[Any, ...]", marshal.loads(data)) if data is not None else None

    def keep(self, question: Question, answer: Answer, names: Iterable[str]) -> None:
        """Take down an answer, and what was asked for it."""
        self._put(question, pack_answer(answer, self._begin), names)

    def keep_plain(self, question: Question, answer: tuple[Any, ...], names: Iterable[str]) -> None:
        """The same for an answer of plain values."""
        self._put(question, marshal.dumps(answer), names)
