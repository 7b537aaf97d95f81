"""The machine that a driver design receives: tasks of every trust class, irq lines, choices.

    from dmabuf.core.fence import Timeline
    from dmabuf.machine import Machine, design
    from dmabuf.sync.mutex import Mutex

    @design
    def my_driver(machine: Machine) -> None:
        lock, fence = Mutex("A"), Timeline("gpu").fence()

        def submit():
            with lock:
                fence.wait()

        machine.kthread(submit)
        machine.hardware(fence.signal, name="gpu")

The body constructs objects and starts tasks; nothing runs before it has returned. `dmabuf check`
explores what can happen then.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Kind, Op, Runtime, Task
from dmabuf.rt.tasks import ExploredTask, Tasks

__all__ = ["Design", "IrqLine", "Machine", "design", "is_design"]

CHOOSE = Op("machine.choose", says="takes a chance")
ANY_CPU = -1


class Design(Protocol):
    """A function of a machine, marked with `@design`."""

    __name__: str

    def __call__(self, machine: Machine, /) -> object:
        """Construct objects and start tasks."""
        ...


D = TypeVar("D", bound=Callable[["Machine"], object])


def design(fn: D) -> D:
    """Mark a function as a design that `dmabuf check` explores."""
    fn.__dmabuf_design__ = True  # type: ignore[attr-defined]
    return fn


def is_design(candidate: object) -> bool:
    """Is it a function marked with `@design`?"""
    return callable(candidate) and getattr(candidate, "__dmabuf_design__", False) is True


def _is_raised(line: IrqLine, _task: Task) -> bool:
    return line.raised > 0


def _enter(line: IrqLine, task: Task) -> None:
    """Begin the handler; `task.value` is the way taken: 0 an idle CPU, n the n-th candidate."""
    assert isinstance(task, ExploredTask)
    line.raised -= 1
    task.in_irq = True
    task.idle = False
    task.interrupts = None
    way = line.ways(task)[task.value]
    if way is not None:
        cast("Tasks", task.runtime).take_cpu(way, task)
        task.interrupts = way


def _enter_live(line: IrqLine, task: Task) -> None:
    line.raised -= 1
    task.in_irq = True
    task.idle = False


def _leave(line: IrqLine, task: Task) -> None:
    task.in_irq = False
    task.idle = True
    if isinstance(task, ExploredTask) and task.interrupts is not None:
        cast("Tasks", task.runtime).give_cpu(task.interrupts)
        task.interrupts = None


def _leave_touches(line: IrqLine, task: Task) -> tuple[tuple[Any, int], ...]:
    if isinstance(task, ExploredTask) and task.interrupts is not None:
        return ((line, 1), (line.machine.cpu(task.interrupts), 1))
    return ((line, 1),)


def _raise(line: IrqLine, _task: Task) -> None:
    line.raised += 1


IRQ_ENTER = Op("irq.enter", guard=_is_raised, action=_enter, says="irq handler of {} starts")
IRQ_ENTER_LIVE = Op("irq.enter_live", guard=_is_raised, action=_enter_live, says="waits for {}")
IRQ_LEAVE = Op("irq.leave", action=_leave, touches=_leave_touches, says="irq handler of {} ends")
IRQ_RAISE = Op("irq.raise", action=_raise, says="raises {}")
