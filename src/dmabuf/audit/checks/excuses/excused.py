"""What speaks for a way that breaks a rule by the letter: it is told milder, or not at all.

Each excuse has a module of its own; here they are asked, and their words put into the finding.
"""

from __future__ import annotations

from dataclasses import replace

from dmabuf.audit.checks.excuses.dumps import is_dump
from dmabuf.audit.checks.excuses.given_up import is_given_up
from dmabuf.audit.checks.excuses.just_made import is_just_made
from dmabuf.audit.checks.excuses.made_once import is_made_once
from dmabuf.audit.checks.excuses.restarts import is_after_restart
from dmabuf.audit.checks.excuses.slots import makes_room
from dmabuf.audit.checks.judge import Judgement, mildest
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Way
from dmabuf.report.source_finding import Level

__all__ = ["ALLOWED", "excuse_of", "excused"]

ALLOWED = "allowed"
"""What speaks for a way so much that nothing is told."""

_MILDER = (
    (is_dump, "in a dump after a hang"),
    (is_after_restart, "after the scheduler was started again"),
    (is_given_up, "where the hardware is given up"),
    (is_made_once, "where something is made that mostly exists"),
    (is_just_made, "of a buffer that was just made"),
)


def excuse_of(way: Way, program: Program) -> str:
    """What speaks for a way, in words; "" for nothing. It depends on these two alone.

    Args:
        way: the way.
        program: where its functions are looked up.
    """
    if makes_room(way, program):
        return ALLOWED
    return next((words for holds, words in _MILDER if holds(way, program)), "")


def excused(found: Judgement, words: str) -> Judgement | None:
    """The judgement with what speaks for the way; None where it is allowed.

    Args:
        found: what is wrong with it by its root and its end.
        words: what `excuse_of` says of it.
    """
    if words == ALLOWED:
        return None
    if not words:
        return found
    text = f"{found.text}, {words}"
    return replace(found, level=mildest(found.level, Level.WARNING), text=text)
