"""Steps that go another way: a timeout, a signal, a CPU given up; and those of a design's body.

>>> from dmabuf.rt.strategy import FirstEnabled
>>> from dmabuf.rt.tasks import Tasks
>>> overtaken(Tasks(FirstEnabled()), 5)
()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.errors import DesignError
from dmabuf.rt.api import WRITE, Outcome
from dmabuf.rt.strategy import BLOCK, INTERRUPT, TIMEOUT, Footprint

if TYPE_CHECKING:
    from typing import Any

    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.op import Op
    from dmabuf.rt.tasks import Tasks

__all__ = ["go_another_way", "go_one_way", "overtaken", "step_in_body"]


def go_another_way(rt: Tasks, task: ExploredTask, variant: int) -> Footprint:
    """Make a task's step as TIMEOUT, INTERRUPT or BLOCK say; returns what that touches."""
    op, obj = task.op, task.obj
    assert op is not None
    cpus = rt.cpus
    if variant == BLOCK:
        footprint = cpus.widen(task, (rt.number_of(op.awaited(obj)) << 1,))
        cpus.give_up(task)
        return footprint
    cpus.ran(task)
    if variant == TIMEOUT:
        return _time_out(rt, task)
    assert variant == INTERRUPT
    read = [op.awaited(obj), task, *([] if task.deadline is None else [rt.clock])]
    task.outcome = Outcome.INTERRUPTED
    return cpus.widen(task, tuple(rt.number_of(one) << 1 for one in read))


def go_one_way(rt: Tasks, task: ExploredTask, way: int) -> Footprint:
    """Make a step that may go one of several ways; what it touches may depend on the way taken."""
    op, obj = task.op, task.obj
    assert op is not None
    task.value = task.arg = way
    footprint = rt._footprint(op, obj, task)
    op.action(obj, task)
    if task.interrupts is None:
        return footprint
    return (*footprint, rt.cpus.number(task.interrupts) << 1 | WRITE)


def _time_out(rt: Tasks, task: ExploredTask) -> Footprint:
    assert task.op is not None
    assert task.deadline is not None
    rt.clock.advance_to(task.deadline)
    task.outcome = Outcome.TIMED_OUT
    awaited = rt.number_of(task.op.awaited(task.obj)) << 1
    clock = (rt.number_of(rt.clock) << 1) | WRITE
    touched = (awaited, clock, *overtaken(rt, task.deadline))
    gate = getattr(task.op, "gate", None)
    if gate is not None:  # a reset of its engine would have stopped it
        touched += (rt.number_of(gate) << 1,)
    return rt.cpus.widen(task, touched)


def overtaken(rt: Tasks, deadline: int) -> Footprint:
    """What keeps earlier deadlines from their timeouts: an end of the wait, or no CPU."""
    touched: list[int] = []
    for other in rt.tasks:
        if other.op is None or other.deadline is None or other.deadline >= deadline:
            continue
        touched.append(rt.number_of(other.op.awaited(other.obj)) << 1)
        if rt.cpus.depends(other):
            touched.append(rt.cpus.number(rt.cpus.of(other)) << 1)
    return tuple(touched)


def step_in_body(rt: Tasks, op: Op, obj: Any, task: ExploredTask, *, only_reads: bool) -> Outcome:
    """Make a step where nobody else runs: it cannot wait, and in a condition changes nothing."""
    if not op.guard(obj, task):
        raise DesignError(f"the design's own body would wait for {rt.label(obj)}; only tasks may")
    if only_reads and any(mode for _obj, mode in op.footprint(obj, task)):
        raise DesignError("a condition that changes something cannot be evaluated")
    task.value = op.action(obj, task)
    return Outcome.DONE
