"""The fewest context switches with which a class of executions can be told.

Executions that differ only in the order of independent steps show the same finding. Of all
orders that keep dependent steps in place (the linear extensions of happens-before) this finds
one with the fewest switches: a run of one task may always be as long as possible, so a state is
how far each task has got and who ran last, and breadth-first search over those is exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import NamedTuple

from dmabuf.explore.dependence import independent

__all__ = ["Event", "causal_past", "fewest_switches", "switches_of"]

MAX_STATES = 200_000


class Event(NamedTuple):
    """One step of an execution: whose, which transition, what it touched."""

    task: int
    transition: int
    footprint: tuple[int, ...]


def switches_of(events: Sequence[Event]) -> int:
    """How often the running task changes."""
    return sum(one.task != other.task for one, other in itertools.pairwise(events))


def causal_past(events: Sequence[Event], tasks: Collection[int]) -> list[Event]:
    """The steps that those of `tasks` depend on, in order; the rest is left out."""
    kept: list[Event] = []
    movers = set(tasks)
    for event in reversed(events):
        if event.task in movers or any(
            not independent(event.footprint, later.footprint) for later in kept
        ):
            kept.append(event)
            movers.add(event.task)
    kept.reverse()
    return kept


def fewest_switches(events: Sequence[Event], below: int | None = None) -> list[Event] | None:
    """An equivalent order with the fewest switches.

    Args:
        events: an execution.
        below: give up unless there is an order with fewer switches than this.

    Returns None if there is none below, or if the search became too large.
    """
    if not events:
        return []
    tasks = list(dict.fromkeys(event.task for event in events))
    if below is not None and len(tasks) - 1 >= below:
        return None
    found = _Orders(events, tasks).search(below)
    if found is None:
        return None
    lines = {task: iter([e for e in events if e.task == task]) for task in tasks}
    return [next(lines[task]) for task in found]


class _Orders:
    """Breadth-first search over (how far each task got, who ran last)."""

    def __init__(self, events: Sequence[Event], tasks: list[int]) -> None:
        self.tasks = tasks
        column = {task: index for index, task in enumerate(tasks)}
        self.needs: list[list[tuple[int, ...]]] = [[] for _ in tasks]
        clocks: list[list[int]] = []
        counts = [0] * len(tasks)
        for index, event in enumerate(events):
            mine = column[event.task]
            clock = [0] * len(tasks)
            for before in range(index):
                if not independent(events[before].footprint, event.footprint):
                    clock = [max(pair) for pair in zip(clock, clocks[before], strict=True)]
            if self.needs[mine]:
                clock = [max(pair) for pair in zip(clock, self.needs[mine][-1], strict=True)]
            clock[mine] = counts[mine]
            self.needs[mine].append(tuple(clock))
            counts[mine] += 1
            own = list(clock)
            own[mine] = counts[mine]
            clocks.append(own)
        self.goal = tuple(counts)

    def search(self, below: int | None) -> list[int] | None:
        """The sequence of tasks, one entry a step, of an order with the fewest switches."""
        start = tuple(0 for _ in self.tasks)
        came_from: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = {}
        level = [start]
        switches = -1
        most = MAX_STATES // max(len(self.tasks) ** 2 // 16, 1)  # a state costs that much
        while level:
            switches += 1
            if below is not None and switches >= below:
                return None
            following: list[tuple[int, ...]] = []
            for state in level:
                if len(came_from) > most:
                    return None
                for column in range(len(self.tasks)):
                    reached = self._run(state, column)
                    if reached != state and reached not in came_from and reached != start:
                        came_from[reached] = (state, column)
                        following.append(reached)
                        if reached == self.goal:
                            return self._trace(came_from, start)
            level = following
        return None

    def _run(self, state: tuple[int, ...], column: int) -> tuple[int, ...]:
        """Let one task go on as far as its steps' needs are met."""
        done = state[column]
        needs = self.needs[column]
        while done < len(needs) and all(
            want <= have or other == column
            for other, (want, have) in enumerate(zip(needs[done], state, strict=True))
        ):
            done += 1
        return (*state[:column], done, *state[column + 1 :])

    def _trace(
        self, came_from: dict[tuple[int, ...], tuple[tuple[int, ...], int]], start: tuple[int, ...]
    ) -> list[int]:
        order: list[int] = []
        state = self.goal
        while state != start:
            before, column = came_from[state]
            order += [self.tasks[column]] * (state[column] - before[column])
            state = before
        order.reverse()
        return order
