"""Roots that are a part of a body: annotated sections, gaps between them, submissions.

A gap is advice of its own (DF205): the section was left around what it forbids and entered again,
and nothing was signalled in the first part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.submissions import Tail
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Kind
from dmabuf.audit.ways.event import Event
from dmabuf.audit.ways.ways import Section, Ways

__all__ = ["Part", "armed", "gaps", "sections", "submission"]

_BEGINS = "dma_fence_begin_signalling"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a body.

    Attributes:
        routine: whose.
        first, last: lines of its file.
        span: is something that is met in the body in it?
    """

    routine: Routine
    first: int
    last: int
    span: Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class _Between:
    """What lies between two instructions; a value, so that answers about it can be kept."""

    start: int
    end: int

    def __call__(self, event: Event) -> bool:
        return self.start < event.index < self.end


def sections(ways: Ways, calls: Calls) -> Iterator[Part]:
    """The signalling sections of a program."""
    for section in _all(ways, calls):
        if section.kind == "signalling":
            yield _part(section.routine, section.first, section.last, section)


def gaps(ways: Ways, calls: Calls) -> Iterator[Part]:
    """The gaps of a program before which nothing was signalled."""
    for section in _all(ways, calls):
        if section.kind == "gap" and not _signalled_before(ways, section):
            yield _part(section.routine, section.first, section.last, section)


def _all(ways: Ways, calls: Calls) -> Iterator[Section]:
    """Of the functions that begin one, themselves or through a wrapper."""
    begins = calls.callers([_BEGINS])
    wrappers = [one for one in begins if _opens(ways, one)]
    callers = calls.callers([one.name for one in wrappers])
    for routine in sorted(begins | callers, key=lambda one: (one.path, one.line)):
        if routine not in wrappers:
            yield from ways.sections(routine)


def _opens(ways: Ways, routine: Routine) -> bool:
    bracket = ways.brackets.of(routine)
    return bracket is not None and "signalling" in bracket.opens


def _signalled_before(ways: Ways, section: Section) -> bool:
    return any(
        event.effect is not None
        and event.effect.kind is Kind.SIGNAL
        and event.line <= section.first
        for event in ways.visit(section.routine).events
    )


def armed(tail: Tail) -> Part:
    """The part of a function where a job is armed and its fence is nobody else's yet."""
    return _between(tail, tail.start, min(tail.published + 1, tail.end))


def submission(tail: Tail) -> Part:
    """The part of a function between publishing a job's fence and pushing the job."""
    return _between(tail, tail.published, tail.end)


def _between(tail: Tail, start: int, end: int) -> Part:
    code = tail.routine.function.code
    return _part(tail.routine, code[start][1], code[end][1], _Between(start, end))


def _part(routine: Routine, first: int, last: int, span: Callable[[Event], bool]) -> Part:
    return Part(routine, routine.place(first).line, routine.place(last).line, span)
