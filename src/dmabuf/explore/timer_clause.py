"""Decide for suspect states whether a timer is the only way to a signal that is to come without it.

A search notes the states in which only time goes on (`lassos.timers`). Most designs have none.
Where there are some, the graph of states tells which of their timeouts stand by for a fence, and
which are part of its way. It is made only then, so that others pay nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dmabuf.explore.cases import MAX_CASES, Case
from dmabuf.explore.lassos.timers import Armed, confirmed, is_left_to, standing_by
from dmabuf.explore.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNDECIDED", "Clause", "decide"]

UNDECIDED = "the states are too many or cannot be compared, and a timer may be the only way"

Cases = Mapping[Any, Case]


@dataclass(frozen=True, slots=True)
class Clause:
    """What became of suspect states.

    Attributes:
        cases: those that break the sentence.
        standing: timed waits and the fences that they stand by for.
        is_decided: each suspect state was confirmed or dismissed.
    """

    cases: dict[Any, Case] = field(default_factory=dict)
    standing: frozenset[tuple[Armed, int]] = frozenset()
    is_decided: bool = True


def decide(cases: Cases, suspects: Cases, explore: Callable[[], Search]) -> Clause:
    """Which suspect states break the sentence.

    Args:
        cases: what is wrong for sure.
        suspects: the suspect states.
        explore: makes the graph of states, as far as the budget goes.
    """
    never = {f for case in cases.values() if case.snapshot for f in case.snapshot.pending}
    asked = {
        (timer, fence)
        for case in suspects.values()
        for timer in _of(case).timers
        for fence in _of(case).pending
        if fence not in never  # for which another finding says more
    }
    if not asked:
        return Clause()
    search = explore()
    graph: Any = search.strategy
    standing = frozenset(standing_by(graph, asked))
    is_whole = search.exhausted and not search.bound
    has_all = len(suspects) < MAX_CASES
    return Clause(
        _confirmed(suspects, standing),
        standing,
        has_all
        and (is_whole or all(_is_sure(case, asked, standing) for case in suspects.values())),
    )


def _of(case: Case) -> Any:
    assert case.snapshot is not None
    return case.snapshot


def _confirmed(suspects: Cases, standing: frozenset[tuple[Armed, int]]) -> dict[Any, Case]:
    """Of each fence the state that is come by with the fewest switches."""
    found: dict[Any, Case] = {}
    for case in sorted(suspects.values(), key=lambda one: (one.switches, one.key)):
        snapshot = confirmed(_of(case), standing)
        for fence in snapshot.pending if snapshot is not None else ():
            assert snapshot is not None
            key = "timer", fence
            if key not in found:
                only = replace(snapshot, pending=(fence,))
                found[key] = replace(case, key=key, snapshot=only)
    return found


def _is_sure(
    case: Case, asked: set[tuple[Armed, int]], standing: frozenset[tuple[Armed, int]]
) -> bool:
    """Is it known of each fence that was asked about that it is left to a timeout?"""
    timers = _of(case).timers
    fences = [f for f in _of(case).pending if any((timer, f) in asked for timer in timers)]
    return all(is_left_to(timers, fence, standing) for fence in fences)
