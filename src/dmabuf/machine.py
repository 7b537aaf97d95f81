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
import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import DesignError
from dmabuf.hardware import Engine
from dmabuf.irq import IrqLine, IrqReturn
from dmabuf.mm.page_alloc import Memory, memory_of
from dmabuf.mm.reclaim import is_reclaiming
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Kind, Op, Runtime, Task
from dmabuf.rt.notes import Note, tell
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.spurious import allow_spurious

__all__ = ["Design", "IrqLine", "IrqReturn", "Machine", "Property", "design", "is_design"]

PROPERTIES = "machine.properties"
"""Name in `Runtime.extras` of what a design states about itself."""


class Property(NamedTuple):
    """A statement of a design: `kind` is "always", "eventually" or "finite"."""

    kind: str
    name: str
    predicate: Callable[[], object]
    fence: Any = None


_MOST_CPUS = 64
_KTHREAD = Kind.KTHREAD  # at hand: on Python 3.11 the class takes as long as a call

PRESSURE_LIMIT = "machine.pressure_limit"
"""Name in `Runtime.extras` of how many shortages are tried at most, whatever the design says."""

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


def _only_wakes() -> IrqReturn:
    """The handler of a line that was given none."""
    return IrqReturn.WAKE_THREAD


class Machine:
    """What a design may start and ask for. One machine belongs to one runtime.

    Args:
        rt: the runtime its tasks run on; the ambient one if not given.
    """

    def __init__(self, rt: Runtime | None = None) -> None:
        self.rt = rt or ambient()
        self._unnamed = 0
        self._cpus: Iterator[int] | None = None

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
        return self._spawn(fn, name, _KTHREAD, cpu, idle=idle)

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

    @no_kernel("a device")
    def engine(self, name: str = "engine", *, reset_may_fail: bool = False) -> Engine:
        """Add a unit of hardware whose jobs may hang in the middle and are stopped by its reset.

        Args:
            name: for reports.
            reset_may_fail: a reset may fail; then the engine is wedged and starts no job.
        """
        return Engine(name, self.rt, reset_may_fail=reset_may_fail)

    @kernel("request_irq", "request_threaded_irq")
    def irq(
        self,
        handler: Callable[[], object] | None,
        name: str = "",
        *,
        cpu: int | None = None,
        thread_fn: Callable[[], object] | None = None,
        oneshot: bool = False,
    ) -> IrqLine:
        """Add an interrupt line whose `handler` runs once for each `raise_irq`.

        Args:
            handler: runs in irq context; `IrqReturn.WAKE_THREAD` as its answer wakes the thread.
                None for one that only does that, for which `oneshot` is needed.
            name: for reports; the function's name if not given.
            cpu: the CPU that the line is bound to.
            thread_fn: runs in a kernel thread of the line's own, and may sleep.
            oneshot: the line stays masked until the thread is done.
        """
        if handler is None and (thread_fn is None or not oneshot):
            raise DesignError("an irq line without a handler needs a thread_fn and oneshot")
        named = handler if handler is not None else thread_fn
        line = IrqLine(
            handler or _only_wakes,
            name or self._name_of(cast("Callable[[], object]", named)),
            cpu,
            self.rt,
            thread_fn=thread_fn,
            oneshot=oneshot,
        )
        if isinstance(self.rt, Tasks):
            self.rt.cpus.interrupts = True
        self.rt.spawn(line.serve, name=f"irq {line.name}", kind=Kind.IRQ, cpu=cpu, idle=True)
        if thread_fn is not None:
            line.thread = self.rt.spawn(line.serve_thread, name=f"irq/{line.name}", idle=True)
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

    @no_kernel("PREEMPT_NONE, as long as it exists")
    def preemption(self, on: bool) -> None:
        """Off: a task that is bound to a CPU keeps it until it waits, ends or `cond_resched`s.

        Tasks without `cpu=` have a CPU of their own each, so it concerns them only after `cpus`.
        """
        self._check_in_body("preemption")
        if isinstance(self.rt, Tasks):
            self.rt.cpus.preemption = on

    @no_kernel("nr_cpus=")
    def cpus(self, count: int) -> None:
        """Give tasks made from now on one of so many CPUs each, in turn, where `cpu=` is not said.

        A task stays on its CPU. Helpers of the kernel (workers, timers, RCU) keep a CPU of their
        own, and so do hardware and irq lines that are bound to none.
        """
        self._check_in_body("cpus")
        if not 1 <= count <= _MOST_CPUS:
            raise DesignError(f"a machine has 1 to {_MOST_CPUS} CPUs, not {count}")
        self._cpus = itertools.cycle(range(count))

    @no_kernel("chance")
    def spurious_wakeups(self) -> None:
        """Let sleepers on wait queues made from now on wake for no reason, once in each wait.

        Say it before the queues are made. Whoever looks at his condition again is not disturbed
        by that; a bare `schedule` is.
        """
        self._check_in_body("spurious_wakeups")
        allow_spurious(self.rt)

    @no_kernel("kill(2) from somewhere")
    def signals(self, task: Task) -> None:
        """A signal may become pending for `task` at any moment, or never.

        From then on each of its interruptible waits ends with Interrupted, as if it were fatal.
        """

        def send() -> None:
            self.rt.interrupt(task)

        self.rt.spawn(send, name=f"signal for {task.name}", kind=Kind.USER)

    @no_kernel("mem=")
    def memory(
        self,
        *,
        pages: int | None = None,
        pressure: int = 1,
        reserve: int = 0,
        kswapd: bool = True,
    ) -> Memory:
        """Have memory that may be short; without this every allocation succeeds.

        What cannot reclaim fails then. What can runs shrinkers and MMU notifiers in the task that
        allocates, and tries again. kswapd is woken.

        Args:
            pages: how many there are; None for as many as anybody wants.
            pressure: explored, how many allocations of a run may find memory short although it is
                there: a choice at each.
            reserve: of counted pages, how many only some allocations may use.
            kswapd: does it reclaim beside them? Without it there is less to explore, and what it
                would wait for is not found.
        """
        self._check_in_body("memory")
        if pressure < 0 or reserve < 0 or (pages is not None and pages < 0):
            raise DesignError("amounts of memory are 0 or more")
        if memory_of(self.rt) is not None:
            raise DesignError("a machine has one memory; say memory() once")
        limit = self.rt.extras.get(PRESSURE_LIMIT)
        allowed = pressure if limit is None else min(pressure, limit)
        return Memory(pages=pages, pressure=allowed, reserve=reserve, kswapd=kswapd, rt=self.rt)

    @no_kernel("a property of a design")
    def never_in_reclaim(self, *objects: Any) -> None:
        """State that nobody waits for these while it frees memory for others.

        That is a promise which only some drivers can give: the fences and locks of such a driver
        are waited for by no shrinker, no MMU notifier, and nothing that these wait for. Then code
        on the way to their signal may allocate as it likes.
        """
        if not isinstance(self.rt, Tasks):
            return
        tasks = self.rt.tasks
        for obj in objects:
            awaited = getattr(obj, "ww", obj)
            label = self.rt.label(obj)

            def nobody(awaited: Any = awaited) -> bool:
                return not any(_waits_in_reclaim(task, awaited) for task in tasks)

            self._state("always", nobody, f"nobody waits in reclaim for {label}")

    @contextmanager
    @no_kernel("the kernel's entry code")
    def syscall(self) -> Generator[None]:
        """Inside, a userspace task runs kernel code, which does not stop of itself."""
        task = self.rt.current()
        task.in_kernel = True
        if not self.rt.quick:
            tell(self.rt, Note.SYSCALL)
        try:
            yield
        finally:
            task.in_kernel = False

    @no_kernel("a property of a design")
    def always(self, predicate: Callable[[], object], name: str = "") -> None:
        """State that `predicate()` is true in every state; it may only read.

        Args:
            predicate: looked at between any two steps, as if all of it were one instant.
            name: for reports.
        """
        self._state("always", predicate, name)

    @no_kernel("a property of a design")
    def eventually(self, predicate: Callable[[], object], name: str = "") -> None:
        """State that `predicate()` is true where a run comes to rest.

        In a run that never ends it has to be true again and again. It may only read.
        """
        self._state("eventually", predicate, name)

    @no_kernel("a property of a design")
    def finite(self, fence: Any) -> None:
        """State that a fence signals in finite time, as if it were published from the start."""
        stated = Property("finite", fence.name, fence.is_signaled, fence)
        self.rt.extras.setdefault(PROPERTIES, []).append(stated)

    @no_kernel("a property of a design")
    def any_time(self) -> None:
        """Let a timeout come at any step, whatever the order of deadlines.

        Exact time is the default: of several deadlines the earliest is taken first. Here a
        design is explored as if nothing were known of how long things take.
        """
        self._check_in_body("any_time")
        if isinstance(self.rt, Tasks):
            self.rt.any_time = True

    def _check_in_body(self, said: str) -> None:
        """What the machine is like may not depend on the schedule. Raises DesignError."""
        if isinstance(self.rt, Tasks) and not self.rt.in_body:
            raise DesignError(
                f"machine.{said}() is for the design itself, before tasks run; a task said it"
            )

    def _state(self, kind: str, predicate: Callable[[], object], name: str) -> None:
        if not callable(predicate):
            raise DesignError(f"machine.{kind} takes a function to ask, not {predicate!r}")
        stated = self.rt.extras.setdefault(PROPERTIES, [])
        number = sum(one.kind == kind for one in stated) + 1
        named = name or getattr(predicate, "__name__", "")
        title = named if name or named.isidentifier() else f"property {number}"
        stated.append(Property(kind, f"{kind} {title}", predicate))

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
        code = getattr(fn, "__code__", None)
        if (code is None or code.co_flags & _SUSPENDS) and _never_runs(fn):
            raise DesignError(f"{name} is an async or generator function; tasks simply block")
        if self._cpus is not None and cpu is None and kind is not Kind.HARDWARE:
            cpu = next(self._cpus)
        return self.rt.spawn(fn, name=name, kind=kind, cpu=cpu, idle=idle)

    def _name_of(self, fn: Any) -> str:
        """The function's name, or the next free letter for a lambda."""
        name = str(getattr(fn, "__name__", ""))
        if name.isidentifier():
            return name
        self._unnamed += 1
        return f"task{self._unnamed}"


def _waits_in_reclaim(task: Any, awaited: Any) -> bool:
    """Does a task that frees memory stand at a step that may wait for that object?"""
    op = task.op
    if op is None or not op.is_guarded or not is_reclaiming(task):
        return False
    return op.awaited(task.obj) is awaited


_SUSPENDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE


def _never_runs(fn: Any) -> bool:
    """Would calling it only make a coroutine or a generator?"""
    code = getattr(fn, "__code__", None)
    if code is None:
        return inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn)
    return bool(code.co_flags & _SUSPENDS)
