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

__all__ = ["INTERRUPTS", "SOFTIRQS", "Cpus"]

INTERRUPTS, SOFTIRQS = "interrupts", "softirqs"
_NOTHING: frozenset[str] = frozenset()

Footprint = tuple[int, ...]


class Cpus:
    """Who owns which CPU.

    An unpinned task has a CPU of its own. A handler or softirq owns the CPU that it interrupted
    until it ends; the last that came is the one that runs. Tasks pinned to one CPU take turns
    there wherever none of them is atomic.

    What steps touch, and which steps there are, depends on whether anything takes CPUs away at all.
    So that has to be the same in all executions of a search, from their first step on: what comes
    up later than that is `learnt`, and the search begins again, knowing it.

    Attributes:
        interrupts: handlers may start between any two steps.
        preemption: a task may be kept waiting at any step; else it goes on until it blocks.
        has_softirqs: timers or other callbacks run as softirqs.
        has_spinlocks: there are locks that are held with softirqs on.
        are_shared: a task could be kept from running by its CPU.
        taken_away: a task may lose its CPU to a handler or softirq in the middle of a section.
    """

    __slots__ = (
        "_has_softirqs",
        "_has_spinlocks",
        "_interrupts",
        "_knew_interrupts",
        "_knew_softirqs",
        "_names",
        "_owners",
        "_pinned",
        "_running",
        "are_shared",
        "preemption",
        "taken_away",
    )

    def __init__(self, names: Names) -> None:
        self._interrupts = INTERRUPTS in names.early
        self._has_softirqs = self._has_spinlocks = SOFTIRQS in names.early
        self.preemption = True
        self.are_shared = False
        self.taken_away = bool(names.early)
        self._knew_interrupts = self._interrupts
        self._knew_softirqs = self._has_softirqs
        self._names = names
        self._owners: dict[int, list[ExploredTask]] = {}
        self._pinned: dict[int, list[ExploredTask]] = {}
        self._running: dict[int, ExploredTask] = {}

    def _look(self) -> None:
        """Work out what is asked at every step; it changes some few times in a run."""
        self.are_shared = bool(self._owners or self._pinned)
        self.taken_away = self._interrupts or self.softirqs

    def settle(self) -> None:
        """The first step is to be made: what takes CPUs away is known from now on."""
        self._knew_interrupts, self._knew_softirqs = self._interrupts, self.softirqs

    def learnt(self) -> frozenset[str]:
        """What has come up since, and has to be known from the start."""
        found: frozenset[str] = _NOTHING
        if self._interrupts and not self._knew_interrupts:
            found |= {INTERRUPTS}
        if self.softirqs and not self._knew_softirqs:
            found |= {SOFTIRQS}
        return found

    @property
    def interrupts(self) -> bool:
        """May handlers start between any two steps?"""
        return self._interrupts

    @interrupts.setter
    def interrupts(self, on: bool) -> None:
        self._interrupts = on
        self._look()

    @property
    def has_softirqs(self) -> bool:
        """Do timers or other callbacks run as softirqs?"""
        return self._has_softirqs

    @has_softirqs.setter
    def has_softirqs(self, on: bool) -> None:
        self._has_softirqs = on
        self._look()

    @property
    def has_spinlocks(self) -> bool:
        """Are there locks that are held with softirqs on?"""
        return self._has_spinlocks

    @has_spinlocks.setter
    def has_spinlocks(self, on: bool) -> None:
        self._has_spinlocks = on
        self._look()

    @property
    def softirqs(self) -> bool:
        """May a softirq start where a task holds a spinlock?"""
        return self._has_softirqs and self._has_spinlocks

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
            self._look()

    def take(self, cpu: int, task: ExploredTask) -> None:
        """From now on only `task` runs on that CPU (a handler; for actions only)."""
        self._owners.setdefault(cpu, []).append(task)
        self._look()

    def give(self, cpu: int) -> None:
        """What ran on the CPU before runs again (for actions only)."""
        self._owners[cpu].pop()
        if not self._owners[cpu]:
            del self._owners[cpu]
            self._look()

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
        if not self.preemption:
            running = self._running.get(task.cpu)
            return running is None or running is task or running.finished
        return not any(other.atomic for other in self._pinned[task.cpu] if other is not task)

    def ran(self, task: ExploredTask) -> None:
        """It makes a step: without preemption its CPU is its own now."""
        if not self.preemption and task.cpu is not None and task.kind is not Kind.IRQ:
            self._running[task.cpu] = task

    def has_its_cpu(self, task: ExploredTask) -> bool:
        """Without preemption: does it go on until it has to wait?"""
        return task.cpu is not None and self._running.get(task.cpu) is task

    def give_up(self, task: ExploredTask) -> None:
        """Let the others of its CPU run (for actions only)."""
        if task.cpu is not None:
            self._running.pop(task.cpu, None)

    def must_give_up(self, task: ExploredTask) -> bool:
        """Has a task that has to wait its CPU, and does not spin?"""
        if not self.has_its_cpu(task):
            return False
        assert task.op is not None
        return not getattr(task.op.awaited(task.obj), "is_spinning", False)

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
