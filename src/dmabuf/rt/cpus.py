"""CPUs of an explored run: which tasks a handler or a CPU's other tasks keep from running.

>>> from dmabuf.rt.explored_task import Names
>>> Cpus(Names()).number(0) == Cpus(Names()).number(0)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.rt.api import READ, WRITE, Kind

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask, Names

__all__ = ["Cpus"]

Footprint = tuple[int, ...]


class Cpus:
    """Who owns which CPU.

    An unpinned task has a CPU of its own. A handler or softirq owns the CPU that it interrupted
    until it ends; the last that came is the one that runs. Tasks pinned to one CPU take turns
    there wherever none of them is atomic.

    Attributes:
        interrupts: handlers may start between any two steps.
        has_softirqs: timers or other callbacks run as softirqs.
        has_spinlocks: there are locks that are held with softirqs on.
    """

    __slots__ = (
        "_names",
        "_owners",
        "_pinned",
        "has_softirqs",
        "has_spinlocks",
        "interrupts",
    )

    def __init__(self, names: Names) -> None:
        self.interrupts = False
        self.has_softirqs = self.has_spinlocks = False
        self._names = names
        self._owners: dict[int, list[ExploredTask]] = {}
        self._pinned: dict[int, list[ExploredTask]] = {}

    @property
    def are_shared(self) -> bool:
        """Could any task be kept from running by its CPU?"""
        return bool(self._owners or self._pinned)

    @property
    def taken_away(self) -> bool:
        """May a task lose its CPU to a handler or softirq in the middle of a section?"""
        return self.interrupts or self.softirqs

    @property
    def softirqs(self) -> bool:
        """May a softirq start where a task holds a spinlock?"""
        return self.has_softirqs and self.has_spinlocks

    @staticmethod
    def of(task: ExploredTask) -> int:
        """The CPU a task runs on: that which it interrupts; unpinned, one of its own."""
        if task.interrupts is not None:
            return task.interrupts
        return task.cpu if task.cpu is not None else -1 - task.number

    def number(self, cpu: int) -> int:
        """The schedule-stable number of a CPU, for footprints."""
        return self._names.number(("cpu", cpu))

    @property
    def doors_number(self) -> int:
        """The schedule-stable number of what `doors` says, for whatever depends on it."""
        return self._names.number(("doors",))

    def doors(self, tasks: list[ExploredTask]) -> frozenset[int]:
        """Which tasks a handler may interrupt, and which of them a softirq, too."""
        return frozenset(
            2 * task.ordinal + self.is_open_to_softirqs(task)
            for task in tasks
            if self.is_open(task)
        )

    def is_open(self, task: ExploredTask) -> bool:
        """May a handler interrupt it: atomic, with interrupts on, and its CPU is its own?"""
        if not task.atomic or task.irqs_off or task.in_irq:
            return False
        return self.owner(self.of(task)) in (None, task)

    def is_open_to_softirqs(self, task: ExploredTask) -> bool:
        """May a softirq interrupt it, too: is it a holder of a spinlock with softirqs on?"""
        if task.bh_off or task.in_softirq or not self.is_open(task):
            return False
        return any(getattr(lock, "is_spinning", False) for lock in task.held)

    def pin(self, task: ExploredTask) -> None:
        """A task starts that is bound to its CPU."""
        if task.cpu is not None and task.kind is not Kind.IRQ:
            self._pinned.setdefault(task.cpu, []).append(task)

    def take(self, cpu: int, task: ExploredTask) -> None:
        """From now on only `task` runs on that CPU (a handler; for actions only)."""
        self._owners.setdefault(cpu, []).append(task)

    def give(self, cpu: int) -> None:
        """What ran on the CPU before runs again (for actions only)."""
        self._owners[cpu].pop()
        if not self._owners[cpu]:
            del self._owners[cpu]

    def owner(self, cpu: int) -> ExploredTask | None:
        """The handler that keeps a CPU's tasks from running."""
        owners = self._owners.get(cpu)
        return owners[-1] if owners else None

    def may_run(self, task: ExploredTask) -> bool:
        """May it, as far as handlers and its CPU's other tasks are concerned?"""
        owner = self.owner(self.of(task))
        if owner is not None:
            return owner is task
        if task.cpu is None or task.kind is Kind.IRQ:
            return True
        return not any(other.atomic for other in self._pinned[task.cpu] if other is not task)

    def depends(self, task: ExploredTask) -> bool:
        """Do this task's steps depend on its CPU at all?"""
        return self.taken_away or task.cpu is not None

    def widen(self, task: ExploredTask, touched: Footprint) -> Footprint:
        """Steps of a CPU that handlers may take, or that tasks share, depend on that CPU."""
        if task.interrupts is not None:
            return (*touched, (self.number(task.interrupts) << 1) | WRITE)
        if task.kind is Kind.IRQ:
            return touched
        if not self.depends(task):
            return touched
        shared = WRITE if task.cpu is not None else READ
        return (*touched, (self.number(self.of(task)) << 1) | shared)
