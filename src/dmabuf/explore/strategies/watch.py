"""What decides whether a step is possible: the watch of a step that a task stands at.

A step whose guard is false touches nothing, and yet it matters to the search whatever could open
or close one of its ways. docs/design/0007-source-dpor.md says how that is used.
"""

from __future__ import annotations

import dis
import functools
from typing import TYPE_CHECKING, Any

from dmabuf.rt.api import OPS, READ, WRITE
from dmabuf.rt.strategy import INTERRUPT, TIMEOUT, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmabuf.rt.api import Op
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Watches", "has_ways"]

Footprint = tuple[int, ...]


class Watches:
    """The watches of a search's steps.

    Attributes:
        timed: what steps with a deadline wait for, as read, in any execution so far.
    """

    __slots__ = ("timed",)

    def __init__(self) -> None:
        self.timed: set[int] = set()

    def of(self, task: ExploredTask, runtime: Tasks) -> Footprint:
        """Whatever the ways of the step that a task stands at depend on; conflicts open or close.

        That is its object, what it waits on, the task itself if a signal may end the wait, its
        CPU where CPUs are shared. With a deadline also the clock, as changed (only the earliest
        deadline can be taken, so that arming one counts), and what other timed steps wait for.
        """
        op = task.op
        assert op is not None
        plain = task.cpu is None and not runtime.cpus.taken_away
        if not op.is_guarded:
            return () if plain else self._of_cpu(task, runtime)
        number_of = runtime.number_of
        watched = [number_of(task.obj) << 1 | READ]
        if plain and op.waits_on is None and task.deadline is None and not task.interruptible:
            return tuple(watched)
        if op.waits_on is not None:
            watched.append(number_of(op.awaited(task.obj)) << 1 | READ)
        if task.interruptible:
            watched.append(number_of(task) << 1 | READ)
        if task.deadline is not None:
            watched.append(number_of(runtime.clock) << 1 | WRITE)
            self.timed.add(number_of(op.awaited(task.obj)) << 1 | READ)
            watched += self.timed
        if not plain:
            watched += self._of_cpu(task, runtime)
        return tuple(dict.fromkeys(watched))

    @staticmethod
    def _of_cpu(task: ExploredTask, runtime: Tasks) -> Footprint:
        cpus = runtime.cpus
        cpu = cpus.number(cpus.of(task)) << 1 | READ
        return (cpu, cpus.doors_number << 1 | READ) if callable(task.options) else (cpu,)

    def other_ways(self, task: ExploredTask, runtime: Tasks, variant: int) -> Footprint:
        """What could open another way of a step that is now made in one, and commutes with it.

        What a wait is for is touched by whichever way it ends; so is the clock by a timeout.
        """
        if callable(task.options):
            return (runtime.cpus.doors_number << 1 | READ,)
        if variant == TIMEOUT and task.interruptible:
            return (runtime.number_of(task) << 1 | READ,)
        if variant == INTERRUPT and task.deadline is not None:
            return (runtime.number_of(runtime.clock) << 1 | WRITE, *self.timed)
        return ()

    def near(
        self, runtime: Tasks, enabled: list[int], mover: ExploredTask
    ) -> dict[int, Footprint] | None:
        """What the guarded steps that are possible would touch, by task; not the mover's.

        Those that touch but their object are left out: `touches` need not be asked.
        """
        found: dict[int, Footprint] | None = None
        by_number = runtime.by_number
        for transition in enabled:
            task = by_number[transition // VARIANTS]
            op = task.op
            if op is None or op.touches is None or not op.is_guarded or task is mover:
                continue
            if transition % VARIANTS < INTERRUPT:
                touched = op.touches(task.obj, task)
                found = found or {}
                found[task.number] = tuple(runtime.number_of(o) << 1 | mode for o, mode in touched)
        return found

    @staticmethod
    def guard(task: ExploredTask) -> Op | None:
        """The operation it stands at, if its object's state alone says whether it can go on."""
        op = task.op
        if op is None or not op.is_guarded or has_ways(task) or not _asks_object_only(op):
            return None
        return op

    @staticmethod
    def closed(task: ExploredTask) -> Sequence[Op]:
        """Operations that are not possible on the object that a task is about to make a step on.

        Those whose guards ask that object only, whichever task makes them.
        """
        op, obj = task.op, task.obj
        assert op is not None
        guards = _guards_of(obj.__class__, op.name.partition(".")[0])
        return [one for one in guards if _is_closed(one, obj, task)] if guards else ()


def _is_closed(op: Op, obj: Any, task: ExploredTask) -> bool:
    try:
        return not op.guard(obj, task)
    except (AttributeError, TypeError):  # of another class with a like name: nobody stands there
        return False


@functools.cache
def _guards_of(kind: type, family: str) -> tuple[Op, ...]:
    """The guarded operations on objects of a class: named alike, in its module or one beside it."""
    return tuple(
        op
        for name, op in OPS.items()
        if name.partition(".")[0] == family
        and _asks_object_only(op)
        and op.guard.__module__.startswith(kind.__module__)
    )


def has_ways(task: ExploredTask) -> bool:
    """May the step it stands at be made in several ways, not all of which are always possible?"""
    return task.deadline is not None or task.interruptible or callable(task.options)


@functools.cache
def _asks_object_only(op: Op) -> bool:
    """Does its guard ignore which task asks?"""
    code = getattr(op.guard, "__code__", None)
    if code is None or not op.is_guarded or op.waits_on is not None or code.co_argcount < 2:
        return False
    return all(one.argval != code.co_varnames[1] for one in dis.get_instructions(code))
