"""Random straight-line programs for the export to Promela: no outcome steers any task.

A program is plain data made from a seed. Locks are mostly taken and freed in pairs, some in
another order or not at all; what must not sleep under a spinlock does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dmabuf.core.timeline import Timeline
from dmabuf.errors import Interrupted
from dmabuf.irq import IrqLine, IrqReturn
from dmabuf.machine import Machine
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SPIN_LOCK_IRQ, SPIN_UNLOCK_IRQ, SpinLock

__all__ = ["Handler", "Program", "Task", "generate"]

Act = tuple[Any, ...]
"""(operation, which object, argument)."""


@dataclass(frozen=True)
class Task:
    """One task: its kind, and what it does."""

    kind: str
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Handler:
    """An interrupt line: what its handler does, and its thread, if it has one."""

    acts: tuple[Act, ...]
    thread: tuple[Act, ...] | None = None
    oneshot: bool = False


@dataclass(frozen=True)
class Program:
    """A design as data."""

    tasks: tuple[Task, ...]
    handlers: tuple[Handler, ...] = ()
    any_time: bool = False

    @property
    def __name__(self) -> str:
        """What a design is called."""
        return "program"

    def __call__(self, machine: Machine) -> None:
        """The design."""
        world = _World(machine)
        if self.any_time:
            machine.any_time()
        for number, handler in enumerate(self.handlers):
            world.add_line(handler, f"i{number}")
        for number, task in enumerate(self.tasks):
            world.start(task, f"t{number}")


class _World:
    """The objects of one execution."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.handles: list[Any] = []
        line = Timeline("ring")
        self.objects: dict[str, list[Any]] = {
            "m": [Mutex("m0"), Mutex("m1"), Mutex("m2")],
            "s": [SpinLock("s0"), SpinLock("s1")],
            "f": [line.fence_at(1), line.fence_at(2)],
            "c": [Completion("c0"), Completion("c1")],
            "n": [Semaphore(1, "n0"), Semaphore(0, "n1")],
            "r": [RwSem("r0"), RwSem("r1")],
            "w": [RwLock("w0"), RwLock("w1")],
            "x": [Shared(0, "x0"), Shared(1, "x1")],
            "i": [],
        }

    def add_line(self, handler: Handler, name: str) -> None:
        """Add an interrupt line."""

        def handle() -> IrqReturn:
            self._do_all(handler.acts, name)
            return IrqReturn.HANDLED if handler.thread is None else IrqReturn.WAKE_THREAD

        def thread() -> None:
            self._do_all(handler.thread or (), f"{name}t")

        line = self.machine.irq(
            handle,
            name,
            thread_fn=None if handler.thread is None else thread,
            oneshot=handler.oneshot,
        )
        self.objects["i"].append(line)

    def _do_all(self, acts: tuple[Act, ...], name: str) -> None:
        for number, act in enumerate(acts):
            self.do(act, f"{name}.{number}")

    def start(self, task: Task, name: str) -> None:
        """Start a task."""

        def body() -> None:
            self._do_all(task.acts, name)

        if task.kind == "hardware":
            self.handles.append(self.machine.hardware(body, name))
        elif task.kind == "reliable":
            self.handles.append(self.machine.hardware(body, name, hangs=False))
        elif task.kind == "userspace":
            self.handles.append(self.machine.userspace(body, name))
        elif task.kind == "idle":
            self.handles.append(self.machine.kthread(body, name, idle=True))
        else:
            self.handles.append(self.machine.kthread(body, name))

    def do(self, act: Act, name: str) -> None:
        """Do one act; a signal that ends it is forgotten."""
        what = act[0]
        if what == "spawn":
            self.start(Task("kthread", act[1]), name)
        elif what == "signal task":
            self.machine.rt.interrupt(self.handles[act[1]])
        elif what == "choose":
            self.machine.choose(2)
        else:
            kind, _, call = what.partition(".")
            try:
                _CALLS[kind, call](self.objects[kind][act[1]], *act[2:])
            except Interrupted:
                return


_CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("m", "lock"): Mutex.lock,
    ("m", "unlock"): Mutex.unlock,
    ("m", "try"): Mutex.trylock,
    ("m", "ask"): Mutex.is_locked,
    ("s", "lock"): SpinLock.lock,
    ("s", "unlock"): SpinLock.unlock,
    ("s", "lock_irq"): lambda lock: lock.lock_with(SPIN_LOCK_IRQ),
    ("s", "unlock_irq"): lambda lock: lock.unlock_with(SPIN_UNLOCK_IRQ),
    ("f", "signal"): lambda fence: fence.signal(),
    ("f", "wait"): lambda fence: fence.wait(),
    ("f", "wait_timed"): lambda fence, timeout: fence.wait(timeout),
    ("f", "ask"): lambda fence: fence.is_signaled(),
    ("f", "error"): lambda fence: fence.set_error(-5),
    ("f", "publish"): lambda fence: fence.publish(),
    ("c", "complete"): Completion.complete,
    ("c", "all"): Completion.complete_all,
    ("c", "wait"): lambda c: c.wait(),
    ("c", "wait_intr"): lambda c: c.wait(interruptible=True),
    ("c", "wait_timed"): lambda c, timeout: c.wait(timeout),
    ("c", "try"): Completion.try_wait,
    ("c", "again"): Completion.reinit,
    ("n", "down"): Semaphore.down,
    ("n", "up"): Semaphore.up,
    ("n", "try"): Semaphore.down_trylock,
    ("r", "read"): RwSem.down_read,
    ("r", "write"): RwSem.down_write,
    ("r", "try_read"): RwSem.down_read_trylock,
    ("r", "try_write"): RwSem.down_write_trylock,
    ("r", "end_read"): RwSem.up_read,
    ("r", "end_write"): RwSem.up_write,
    ("r", "downgrade"): RwSem.downgrade_write,
    ("w", "read"): RwLock.read_lock,
    ("w", "write"): RwLock.write_lock,
    ("w", "end_read"): RwLock.read_unlock,
    ("w", "end_write"): RwLock.write_unlock,
    ("x", "add"): Shared.add,
    ("x", "write"): Shared.write,
    ("x", "read"): Shared.read,
    ("x", "exchange"): Shared.exchange,
    ("i", "raise"): IrqLine.raise_irq,
    ("i", "disable"): IrqLine.disable_nosync,
    ("i", "enable"): IrqLine.enable,
    ("i", "sync"): IrqLine.synchronize,
    ("i", "free"): IrqLine.free,
}

_PLAIN = {
    "f": (*("f.signal", "f.wait") * 4, *("f.wait_timed",) * 3, "f.ask", "f.publish", "f.error"),
    "c": (
        *("c.complete", "c.complete", "c.wait", "c.wait_intr", "c.try", "c.all", "c.again"),
        *("c.wait_timed",) * 3,
    ),
    "i": (*("i.raise",) * 5, "i.sync", "i.free"),
    "n": ("n.down", "n.up", "n.up", "n.try"),
    "x": ("x.add", "x.write", "x.exchange", "x.read"),
    "m": ("m.ask", "m.ask", "m.ask", "m.try"),
    "r": ("r.try_read",),
}
_PAIRS = {
    "m": (("m.lock", "m.unlock"),),
    "s": (("s.lock", "s.unlock"), ("s.lock_irq", "s.unlock_irq")),
    "i": (("i.disable", "i.enable"),),
    "r": (("r.read", "r.end_read"), ("r.write", "r.end_write"), ("r.write", "r.downgrade")),
    "w": (("w.read", "w.end_read"), ("w.write", "w.end_write")),
}
_SLEEPS = (
    "m.lock",
    "m.unlock",
    "m.try",
    "f.wait",
    "c.wait",
    "c.wait_intr",
    "f.wait_timed",
    "c.wait_timed",
    "i.sync",
    "i.free",
    "n.down",
    "r.read",
    "r.write",
)
_VALUED = {
    **dict.fromkeys(("x.add", "x.write", "x.exchange"), (1, 2)),
    **dict.fromkeys(("f.wait_timed", "c.wait_timed"), (1.0, 1.5, 3.0)),
}
_KINDS = ("kthread",) * 7 + ("userspace", "hardware", "reliable", "idle")
_SIZES = ((2, 5), (2, 7), (3, 4), (3, 5), (4, 3))


class _Maker:
    """Draws acts."""

    def __init__(self, rng: random.Random, families: list[str], tasks: int) -> None:
        self.rng = rng
        self.families = families
        self.tasks = tasks

    def acts(self, most: int, depth: int = 0, *, atomic: bool = False) -> list[Act]:
        """About so many acts, pairs of locks around some."""
        acts: list[Act] = []
        while len(acts) < most:
            acts += self.some(most - len(acts), depth, atomic=atomic)
        return acts

    def some(self, most: int, depth: int, *, atomic: bool) -> list[Act]:
        """One act, or a lock with what is done under it."""
        rng = self.rng
        family = rng.choice(self.families)
        if family in _PAIRS and depth < 2 and (family not in _PLAIN or rng.random() < 0.9):
            lock, unlock = rng.choice(_PAIRS[family])
            if not (atomic and lock in _SLEEPS):
                return self.pair(lock, unlock, most, depth, atomic=atomic)
        if family == "other":
            return [self.other(depth)]
        if family not in _PLAIN:
            return [("x.read", 0)]
        what = rng.choice(_PLAIN[family])
        if atomic and what in _SLEEPS:
            return [("x.read", 1)]
        value = (rng.choice(_VALUED[what]),) if what in _VALUED else ()
        which = 0 if family == "i" else int(rng.random() < 0.35)
        return [(what, which, *value)]

    def pair(self, lock: str, unlock: str, most: int, depth: int, *, atomic: bool) -> list[Act]:
        """A section under a lock; now and then the unlock is forgotten, or not the lock's."""
        which = 0 if lock[0] == "i" else int(self.rng.random() < 0.45)
        inside = self.acts(
            self.rng.randrange(max(most - 1, 1)), depth + 1, atomic=atomic or lock[0] in "sw"
        )
        closing: list[Act] = [(unlock, which)]
        if unlock == "r.downgrade":
            closing.append(("r.end_read", which))
        chance = self.rng.random()
        if chance < 0.02 and lock[0] not in "sw":
            closing = []
        elif chance < 0.03:
            closing = [(closing[0][0], 1 - which)]
        return [(lock, which), *inside, *closing]

    def other(self, depth: int) -> Act:
        """What concerns tasks, and chance."""
        chance = self.rng.random()
        if chance < 0.4 and depth == 0:
            return ("spawn", tuple(self.acts(2, 2)))
        if chance < 0.8:
            return ("signal task", self.rng.randrange(self.tasks))
        return ("choose", 0)


def generate(seed: int) -> Program:
    """The program of a seed."""
    rng = random.Random(seed)
    count, most = rng.choice(_SIZES)
    families = rng.sample(
        ["m", "m", "s", "f", "c", "n", "r", "w", "x", "other", "i", "i"], rng.choice((2, 3, 3))
    )
    if "i" in families:  # which has no words together with reader-writer spinlocks
        families = [*(family for family in families if family != "w"), rng.choice("sfc")]
    maker = _Maker(rng, families, count)
    tasks = [Task(rng.choice(_KINDS), tuple(maker.acts(most))) for _ in range(count)]
    handlers = (_handler(rng, [f for f in families if f in _IN_HANDLERS], count),)
    any_time = rng.random() < 0.2
    return Program(tuple(tasks), handlers if "i" in families else (), any_time)


_IN_HANDLERS = "sfcx"


def _handler(rng: random.Random, families: list[str], count: int) -> Handler:
    maker = _Maker(rng, families or ["x"], count)
    acts = tuple(maker.acts(2, 1, atomic=True))
    if rng.random() < 0.6:
        return Handler(acts)
    return Handler(acts, tuple(maker.acts(1, 1)), oneshot=rng.random() < 0.5)
