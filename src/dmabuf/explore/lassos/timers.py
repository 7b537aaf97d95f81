"""Where only time goes on, and which timeouts stand by for a signal that was to come without them.

A timer may complete a fence only for a job that hung, or that runs for ever by its own program.
So a state is *suspect* in which a fence owes a signal, nothing is possible but timeouts of the
kernel, and no hardware stands at a step that it could make (then it hangs) or waits for its own
time (then it works). Userspace that has stopped is no excuse.

Not every timeout is a stand-in. Where a driver sleeps before it signals, the sleep is part of the
way. A timeout *stands by* for a fence if in some run it is awaited while the fence is pending, and
the fence is signalled without it, and without any other but those that are part of all its ways: or
that run would owe the signal to recovery again. A suspect state breaks the sentence if all its
timeouts stand by for one of its fences.

>>> is_left_to({(1, 7)}, 4, standing={((1, 7), 4)})
True
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dmabuf.explore.snapshot import Past, Snapshot, take_snapshot
from dmabuf.rt.api import Kind
from dmabuf.rt.strategy import TIMEOUT, task_of, variant_of

if TYPE_CHECKING:
    from dmabuf.explore.strategies.graph import Graph
    from dmabuf.rt.tasks import Tasks

__all__ = ["Armed", "Standing", "armed_in", "confirmed", "is_left_to", "standing_by", "suspect"]

Armed = tuple[int, int]
"""A wait that its time may end: the task's number, and the number of what it waits for."""

Standing = Collection[tuple[Armed, int]]
"""Timed waits and the fences that they stand by for."""


def armed_in(rt: Tasks) -> tuple[Armed, ...]:
    """The waits of kernel tasks that time may end, now."""
    return tuple(
        (task.number, rt.number_of(task.op.awaited(task.obj)))
        for task in rt.tasks
        if task.deadline is not None
        and task.op is not None
        and task.kind is not Kind.HARDWARE
        and not task.may_stop
        and not task.op.guard(task.obj, task)
    )


def suspect(
    rt: Tasks,
    enabled: list[int],
    past: Callable[[], Past],
) -> Snapshot | None:
    """The state if a fence is pending in it and only time goes on; None if it is another.

    Args:
        rt: the runtime.
        enabled: the transitions that are possible.
        past: by object number, the tasks that made steps on it; and (task, object) of each step
            made that ends waits.
    """
    if not _only_time_goes_on(rt, enabled):
        return None
    others = [one for one in enabled if variant_of(one) != TIMEOUT]
    found = take_snapshot(rt, others, *past())
    if not found.pending:
        return None
    return replace(found, owed=(), left=(), unmet=(), timers=armed_in(rt))


def _only_time_goes_on(rt: Tasks, enabled: list[int]) -> bool:
    timed = False
    for transition in enabled:
        task = rt.by_number[task_of(transition)]
        if task.kind is Kind.HARDWARE:
            return False
        if not task.may_stop:
            if variant_of(transition) != TIMEOUT:
                return False
            timed = True
    return timed and not any(
        task.kind is Kind.HARDWARE and task.op is not None and task.deadline is not None
        for task in rt.tasks
    )


def is_left_to(timers: Collection[Armed], fence: int, standing: Standing) -> bool:
    """Do all these timeouts stand by for that fence?"""
    return all((timer, fence) in standing for timer in timers)


def confirmed(snapshot: Snapshot, standing: Standing) -> Snapshot | None:
    """A suspect state with those fences only that are left to a timeout; None without any."""
    left = tuple(f for f in snapshot.pending if is_left_to(snapshot.timers, f, standing))
    return replace(snapshot, pending=left) if left else None


def standing_by(graph: Graph, asked: Collection[tuple[Armed, int]]) -> set[tuple[Armed, int]]:
    """Which of these timeouts stand by for which fence, on the states that are known.

    Args:
        graph: the states.
        asked: (timed wait, fence).
    """
    found: set[tuple[Armed, int]] = set()
    if not graph.states:
        return found
    ways = _TimedWays(graph)
    for fence in sorted({fence for _timer, fence in asked}):
        passes = ways.on_every_way(fence)
        found |= {
            (timer, fence)
            for timer, of in asked
            if of == fence and ways.stands_by(timer, fence, passes)
        }
    return found


class _TimedWays:
    """Ways to a signal that leave some timeouts out."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.timers = {timer for state in graph.states for timer in state.facts.armed}

    def on_every_way(self, fence: int) -> set[Armed]:
        """The timeouts without which that fence is never signalled: they are part of its way."""
        return {
            timer
            for timer in self.timers
            if not self._leads_to_signal({0}, fence, self.timers - {timer})
        }

    def stands_by(self, timer: Armed, fence: int, passes: set[Armed]) -> bool:
        """Is the timeout awaited in some run that signals the fence without it?

        Args:
            timer: the timed wait.
            fence: its number.
            passes: the timeouts that may come in that run. Others would be recovery themselves.
        """
        states = self.graph.states
        awaiting = {
            number
            for number in self._reach({0}, passes)
            if timer in states[number].facts.armed and fence in states[number].facts.pending
        }
        return self._leads_to_signal(awaiting, fence, passes - {timer})

    def _leads_to_signal(self, starts: set[int], fence: int, passes: set[Armed]) -> bool:
        states = self.graph.states
        return any(
            fence in states[number].facts.pending and fence not in states[to].facts.pending
            for number in self._reach(starts, passes)
            for to in self._following(number, passes)
        )

    def _reach(self, starts: set[int], passes: set[Armed]) -> set[int]:
        """The states that are come by when only these timeouts come."""
        reached, waiting = set(starts), sorted(starts)
        while waiting:
            new = [to for to in self._following(waiting.pop(), passes) if to not in reached]
            reached.update(new)
            waiting += new
        return reached

    def _following(self, number: int, passes: set[Armed]) -> Iterator[int]:
        state = self.graph.states[number]
        for step in state.enabled:
            if variant_of(step) == TIMEOUT:
                task = task_of(step)
                if any(timer[0] == task and timer not in passes for timer in state.facts.armed):
                    continue
            to = self.graph.edge(number, step)
            if to >= 0:
                yield to
