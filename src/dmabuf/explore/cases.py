"""The ways in which a design's executions went wrong, each with the simplest schedule seen for it.

>>> cases: dict[object, Case] = {}
>>> keep(cases, "rest", [], {}, exact=True)
>>> cases["rest"].moves, cases["rest"].switches
([], 0)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmabuf.explore.explanations.shrink import Event, causal_past, fewest_switches, switches_of
from dmabuf.explore.jobs.parts import Position, position_of
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.snapshot import Snapshot
    from dmabuf.explore.strategies.dfs import Node

__all__ = ["MAX_CASES", "SUSPECT", "Case", "keep"]

MAX_CASES = 1000
SUSPECT = "suspect"
"""Begins the key of a case that is none before it is confirmed."""
_MAX_EVENTS = 600


@dataclass(slots=True)
class Case:
    """One way in which an execution went wrong, and the simplest schedule seen for it.

    Exactly one of `snapshot`, `report` and `failure` says what it is. `found` and `told` are the
    positions, among all executions, of the first that came to this and of the one that is told.
    """

    key: Any
    moves: list[tuple[int, int]]
    switches: int
    snapshot: Snapshot | None = None
    report: tuple[str, str, str] | None = None
    failure: tuple[str, BaseException] | None = None
    exact: bool = True
    found: Position = ()
    told: Position = ()


def keep(
    cases: dict[Any, Case],
    key: Any,
    path: Sequence[Node],
    ordinals: Mapping[int, int],
    *,
    exact: bool,
    only: Collection[int] | None = None,
    **what: Any,
) -> None:
    """Keep a case, or a simpler schedule of a known one.

    Args:
        cases: where.
        key: what it means.
        path: the steps of the execution.
        ordinals: of its tasks, by number.
        exact: the search sees every order, so the fewest switches seen are the fewest there are.
        only: whose steps matter.
        what: the field of the case that says what it is.
    """
    known = cases.get(key)
    if known is None and len(cases) >= MAX_CASES:
        return
    events = [Event(n.chosen // VARIANTS, n.chosen, n.footprint) for n in path]
    if only is not None:
        events = causal_past(events, only)
    below = known.switches if known is not None else None
    is_short = len(events) <= _MAX_EVENTS
    best = fewest_switches(events, below) if is_short else None
    if best is None and known is not None:
        return
    exact = exact and best is not None
    best = events if best is None else best
    moves = [(ordinals[event.task], event.transition % VARIANTS) for event in best]
    told = position_of(path)
    found = known.found if known is not None else told
    cases[key] = Case(key, moves, switches_of(best), exact=exact, found=found, told=told, **what)
