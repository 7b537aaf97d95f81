"""Weakened footprints that no program can tell from the honest ones, and why.

Each reason is of a kind that is checked against everything that has met in a campaign: a mutant
that is killed after all, or whose reason does not hold, is told as wrong.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from dmabuf.explore.dependence import independent
from tests.explore.meetings import Meetings, Mutant

__all__ = ["EQUIVALENT", "Kind", "Reason", "reason_for", "wrong_reason"]

_ENOUGH = 3
"""Fewer different meetings than these would say nothing."""


class Kind(enum.Enum):
    """Why nobody can tell.

    OWN: what is hidden belongs to the task that makes the step: nobody else's step touches it.
    COVERED: whoever touches what is hidden conflicts with something else that the step touches.
    COARSE: the honest footprint says more than there is: where it alone makes two steps depend on
        each other they commute all the same. It costs executions and loses nothing.
    """

    OWN = "its own"
    COVERED = "covered"
    COARSE = "coarse"


class Reason(NamedTuple):
    """Why a mutant is none."""

    kind: Kind
    words: str


EQUIVALENT: dict[tuple[str, str], Reason] = {}
"""By operation and what it hides."""


def reason_for(mutant: Mutant) -> str:
    """Why no program can tell; empty if one should."""
    reason = EQUIVALENT.get((mutant.op, mutant.how))
    return "" if reason is None else f"{reason.kind.value}: {reason.words}"


def wrong_reason(met: Meetings, mutant: Mutant) -> str:
    """What speaks against the reason, in what has been seen; empty if nothing."""
    kind = EQUIVALENT[mutant.op, mutant.how].kind
    meetings = len(met.of(mutant.op))
    if meetings < _ENOUGH:
        return f"only {meetings} meetings"
    decisive, hidden = met.decisive(mutant), _hidden(met, mutant)
    if kind is Kind.OWN and hidden:
        return f"others touch it, in {hidden} meetings"
    if kind is Kind.COVERED and (decisive or not hidden):
        return f"{hidden} conflicts, {decisive} with nothing else"
    if kind is Kind.COARSE and not decisive:
        return "nothing depends on it"
    return ""


def _hidden(met: Meetings, mutant: Mutant) -> int:
    """In how many meetings the other step conflicts with what is hidden."""
    count = 0
    for meeting in met.of(mutant.op):
        for mine, other in ((meeting.first, meeting.other), (meeting.other, meeting.first)):
            if mutant.hides(mine):
                said = mutant.weaken(mine.op, mine.own)
                missing = tuple(number for number in mine.own if number not in said)
                count += not independent(missing, other.own + other.more)
    return count
