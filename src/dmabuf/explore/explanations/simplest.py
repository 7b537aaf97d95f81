"""The simplest schedule of a case: what `minimise` finds with the limits that a report may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dmabuf.explore.cases import Case
from dmabuf.explore.diagnose import Diagnosis
from dmabuf.explore.explanations.minimise import Goal, Trials, minimise
from dmabuf.explore.explanations.shrink import switches_of
from dmabuf.explore.lassos.timers import confirmed
from dmabuf.explore.phases import Exploration
from dmabuf.explore.snapshot import Snapshot
from dmabuf.rt.tasks import Tasks

__all__ = ["Simplifier"]

STEPS_IN_ALL = 12_000
STEPS_A_FINDING = 4_000
"""A tenth of a second with greenlets, a second where threads pass a baton."""

_MOST_MOVES = 1000
"""A longer schedule is shown as it was found: trying it even a few times takes too long."""


@dataclass(slots=True)
class Simplifier:
    """Makes the cases of a design simpler.

    Args:
        explored: what was found.
        diagnose: what a state of rest means.
        left: steps that may still be made.
    """

    explored: Exploration
    diagnose: Callable[[Snapshot], Diagnosis]
    left: int = STEPS_IN_ALL

    def simplest(self, case: Case, diagnosis: Diagnosis) -> tuple[Case, bool]:
        """A case with the same diagnosis, and whether no schedule has fewer switches."""
        explored = self.explored
        exact = explored.is_proof and case.exact
        if case.snapshot is not None and case.snapshot.turn:
            return case, False  # its steps are the way to a cycle and once round it
        if not case.moves or len(case.moves) > _MOST_MOVES or self.left <= 0:
            return case, exact
        given = min(self.left, STEPS_A_FINDING)
        trials = Trials(explored.design, explored.names, explored.carrier, given)
        pairs = trials.numbered(case.moves)
        goal = self._goal(case, diagnosis, pairs)
        shown = None if goal is None else minimise(trials, pairs, goal, fewest=exact)
        self.left -= given - trials.left
        if shown is None:
            return case, exact
        snapshot = case.snapshot and shown.snapshot
        better = replace(
            case, moves=shown.moves, switches=switches_of(shown.events), snapshot=snapshot
        )
        return better, shown.fewest

    def _goal(self, case: Case, diagnosis: Diagnosis, pairs: list[tuple[int, int]]) -> Goal | None:
        """What must stay as it is in this case."""
        if not pairs:
            return None
        key: Any
        if case.snapshot is not None:
            chain = diagnosis.chain or tuple(case.snapshot.names)
            return Goal(diagnosis, self._at_rest, chain, not case.snapshot.timers)
        if case.report is not None:
            key = case.report
            return Goal(key, _reported, (pairs[-1][0],))
        assert case.failure is not None
        key = (case.failure[0], type(case.failure[1]), str(case.failure[1]))
        return Goal(key, _failed, (pairs[-1][0],))

    def _at_rest(self, rt: Tasks, snapshot: Snapshot | None) -> object:
        del rt
        if snapshot is not None and snapshot.timers:
            snapshot = confirmed(snapshot, self.explored.standing)
        return self.diagnose(snapshot) if snapshot is not None and snapshot.is_bad else None


def _reported(rt: Tasks, snapshot: Snapshot | None) -> object:
    del snapshot
    if not rt.reports:
        return None
    code, message, task = rt.reports[0]
    return code, message, task.name


def _failed(rt: Tasks, snapshot: Snapshot | None) -> object:
    del snapshot
    if rt.failure is None:
        return None
    task, error = rt.failure
    return task.name, type(error), str(error)
