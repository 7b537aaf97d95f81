"""The machine that a driver design receives: tasks of every trust class, irq lines, choices.

    from dmabuf.core.timeline import Timeline
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

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import DesignError
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Kind, Op, Runtime, Task
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.rt.tasks import Tasks

__all__ = ["Design", "IrqLine", "Machine", "design", "is_design"]

CHOOSE = Op("machine.choose", says="takes a chance")


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
    """Begin the handler; explored, `task.value` says which CPU it interrupts."""
    line.raised -= 1
    task.in_irq = True
    task.idle = False
    if isinstance(task, ExploredTask):
        runtime = cast("Tasks", task.runtime)
        task.interrupts = line.interrupted_by(task.value, runtime)
        if task.interrupts is not None:
            runtime.cpus.take(task.interrupts, task)


def _leave(_line: IrqLine, task: Task) -> None:
    task.in_irq = False
    task.idle = True
    if isinstance(task, ExploredTask) and task.interrupts is not None:
        cast("Tasks", task.runtime).cpus.give(task.interrupts)
        task.interrupts = None


def _raise(line: IrqLine, _task: Task) -> None:
    line.raised += 1


IRQ_ENTER = Op("irq.enter", guard=_is_raised, action=_enter, says="starts handling {}")
IRQ_LEAVE = Op("irq.leave", action=_leave, says="ends handling {}")
IRQ_RAISE = Op("irq.raise", action=_raise, wakes=True, says="raises {}")


class IrqLine:
    """An interrupt line with its handler; `Machine.irq` makes one.

    Each `raise_irq` owes one run of the handler. It starts at any later step: on an idle CPU, or
    on the CPU of a task that has interrupts on and holds a spinlock (interrupting any other task
    is the same as having that task wait, which is explored anyway), or on the CPU that the line
    is pinned to. It runs to its end before that CPU's tasks go on, and it may not sleep.
    """

    __slots__ = ("__weakref__", "cpu", "handler", "name", "raised", "rt")

    def __init__(
        self, handler: Callable[[], object], name: str, cpu: int | None, rt: Runtime
    ) -> None:
        self.handler = handler
        self.name = name
        self.cpu = cpu
        self.raised = 0
        self.rt = rt
        rt.adopt(self, f"irq {name}")

    @no_kernel("what hardware does")
    def raise_irq(self) -> None:
        """Owe one run of the handler. Context: any."""
        self.rt.step(IRQ_RAISE, self)

    def serve(self) -> None:
        """The line's own task: wait for an interrupt, handle it, for ever."""
        rt = self.rt
        while True:
            if isinstance(rt, Tasks):
                rt.decide(IRQ_ENTER, self, self.ways)
            else:
                rt.step(IRQ_ENTER, self)
            self.handler()
            task = rt.current()
            if task.held:
                label = rt.label(task.held[-1])
                rt.report("DF004", f"the handler of {self.name} returns with {label} held")
            rt.step(IRQ_LEAVE, self)

    def ways(self, task: ExploredTask) -> list[int]:
        """On which CPUs the handler may start: 0 an idle or the pinned one, n+1 task n's."""
        runtime = cast("Tasks", task.runtime)
        if self.cpu is not None:
            masked = any(other.irqs_off for other in runtime.tasks if other.cpu == self.cpu)
            return [] if masked or runtime.cpus.owner(self.cpu) is not None else [0]
        return [0] + [
            other.ordinal + 1
            for other in runtime.tasks
            if other.atomic
            and not other.irqs_off
            and not other.in_irq
            and runtime.cpus.owner(runtime.cpus.of(other)) is None
        ]

    def interrupted_by(self, way: int, runtime: Tasks) -> int | None:
        """The CPU that a way of starting takes, None for an idle one."""
        if self.cpu is not None:
            return self.cpu
        return None if way == 0 else runtime.cpus.of(runtime.tasks[way - 1])


class Machine:
    """What a design may start and ask for. One machine belongs to one runtime.

    Args:
        rt: the runtime its tasks run on; the ambient one if not given.
    """

    def __init__(self, rt: Runtime | None = None) -> None:
        self.rt = rt or ambient()
        self._unnamed = 0

    @no_kernel("kthread_run without a handle; sync.kthread.Kthread can be stopped and parked")
    def kthread(
        self,
        fn: Callable[[], object],
        name: str = "",
        *,
        cpu: int | None = None,
        idle: bool = False,
    ) -> Task:
        """Start a kernel thread: it goes on as long as it can.

        Args:
            fn: what it does.
            name: for reports; the function's name if not given.
            cpu: the CPU it is bound to; one of its own if not given.
            idle: it waits for work that nobody owes, so it may stay blocked.
        """
        return self._spawn(fn, name, Kind.KTHREAD, cpu, idle=idle)

    @no_kernel("a process")
    def userspace(
        self, fn: Callable[[], object], name: str = "", *, cpu: int | None = None
    ) -> Task:
        """Start a userspace task: it may stop for ever at any step outside `syscall`."""
        return self._spawn(fn, name, Kind.USER, cpu)

    @no_kernel("a device")
    def hardware(self, fn: Callable[[], object], name: str = "", *, hangs: bool = True) -> Task:
        """Start a job of the hardware: with `hangs` it may stop for ever at any step."""
        task = self._spawn(fn, name, Kind.HARDWARE, None)
        task.reliable = not hangs
        return task

    @kernel("request_irq")
    def irq(
        self, handler: Callable[[], object], name: str = "", *, cpu: int | None = None
    ) -> IrqLine:
        """Add an interrupt line whose `handler` runs once for each `raise_irq`."""
        line = IrqLine(handler, name or self._name_of(handler), cpu, self.rt)
        if isinstance(self.rt, Tasks):
            self.rt.cpus.interrupts = True
        self.rt.spawn(line.serve, name=f"irq {line.name}", kind=Kind.IRQ, cpu=cpu, idle=True)
        return line

    @no_kernel("chance")
    def choose(self, options: int, what: str = "") -> int:
        """One of the numbers below `options`; every one is explored. `what` is for reports."""
        del what
        return self.rt.choose(CHOOSE, options)

    @no_kernel("chance")
    def may_fail(self, what: str = "") -> bool:
        """Does something that can fail (an allocation, a transfer) fail this time?"""
        return self.choose(2, what) == 1

    @contextmanager
    @no_kernel("the kernel's entry code")
    def syscall(self) -> Generator[None]:
        """Inside, a userspace task runs kernel code, which does not stop of itself."""
        task = self.rt.current()
        task.in_kernel = True
        try:
            yield
        finally:
            task.in_kernel = False

    def _spawn(
        self,
        fn: Callable[[], object],
        name: str,
        kind: Kind,
        cpu: int | None,
        *,
        idle: bool = False,
    ) -> Task:
        name = name or self._name_of(fn)
        if inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn):
            raise DesignError(f"{name} is an async or generator function; tasks simply block")
        return self.rt.spawn(fn, name=name, kind=kind, cpu=cpu, idle=idle)

    def _name_of(self, fn: Any) -> str:
        """The function's name, or the next free letter for a lambda."""
        name = str(getattr(fn, "__name__", ""))
        if name.isidentifier():
            return name
        self._unnamed += 1
        return f"task{self._unnamed}"
