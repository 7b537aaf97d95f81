"""Random straight-line programs over all primitives: what the searches are compared on.

A program is plain data made from a seed, so it can be printed, repeated and made smaller. Each
task writes down what it observes; `World.final` reads what is left when nothing goes on any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.fence_steps import Callback
from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.errors import Interrupted
from dmabuf.machine import IrqLine, Machine
from dmabuf.rt.api import Task
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["Act", "Line", "Program", "World", "smaller"]

Act = tuple[Any, ...]
"""(operation, argument...); a last argument that is a tuple of acts is done inside."""
Log = list[Any]


@dataclass(frozen=True)
class Line:
    """One task of a program."""

    acts: tuple[Act, ...]
    kind: str = "kthread"
    cpu: int | None = None


@dataclass(frozen=True)
class Program:
    """A design as data.

    Attributes:
        tasks: what each does.
        handler: acts of the irq line's handler; None for no line.
        handler_cpu: the CPU that the line is bound to.
        work: acts of the irq work item; None for none.
        ring: what fences of the second timeline are like: "", "lock", "enable" or "signaled".
    """

    tasks: tuple[Line, ...]
    handler: tuple[Act, ...] | None = None
    handler_cpu: int | None = None
    work: tuple[Act, ...] | None = None
    ring: str = ""

    @property
    def __name__(self) -> str:
        """What a design is called."""
        return "program"

    def __call__(self, machine: Machine) -> World:
        """The design; the world of the present execution is left in the machine's runtime."""
        world = World(machine, self)
        machine.rt.extras["world"] = world
        for number, line in enumerate(self.tasks):
            world.start(f"t{number}", line)
        return world


class _RingOps(FenceOps):
    """A driver whose hooks make steps."""

    def __init__(self, world: World, hook: str) -> None:
        self.world = world
        if hook == "enable":
            self.enable_signaling = self._enable
        elif hook == "signaled":
            self.signaled = self._signaled

    def get_driver_name(self, fence: Fence) -> str:
        """Name of the driver."""
        return "driver"

    def get_timeline_name(self, fence: Fence) -> str:
        """Name of the timeline."""
        return "ring"

    def _enable(self, _fence: Fence) -> bool:
        return self.world.cells[1].read() == 0

    def _signaled(self, _fence: Fence) -> bool:
        return self.world.cells[1].read() > 0


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> Any:
    """Put it in, in an order that does not tell who came first: no state of its own."""
    kept[key] = value
    for one in sorted(kept):
        kept[one] = kept.pop(one)
    return value


class World:
    """The objects of one execution and what was observed in it."""

    def __init__(self, machine: Machine, program: Program) -> None:
        self.machine = machine
        self.seen: dict[str, Log] = {}
        self.handles: list[Task] = []
        self.queued: dict[tuple[str, int], tuple[Fence, Callback | None]] = {}
        self.mutexes = [Mutex("m0"), Mutex("m1")]
        self.spins = [SpinLock("s0"), SpinLock("s1")]
        self.completions = [Completion("c0"), Completion("c1")]
        self.cells = [Shared(0, "x0"), Shared(0, "x1")]
        self.flag, self.queue = Shared(0, "flag"), WaitQueue("queue")
        self.timeline = Timeline("a")
        ring = Timeline(
            "ring",
            ops=_RingOps(self, program.ring) if program.ring in ("enable", "signaled") else None,
            lock=self.spins[0] if program.ring == "lock" else None,
        )
        self.fences = [self.timeline.fence(), self.timeline.fence(), ring.fence()]
        self.made: list[Fence] = []
        self.line: IrqLine | None = None
        self.work: IrqWork | None = None
        if program.handler is not None:
            acts = program.handler
            self.line = machine.irq(lambda: self.do(acts, "irq"), "line", cpu=program.handler_cpu)
        if program.work is not None:
            deferred = program.work
            self.work = IrqWork(lambda: self.do(deferred, "work"), "work")

    def start(self, name: str, line: Line) -> None:
        """Start a task of the program."""
        _keep(self.seen, name, [])

        def body() -> None:
            self.do(line.acts, name)

        if line.kind == "hardware":
            self.handles.append(self.machine.hardware(body, name, hangs=True))
        elif line.kind == "userspace":
            self.handles.append(self.machine.userspace(body, name, cpu=line.cpu))
        else:
            self.handles.append(self.machine.kthread(body, name, cpu=line.cpu))

    def do(self, acts: tuple[Act, ...], name: str) -> None:
        """Do the acts, in order, as part of the task or handler of that name."""
        log = self.seen.get(name)
        if log is None:
            log = _keep(self.seen, name, [])
        for act in acts:
            try:
                value = _DO[act[0]](self, name, *act[1:])
            except Interrupted:
                value = "interrupted"
            if value is not None:
                log.append((act[0], value))

    # -- acts ----------------------------------------------------------------------------------

    def locked(self, name: str, mutex: int, acts: tuple[Act, ...]) -> None:
        """Some acts under a mutex."""
        with self.mutexes[mutex]:
            self.do(acts, name)

    def lock_interruptible(self, name: str, mutex: int, acts: tuple[Act, ...]) -> bool:
        """The same, unless a signal comes first."""
        self.mutexes[mutex].lock_interruptible()
        self.do(acts, name)
        self.mutexes[mutex].unlock()
        return True

    def trylock(self, name: str, mutex: int, acts: tuple[Act, ...]) -> bool:
        """The same, if the mutex is free."""
        if got := self.mutexes[mutex].trylock():
            self.do(acts, name)
            self.mutexes[mutex].unlock()
        return got

    def spinning(self, name: str, spin: int, irqsave: bool, acts: tuple[Act, ...]) -> None:
        """Some acts under a spinlock."""
        with self.spins[spin].irqsave() if irqsave else self.spins[spin]:
            self.do(acts, name)

    def spin_try(self, name: str, spin: int, acts: tuple[Act, ...]) -> bool:
        """The same, if the spinlock is free."""
        if got := self.spins[spin].trylock():
            self.do(acts, name)
            self.spins[spin].unlock()
        return got

    def irqs_off(self, name: str, acts: tuple[Act, ...]) -> None:
        """Some acts with interrupts off."""
        with local_irq_save():
            self.do(acts, name)

    def raise_irq(self, _name: str) -> None:
        """Let the line's handler run once."""
        assert self.line is not None
        self.line.raise_irq()

    def wait_event(
        self, _name: str, least: int, timeout: float | None, interruptible: bool, exclusive: bool
    ) -> bool:
        """Wait until the flag is at least so high."""
        return self.queue.wait_event(
            lambda: self.flag.read() >= least,
            timeout,
            interruptible=interruptible,
            exclusive=exclusive,
        )

    def announce(self, _name: str) -> None:
        """Raise the flag and wake, as one should."""
        self.flag.add(1)
        self.queue.wake_up()

    def add_callback(self, name: str, fence: int, number: int, acts: tuple[Act, ...]) -> bool:
        """Have some acts done at the signal."""
        on = self.fences[fence]
        added = on.add_callback(lambda _fence: self.do(acts, f"callback{number}"))
        _keep(self.queued, (name, number), (on, added))
        return added is not None

    def remove_callback(self, name: str, number: int) -> bool | None:
        """Take it back, if this very task queued it (else who reads `queued` is a race)."""
        fence, callback = self.queued.get((name, number), (None, None))
        return None if fence is None or callback is None else fence.remove_callback(callback)

    def wait_any(
        self, _name: str, which: tuple[int, ...], timeout: float | None, interruptible: bool
    ) -> str:
        """Wait for the first of some fences."""
        fences = [self.fences[n] for n in which]
        return str(wait_any(fences, timeout, interruptible=interruptible))

    def new_fence(self, _name: str) -> int:
        """Make a fence, show it to others and signal it."""
        fence = self.timeline.fence()
        self.made.append(fence)
        fence.publish()
        fence.signal()
        return fence.seqno

    def spawn(self, name: str, acts: tuple[Act, ...]) -> None:
        """Start another task."""
        self.start(f"{name}.{sum(n.startswith(name + '.') for n in self.seen)}", Line(acts))

    def interrupt(self, _name: str, task: int) -> None:
        """Make a signal pending for a task."""
        self.machine.rt.interrupt(self.handles[task])

    # -- what is left --------------------------------------------------------------------------

    def observed(self) -> tuple[Any, ...]:
        """What each task saw."""
        return tuple((name, *log) for name, log in sorted(self.seen.items()) if log)

    def final(self, rt: Tasks) -> tuple[Any, ...]:
        """The state of all objects, and who is blocked in what."""
        blocked = sorted(
            (task.name, task.op.name, rt.label(task.op.awaited(task.obj)))
            for task in rt.tasks
            if task.op is not None
        )
        locks = [*self.mutexes, *self.spins]
        owners = [lock.owner.name if lock.owner is not None else "" for lock in locks]
        fences = [_state(rt, obj) for obj in rt.objects if isinstance(obj, Fence)]
        queue = [(task.name, exclusive) for task, exclusive in self.queue.entries.items()]
        return (
            tuple(blocked),
            tuple(owners),
            tuple(cell._value for cell in (*self.cells, self.flag)),
            tuple(completion.done for completion in self.completions),
            tuple(sorted(fences)),
            (*queue, *sorted(task.name for task in self.queue.woken)),
            rt.clock.now(),
        )


def _state(rt: Tasks, fence: Fence) -> tuple[Any, ...]:
    state: Any = fence._state
    pending = -1 if state.callbacks is None else len(state.callbacks)
    return rt.label(fence), state.flags, state.error, pending, state.timestamp, state.references


def _fence(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda world, _name, fence, *args: call(world.fences[fence], *args)


def _cell(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda world, _name, cell, *args: call(world.cells[cell], *args)


def _completion(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda world, _name, number, *args: call(world.completions[number], *args)


_DO: dict[str, Callable[..., Any]] = {
    "locked": World.locked,
    "lock_interruptible": World.lock_interruptible,
    "trylock": World.trylock,
    "lock": lambda world, _name, m: world.mutexes[m].lock(),
    "unlock": lambda world, _name, m: world.mutexes[m].unlock(),
    "is_locked": lambda world, _name, m: world.mutexes[m].is_locked(),
    "spinning": World.spinning,
    "spin_try": World.spin_try,
    "irqs_off": World.irqs_off,
    "raise_irq": World.raise_irq,
    "complete": _completion(Completion.complete),
    "complete_all": _completion(Completion.complete_all),
    "try_wait": _completion(Completion.try_wait),
    "is_done": _completion(Completion.is_done),
    "reinit": _completion(Completion.reinit),
    "wait_completion": _completion(lambda c, t, i: c.wait(t, interruptible=i)),
    "wait_event": World.wait_event,
    "announce": World.announce,
    "wake": lambda world, _name: world.queue.wake_up(),
    "wake_all": lambda world, _name: world.queue.wake_up_all(),
    "prepare": lambda world, _name, exclusive: world.queue.prepare_to_wait(exclusive=exclusive),
    "schedule": lambda world, _name: world.queue.schedule(),
    "finish": lambda world, _name: world.queue.finish_wait(),
    "read": _cell(Shared.read),
    "write": _cell(Shared.write),
    "add": _cell(Shared.add),
    "exchange": _cell(Shared.exchange),
    "signal": _fence(Fence.signal),
    "signal_at": _fence(lambda fence, at: fence.signal(timestamp=at)),
    "check_and_signal": _fence(Fence.check_and_signal),
    "wait_fence": _fence(lambda fence, t, i: fence.wait(t, interruptible=i)),
    "is_signaled": _fence(Fence.is_signaled),
    "status": _fence(lambda fence: fence.status),
    "timestamp": _fence(lambda fence: fence.timestamp if fence.is_signaled() else None),
    "set_error": _fence(lambda fence, error: fence.set_error(error)),
    "enable": _fence(Fence.enable_signaling),
    "publish": _fence(Fence.publish),
    "get": _fence(lambda fence: fence.get() is not None),
    "put": _fence(Fence.put),
    "add_callback": World.add_callback,
    "remove_callback": World.remove_callback,
    "wait_any": World.wait_any,
    "new_fence": World.new_fence,
    "queue_work": lambda world, _name: world.work.queue(),
    "sync_work": lambda world, _name: world.work.sync(),
    "choose": lambda world, _name, options: world.machine.choose(options),
    "now": lambda world, _name: world.machine.rt.now(),
    "spawn": World.spawn,
    "interrupt": World.interrupt,
}


# -- making them smaller ---------------------------------------------------------------------------


def smaller(program: Program) -> Iterator[Program]:
    """Every program with one thing less."""
    for index, line in enumerate(program.tasks):
        for acts in _less(line.acts):
            yield _with_task(program, index, replace(line, acts=acts))
        if line.cpu is not None or line.kind != "kthread":
            yield _with_task(program, index, Line(line.acts))
    if len(program.tasks) > 1 and not program.tasks[-1].acts:
        yield replace(program, tasks=program.tasks[:-1])
    if program.ring:
        yield replace(program, ring="")
    if program.handler_cpu is not None:
        yield replace(program, handler_cpu=None)
    for acts in _less(program.handler or ()):
        yield replace(program, handler=acts)
    for acts in _less(program.work or ()):
        yield replace(program, work=acts)


def _with_task(program: Program, index: int, line: Line) -> Program:
    before, after = program.tasks[:index], program.tasks[index + 1 :]
    return replace(program, tasks=(*before, line, *after))


def _less(acts: tuple[Act, ...]) -> Iterator[tuple[Act, ...]]:
    for index, act in enumerate(acts):
        before, after = acts[:index], acts[index + 1 :]
        yield before + after
        inner = act[-1]
        if isinstance(inner, tuple) and inner and isinstance(inner[0], tuple):
            yield before + inner + after
            for fewer in _less(inner):
                yield (*before, (*act[:-1], fewer), *after)
