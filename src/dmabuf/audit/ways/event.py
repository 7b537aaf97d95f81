"""What a walk through a body meets: things that it does and functions that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import Deed
from dmabuf.audit.ways.effect import Effect
from dmabuf.audit.ways.state import Held
from dmabuf.audit.ways.values import Value

__all__ = ["Context", "Event", "Given", "Visit"]

Given: TypeAlias = tuple[Expr, Value, frozenset[int]]
"""What the caller has asked, in words of the callee; what it may be, and what it is not."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known where a function is called.

    Attributes:
        values: of its parameters, in order; shorter than them if the rest is unknown.
        scopes: scopes of allocation that are open.
        owner: the driver that shared code works for.
        bound: the table of operations that the way came through, and the struct whose objects
            have it: it counts as long as such an object is handed on.
        given: what the caller has asked of what it hands on.
    """

    values: tuple[Value, ...] = ()
    scopes: frozenset[str] = frozenset()
    owner: str = ""
    bound: tuple[str, str] | tuple[()] = ()
    given: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing on a line: either an effect or a call.

    Attributes:
        line: of the function walked through.
        index: of the instruction.
        effect: what is done, or None.
        callee: who is called, or None.
        context: what is known there.
        how: how the callee was found, a key of GRADES.
        grade: how sure that is, times the guards around it.
        guards: conditions around it that could not be decided, outermost first; with False those
            that must not hold.
        held: locks that are held.
        scopes: scopes of allocation that are open.
        signalling: it is in a signalling section that this function began.
        after: such a section was ended before it in this function.
        macro: the macro that it stands in.
        note: the table that was used.
        deed: of an effect beyond the audited files, how it comes about there.
        beyond: the function that is called there.
    """

    line: int
    index: int
    effect: Effect | None = None
    callee: Routine | None = None
    context: Context = Context()
    how: str = "does"
    grade: float = 1.0
    guards: tuple[tuple[Expr, bool], ...] = ()
    held: tuple[Held, ...] = ()
    scopes: frozenset[str] = frozenset()
    signalling: bool = False
    after: bool = False
    macro: str = ""
    note: str = ""
    deed: Deed | None = None
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """A function in one context.

    Attributes:
        events: in the order of the body.
        gaps: lines between which a signalling section was left and begun again.
        truncated: the walk met a limit.
    """

    events: tuple[Event, ...]
    gaps: tuple[tuple[int, int], ...] = ()
    sections: tuple[tuple[int, int], ...] = ()
    truncated: bool = False
