"""Answers that somebody else finds out ahead of the audit that will ask for them.

A worker takes down what it was asked as the audit would, and hands it on as bytes: questions, ways,
and the names that were asked of the program. Names are told by number; those that the audit has no
number for yet are handed on with the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from dmabuf.audit.kept.names import NameSet, Numbers
from dmabuf.audit.kept.packed_keeper import PackedKeeper
from dmabuf.audit.ways.keeping import Question
from dmabuf.audit.ways.plain import Begin

__all__ = ["Asked", "Found", "Recorder"]

Asked = tuple[NameSet, bytes]
"""What was asked for an answer, and its bytes."""


class Found(NamedTuple):
    """What a worker found out; plain values.

    Attributes:
        base: numbers below it are those of the audit.
        names: those with the numbers from `base` on.
        answers: by question.
    """

    base: int
    names: tuple[str, ...]
    answers: dict[Question, Asked]


class Recorder(PackedKeeper):
    """A keeper of answers, for who hands them on.

    Args:
        held: what of the last audit still holds.
        begin: as for every such keeper.
        names: those that the audit has numbers for, in their order.
    """

    def __init__(
        self,
        held: Callable[[Question], Asked | None],
        begin: Begin,
        names: Iterable[str] = (),
    ) -> None:
        super().__init__(begin)
        self._held = held
        self._numbers = Numbers(names)
        self._base = len(self._numbers.of)
        self._answers: dict[Question, Asked] = {}

    def _known(self, question: Question) -> bytes | None:
        """From the last audit, or found out just now."""
        known = self._answers.get(question) or self._held(question)
        return known[1] if known is not None else None

    def _put(self, question: Question, data: bytes, names: Iterable[str]) -> None:
        self._answers[question] = (self._numbers.pack(names), data)

    def found(self) -> Found:
        """All that was taken down."""
        return Found(self._base, tuple(self._numbers.of)[self._base :], self._answers)
