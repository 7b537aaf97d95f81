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

__all__ = ["Event", "causal_past", "few_switches", "fewest_switches", "switches_of"]

MAX_STATES = 40_000
"""States that the exact search looks at, fewer where there are many tasks: half a second."""

_BEAM = 60


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
    return None if found is None else _in_order(events, found)


def few_switches(events: Sequence[Event]) -> list[Event]:
    """An equivalent order with few switches, perhaps not the fewest; in bounded time.

    The same search, but of the orders with so many switches only those that got furthest go on.
    """
    if not events:
        return []
    found = _Orders(events, list(dict.fromkeys(event.task for event in events))).search(
        None, width=_BEAM
    )
    assert found is not None
    return _in_order(events, found)


def _in_order(events: Sequence[Event], tasks: Sequence[int]) -> list[Event]:
    """Each task's steps, in the order in which the tasks are named."""
    lines = {task: iter([e for e in events if e.task == task]) for task in set(tasks)}
    return [next(lines[task]) for task in tasks]


def _joined(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(max, one, other))


def _is_met(needs: tuple[int, ...], state: tuple[int, ...], column: int) -> bool:
    """Have the tasks of the other columns got as far as that?"""
    return all(want <= state[other] or other == column for other, want in enumerate(needs))


class _Orders:
    """Breadth-first search over (how far each task got, who ran last)."""

    def __init__(self, events: Sequence[Event], tasks: list[int]) -> None:
        self.tasks = tasks
        column = {task: index for index, task in enumerate(tasks)}
        self.needs: list[list[tuple[int, ...]]] = [[] for _ in tasks]
        nothing = (0,) * len(tasks)
        wrote: dict[int, tuple[int, ...]] = {}
        used: dict[int, tuple[int, ...]] = {}
        counts = [0] * len(tasks)
        for event in events:
            mine = column[event.task]
            clock = self.needs[mine][-1] if self.needs[mine] else nothing
            for touch in event.footprint:
                clock = _joined(clock, (used if touch & 1 else wrote).get(touch >> 1, nothing))
            own = [*clock]
            own[mine] = counts[mine]
            self.needs[mine].append(tuple(own))
            counts[mine] += 1
            own[mine] = counts[mine]
            for touch in event.footprint:
                before = used.get(touch >> 1, nothing)
                used[touch >> 1] = _joined(before, own)
                if touch & 1:
                    wrote[touch >> 1] = _joined(wrote.get(touch >> 1, nothing), own)
        self.goal = tuple(counts)

    def search(self, below: int | None, *, width: int | None = None) -> list[int] | None:
        """The sequence of tasks, one entry a step, of an order with the fewest switches.

        With a `width` only so many states go on after each switch, those that got furthest.
        """
        start = tuple(0 for _ in self.tasks)
        came_from: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = {}
        level = [start]
        switches = -1
        most = MAX_STATES // max(len(self.tasks) ** 2 // 16, 1)  # a state costs that much
        while level:
            switches += 1
            if below is not None and switches >= below:
                return None
            if width is not None and len(level) > width:
                level = sorted(level, key=lambda state: (-sum(state), state))[:width]
            following: list[tuple[int, ...]] = []
            for state in level:
                if width is None and len(came_from) > most:
                    return None
                for column in range(len(self.tasks)):
                    done = self._run(state, column)
                    if done == state[column]:
                        continue
                    reached = (*state[:column], done, *state[column + 1 :])
                    if reached not in came_from:
                        came_from[reached] = (state, column)
                        following.append(reached)
                        if reached == self.goal:
                            return self._trace(came_from, start)
            level = following
        return None

    def _run(self, state: tuple[int, ...], column: int) -> int:
        """How far one task gets as long as its steps' needs are met."""
        done = state[column]
        needs = self.needs[column]
        while done < len(needs) and _is_met(needs[done], state, column):
            done += 1
        return done

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
