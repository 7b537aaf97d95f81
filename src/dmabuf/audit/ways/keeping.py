"""Questions about ways whose answers may be known from the last audit.

A question is told in plain values, so that the next run asks it in the same words. A span that is
no dataclass of plain values and functions, and no function of a module, cannot be told, and what
is asked with it is searched each time.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from dmabuf.audit.program.asked import Asked
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Kind, Way

__all__ = ["Answer", "Keeper", "Question", "answered", "question_of", "remembered"]

Plain = TypeVar("Plain", bound="tuple[Any, ...]")

Question = tuple[Any, ...]
"""Plain values only; equal if and only if the same is asked."""


class Answer(NamedTuple):
    """What a search found, as far as somebody wanted to know.

    Attributes:
        ways: in order, each with the bounds that were met before it.
        complete: there are no more.
        rest: bounds that were met after the last one.
    """

    ways: tuple[tuple[Way, Mapping[str, int]], ...]
    complete: bool
    rest: Mapping[str, int]


class Keeper(Protocol):
    """Keeps answers from run to run."""

    def recall(self, question: Question) -> Answer | None:
        """The answer of the last run, if nothing that was asked for it has changed."""
        raise NotImplementedError

    def keep(self, question: Question, answer: Answer, names: Iterable[str]) -> None:
        """Take down an answer, and what was asked of the program for it."""
        raise NotImplementedError

    def recall_plain(self, question: Question) -> tuple[Any, ...] | None:
        """The same for an answer of plain values."""
        raise NotImplementedError

    def keep_plain(self, question: Question, answer: tuple[Any, ...], names: Iterable[str]) -> None:
        """The same for an answer of plain values."""
        raise NotImplementedError


def answered(
    keeper: Keeper,
    question: Question,
    search: Callable[[Counter[str]], Iterator[Way]],
    limits: Counter[str],
    asked: Asked,
) -> Iterator[Way]:
    """What is known of an answer; if somebody wants more, all of it is searched, and kept.

    Args:
        keeper: knows what is known.
        question: what is asked.
        search: searches; counts the bounds that it meets.
        limits: where bounds are counted for everybody.
        asked: where a search takes down names.
    """
    known = keeper.recall(question)
    for way_before, met_before in known.ways if known is not None else ():
        limits.update(met_before)
        yield way_before
    if known is not None and known.complete:
        limits.update(known.rest)
        return
    skipped = len(known.ways) if known is not None else 0
    met = Counter[str]()
    ways: list[tuple[Way, Mapping[str, int]]] = []
    names: set[str] = set()
    found: Iterator[Way | None] = search(met)
    complete = False
    try:
        while not complete:
            before = asked.begin()
            try:
                way = next(found, None)
            finally:
                names.update(asked.end(before))
            if len(ways) >= skipped:
                limits.update(met)
            if way is None:
                complete = True
                break
            ways.append((way, dict(met)))
            met.clear()
            if len(ways) > skipped:
                yield way
    finally:
        keeper.keep(question, Answer(tuple(ways), complete, dict(met)), names)


def remembered(
    keeper: Keeper | None, question: Question, find: Callable[[], Plain], asked: Asked
) -> Plain:
    """What is known of an answer of plain values; else it is found out, and kept.

    Context: not within `Asked.begin`; what was asked for a known answer is not taken down again.

    Args:
        keeper: knows what is known.
        question: what is asked, begun by a word of its own.
        find: finds it out from the program, and from what the question says.
        asked: where names are taken down meanwhile.
    """
    if keeper is None:
        return find()
    known = cast("Plain | None", keeper.recall_plain(question))
    if known is not None:
        return known
    before = asked.begin()
    try:
        found = find()
    finally:
        names = asked.end(before)
    keeper.keep_plain(question, found, names)
    return found


def question_of(
    routine: Routine, span: object, kinds: frozenset[Kind] | None, nodes: int
) -> Question | None:
    """The ways from a function that are asked for; None if that cannot be told."""
    told = _told(span)
    if told is None:
        return None
    wanted = None if kinds is None else tuple(sorted(map(str, kinds)))
    return (*routine.ref, told, wanted, nodes)


@functools.cache
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    """The fields of a dataclass; thousands of its values are told."""
    return tuple(field.name for field in fields(kind))


def _told(value: object) -> Any:
    """Plain values for a span; None if it holds what cannot be told."""
    if value is None:
        return ()
    if isinstance(value, str | int | bool):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Routine):
        return value.ref
    if isinstance(value, tuple):
        parts = [_told(one) for one in cast("tuple[object, ...]", value)]
        return None if None in parts else tuple(parts)
    if isinstance(value, FunctionType):
        return None if value.__closure__ else (value.__module__, value.__qualname__)
    if is_dataclass(value) and not isinstance(value, type):
        parts = [_told(getattr(value, name)) for name in _names_of(type(value))]
        return None if None in parts else (type(value).__qualname__, *parts)
    return None
