"""Interrupt lines: a handler in irq context, and a thread of its own where it wants one.

Mirrors: include/linux/interrupt.h, kernel/irq/manage.c

Made by `Machine.irq`. A line is raised by whatever stands for the device; its handler starts at
any later step, while the line is neither disabled nor masked.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import cast

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.api import Op, Runtime, Task
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.context import might_sleep, warn_on

__all__ = ["IrqLine", "IrqReturn"]


class IrqReturn(enum.Enum):
    """What a handler answers (irqreturn_t); None counts as HANDLED.

    WAKE_THREAD from a line without a thread wakes nothing; the kernel says so once in its log.
    """

    NONE = 0
    HANDLED = 1
    WAKE_THREAD = 2


def _may_start(line: IrqLine, _task: Task) -> bool:
    return line.raised > 0 and not line.depth and not line.is_masked and not line.is_freed


def _enter(line: IrqLine, task: Task) -> None:
    """Begin the handler; explored, `task.value` says which CPU it interrupts."""
    line.raised -= 1
    line.runner = task
    task.in_irq = True
    task.idle = False
    if isinstance(task, ExploredTask):
        runtime = cast("Tasks", task.runtime)
        task.interrupts = line.interrupted_by(task.value, runtime)
        if task.interrupts is not None:
            runtime.cpus.take(task.interrupts, task)


def _leave(line: IrqLine, task: Task) -> None:
    """End the handler; `arg`: it wants the thread."""
    line.runner = None
    if task.arg and line.thread_fn is not None:
        line.is_wanted = True
        line.is_masked = line.oneshot
    task.in_irq = False
    task.idle = True
    if isinstance(task, ExploredTask) and task.interrupts is not None:
        cast("Tasks", task.runtime).cpus.give(task.interrupts)
        task.interrupts = None


def _raise(line: IrqLine, _task: Task) -> None:
    line.raised += 1


def _is_wanted(line: IrqLine, _task: Task) -> bool:
    return line.is_wanted


def _begin_thread(line: IrqLine, task: Task) -> None:
    line.is_wanted = False
    line.is_threading = True
    task.idle = False


def _end_thread(line: IrqLine, task: Task) -> None:
    line.is_threading = False
    if not line.is_wanted:
        line.is_masked = False
    task.idle = True


def _disable(line: IrqLine, _task: Task) -> None:
    line.depth += 1


def _enable(line: IrqLine, _task: Task) -> bool:
    """False if it was not disabled."""
    if not line.depth:
        return False
    line.depth -= 1
    return True


def _free(line: IrqLine, _task: Task) -> bool:
    """Was it freed before?"""
    before, line.is_freed = line.is_freed, True
    return before


def _is_quiet(line: IrqLine, _task: Task) -> bool:
    return line.runner is None and not line.is_wanted and not line.is_threading


IRQ_ENTER = Op("irq.enter", guard=_may_start, action=_enter, starts=True, says="starts handling {}")
IRQ_LEAVE = Op("irq.leave", action=_leave, wakes=True, says="ends handling {}")
IRQ_RAISE = Op("irq.raise", action=_raise, wakes=True, says="raises {}")
THREAD_BEGIN = Op("irq.thread", guard=_is_wanted, action=_begin_thread, says="waits for {}")
THREAD_END = Op("irq.thread_end", action=_end_thread, wakes=True, says="is done with {}")
DISABLE = Op("irq.disable", action=_disable, says="disables {}")
ENABLE = Op("irq.enable", action=_enable, wakes=True, says="enables {}")
FREE = Op("irq.free", action=_free, says="frees {}")
SYNCHRONIZE = Op("irq.synchronize", guard=_is_quiet, says="waits for the handler of {}")


class IrqLine:
    """An interrupt line with its handler; `Machine.irq` makes one.

    Each `raise_irq` owes one run of the handler. It starts at any later step: on an idle CPU, or
    on the CPU of a task that has interrupts on and holds a spinlock (interrupting any other task
    is the same as having that task wait, which is explored anyway), or on the CPU that the line
    is pinned to. It runs to its end before that CPU's tasks go on, and it may not sleep.

    Attributes:
        raised: how many runs of the handler are owed.
        depth: how often it was disabled.
        is_masked: until its thread is done.
        runner: the task that runs the handler now.
        thread: the task that runs `thread_fn`.
        is_wanted: the thread is to run; several wishes before it does are one.
        is_threading: it runs.
    """

    __slots__ = (
        "__weakref__",
        "cpu",
        "depth",
        "handler",
        "is_freed",
        "is_masked",
        "is_threading",
        "is_wanted",
        "name",
        "oneshot",
        "raised",
        "rt",
        "runner",
        "thread",
        "thread_fn",
    )

    is_lock = True  # in the wait graph: who waits for its end waits for one task

    def __init__(
        self,
        handler: Callable[[], object],
        name: str,
        cpu: int | None,
        rt: Runtime,
        *,
        thread_fn: Callable[[], object] | None = None,
        oneshot: bool = False,
    ) -> None:
        self.handler = handler
        self.name = name
        self.cpu = cpu
        self.thread_fn = thread_fn
        self.oneshot = oneshot
        self.raised = 0
        self.depth = 0
        self.is_masked = self.is_wanted = self.is_threading = self.is_freed = False
        self.runner: Task | None = None
        self.thread: Task | None = None
        self.rt = rt
        rt.adopt(self, f"irq {name}")

    @property
    @no_kernel("for reports")
    def owner(self) -> Task | None:
        """Whose end `synchronize_irq` waits for."""
        return self.runner or (self.thread if self.is_wanted or self.is_threading else None)

    @no_kernel("what hardware does")
    def raise_irq(self) -> None:
        """Owe one run of the handler. Context: any."""
        self.rt.step(IRQ_RAISE, self)

    @kernel("disable_irq_nosync")
    def disable_nosync(self) -> None:
        """No handler starts until `enable`; one that runs goes on. Nests. Context: any."""
        self.rt.step(DISABLE, self)

    @kernel("disable_irq", context="process")
    def disable(self) -> None:
        """As `disable_nosync`, then wait for handler and thread. Context: process, may sleep.

        From the line's own handler or thread, or with a lock that they take: a deadlock.
        """
        might_sleep(f"disable_irq of {self.name}", runtime=self.rt)
        self.disable_nosync()
        self.synchronize()

    @kernel("enable_irq")
    def enable(self) -> None:
        """Undo one `disable`; what was raised meanwhile is handled now. Context: any.

        One too many warns (DF004).
        """
        self.rt.step(ENABLE, self)
        if not self.rt.current().value:
            warn_on(self.rt, f"{self.rt.current().name} enables irq {self.name}, which is enabled")

    @kernel("synchronize_irq", context="process")
    def synchronize(self) -> None:
        """Wait for a handler or thread that runs. Context: process, may sleep."""
        might_sleep(f"synchronize_irq of {self.name}", runtime=self.rt)
        self.rt.step(SYNCHRONIZE, self)

    @kernel("free_irq", context="process")
    def free(self) -> None:
        """No handler starts any more; wait for what runs. Context: process, may sleep.

        A second time warns (DF004).
        """
        might_sleep(f"free_irq of {self.name}", runtime=self.rt)
        self.rt.step(FREE, self)
        if self.rt.current().value:
            warn_on(self.rt, f"{self.rt.current().name} frees irq {self.name}, which is free")
        self.synchronize()

    # -- the line's own tasks --------------------------------------------------------------------

    @no_kernel("the CPU's entry")
    def serve(self) -> None:
        """Wait for an interrupt, handle it, for ever."""
        rt = self.rt
        while True:
            if isinstance(rt, Tasks):
                rt.decide(IRQ_ENTER, self, self.ways)
            else:
                rt.step(IRQ_ENTER, self)
            answer = self.handler()
            task = rt.current()
            if task.held:
                label = rt.label(next(reversed(task.held)))
                rt.report("DF004", f"the handler of {self.name} returns with {label} held")
            rt.step(IRQ_LEAVE, self, answer is IrqReturn.WAKE_THREAD)

    @no_kernel("irq_thread, a static function there")
    def serve_thread(self) -> None:
        """Wait until the handler wants the thread, run its function, for ever."""
        rt = self.rt
        assert self.thread_fn is not None
        while True:
            rt.step(THREAD_BEGIN, self)
            self.thread_fn()
            rt.step(THREAD_END, self)

    @no_kernel("for the explorer")
    def ways(self, task: ExploredTask) -> list[int]:
        """On which CPUs the handler may start: 0 an idle or the pinned one, n+1 task n's."""
        runtime = cast("Tasks", task.runtime)
        if self.cpu is not None:
            masked = any(other.irqs_off for other in runtime.tasks if other.cpu == self.cpu)
            return [] if masked or runtime.cpus.owner(self.cpu) is not None else [0]
        cpus = runtime.cpus
        return [0, *(other.ordinal + 1 for other in runtime.tasks if cpus.is_open(other))]

    @no_kernel("for the explorer")
    def interrupted_by(self, way: int, runtime: Tasks) -> int | None:
        """The CPU that a way of starting takes, None for an idle one."""
        if self.cpu is not None:
            return self.cpu
        return None if way == 0 else runtime.cpus.of(runtime.tasks[way - 1])
