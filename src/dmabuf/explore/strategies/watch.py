"""What decides whether a step is possible: the watch of a step that a task stands at.

A step whose guard is false touches nothing, and yet it matters to the search whatever could open
or close one of its ways. docs/design/0007-source-dpor.md says how that is used.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf.rt.api import OPS, READ, WRITE
from dmabuf.rt.op import GatedOp
from dmabuf.rt.strategy import BLOCK, INTERRUPT, TIMEOUT, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["NOTHING", "NO_STARTS", "Watch", "Watches", "has_ways", "takes_a_cpu"]

Footprint = tuple[int, ...]
Guard = Callable[[Any, Any], bool]
Guards = tuple[tuple[Guard, str], ...]
"""And what each asks: "object" or "task"."""
NO_STARTS: dict[int, Footprint] = {}
"""No handler may start anywhere; nobody adds to it."""


class Watch:
    """What the ways of a step depend on: numbers of objects, as read or as changed.

    Attributes:
        firm: whichever way it goes.
        signal: the task, if a signal may end the wait.
        time: what a timeout depends on, if there may be one.
    """

    __slots__ = ("firm", "signal", "time")

    def __init__(self, firm: Footprint = (), signal: Footprint = (), time: Footprint = ()) -> None:
        self.firm = firm
        self.signal = signal
        self.time = time

    @property
    def whole(self) -> Footprint:
        """All of it."""
        if not self.signal and not self.time:
            return self.firm
        return tuple(dict.fromkeys((*self.firm, *self.signal, *self.time)))

    def other_way(self, variant: int) -> Footprint | None:
        """What the step touches if it ends by a signal, not by time; or by time, not a signal."""
        if variant == TIMEOUT:
            return (*self.firm, *self.signal, *(number & ~WRITE for number in self.time))
        return self.firm + self.time if variant == INTERRUPT else None


NOTHING = Watch()
"""Of a step that is always possible."""


class Watches:
    """The watches of a search's steps, and what it has learnt of guards."""

    __slots__ = ("_asks", "_guards")

    def __init__(self) -> None:
        self._asks: dict[Guard, str] = {}
        self._guards: dict[type, dict[str, Guards]] = {}

    def of(self, task: ExploredTask, runtime: Tasks) -> Watch:
        """What the ways of the step that a task stands at depend on; conflicts open or close.

        Its object, what it waits on, its CPU where CPUs are shared: whatever way it goes. The
        task itself if a signal may end the wait. With a deadline the clock, as changed: only the
        earliest deadline can be taken, so that arming one counts, and every step that takes one
        away reads the clock.
        """
        op = task.op
        assert op is not None
        plain = task.cpu is None and not runtime.cpus.taken_away
        if not op.is_guarded:
            return NOTHING if plain else Watch(self._of_cpu(task, runtime))
        numbers = runtime.numbers
        firm: Footprint = (task.place | READ,)
        if op.waits_on is not None:
            firm += (numbers[id(op.awaited(task.obj))] << 1 | READ,)
        if isinstance(op, GatedOp):  # a reset, which changes the engine, closes all of its ways
            firm += (numbers[id(op.gate)] << 1 | READ,)
        if not plain:
            firm += self._of_cpu(task, runtime)
        if task.deadline is None and not task.interruptible:
            return Watch(firm)
        signal = (task.own | READ,) if task.interruptible else ()
        time: Footprint = ()
        if task.deadline is not None:
            time = (numbers[id(runtime.clock)] << 1 | WRITE,)
        return Watch(firm, signal, time)

    @staticmethod
    def _of_cpu(task: ExploredTask, runtime: Tasks) -> Footprint:
        cpus = runtime.cpus
        cpu = cpus.number(cpus.of(task)) << 1 | READ
        return (cpu, cpus.doors_number << 1 | WRITE) if takes_a_cpu(task) else (cpu,)

    @staticmethod
    def taken(task: ExploredTask, runtime: Tasks) -> int:
        """The CPU that a task keeps others from until its own steps give it back; else -1.

        As read if it interrupted what ran there; as changed if it keeps only handlers away.
        """
        cpus = runtime.cpus
        if task.interrupts is not None:
            return cpus.number(task.interrupts) << 1
        if task.irqs_off and task.cpu is not None:
            return cpus.number(task.cpu) << 1 | WRITE
        return -1

    @staticmethod
    def starts(runtime: Tasks, enabled: list[int]) -> dict[int, Footprint]:
        """What starts of handlers would touch that are possible, at most; by transition."""
        cpus, numbers = runtime.cpus, runtime.numbers
        if not cpus.taken_away:
            return NO_STARTS
        found: dict[int, Footprint] = {}
        for transition in enabled:
            task, way = runtime.by_number[transition // VARIANTS], transition % VARIANTS
            if takes_a_cpu(task):
                own = cpus.number(cpus.of(task)) << 1
                found[transition] = (numbers[id(task.obj)] << 1 | WRITE, own)
                if way:
                    taken = cpus.of(runtime.tasks[way - 1])
                    found[transition] += (cpus.number(taken) << 1 | WRITE,)
        return found

    def other_ways(self, task: ExploredTask, runtime: Tasks, variant: int) -> Footprint:
        """What could open another way of a step that is now made in one, and commutes with it.

        What a wait is for is touched by whichever way it ends; so is the clock by a timeout.
        """
        if takes_a_cpu(task):
            return (runtime.cpus.doors_number << 1 | WRITE,)
        if variant == TIMEOUT and task.interruptible:
            return (task.own | READ,)
        if variant == INTERRUPT and task.deadline is not None:
            return (runtime.number_of(runtime.clock) << 1 | WRITE,)
        return ()

    def near(self, runtime: Tasks, enabled: list[int], mover: ExploredTask) -> dict[int, Footprint]:
        """What the steps that are possible would touch, by task; not the mover's, no timeouts."""
        found: dict[int, Footprint] = {}
        by_number, numbers, shared = runtime.by_number, runtime.numbers, runtime.cpus.taken_away
        for transition in enabled:
            task = by_number[transition // VARIANTS]
            op = task.op
            if task is mover or op is None or transition % VARIANTS >= BLOCK:
                continue
            if op.touches is None:
                touched: Footprint = (task.place | op.access,)
            else:
                touched = tuple(
                    [numbers[id(o)] << 1 | mode for o, mode in op.touches(task.obj, task)]
                )
            if task.deadline is not None:
                touched += (numbers[id(runtime.clock)] << 1,)
            if shared or task.cpu is not None or task.interrupts is not None:
                touched += self._of_its_cpu(task, runtime)
            found[task.number] = touched
        return found

    @staticmethod
    def _of_its_cpu(task: ExploredTask, runtime: Tasks) -> Footprint:
        """At most: as if it changed it, and opened a door."""
        cpus = runtime.cpus
        return (cpus.number(cpus.of(task)) << 1 | WRITE, cpus.doors_number << 1 | READ)

    def guard(self, task: ExploredTask) -> Guard | None:
        """What decides whether its step can be made, if one object and who asks decide it."""
        op = task.op
        if op is None or not op.is_guarded or task.deadline is not None or task.interruptible:
            return None
        if isinstance(op, GatedOp):  # its engine decides, too
            return None
        guard = op.guard
        asks = self._asks.get(guard)
        if asks is None:
            asks = self._asks[guard] = _asks_of(guard)
        return guard if asks else None

    def guards(self, task: ExploredTask) -> tuple[tuple[Guard, str], ...]:
        """Guards of operations on the object that a task is about to make a step on."""
        assert task.op is not None
        return self._guards_of(task.obj, task.op.name)

    @staticmethod
    def closed(
        guards: tuple[tuple[Guard, str], ...], task: ExploredTask, runtime: Tasks
    ) -> Sequence[Guard | tuple[Guard, int]]:
        """Those of some guards that are false on the object that a task is about to make a step on.

        With a task's number those that ask who asks, too.
        """
        obj = task.obj
        found: list[Guard | tuple[Guard, int]] = []
        for guard, asks in guards:
            if asks == "object":
                if _is_closed(guard, obj, task):
                    found.append(guard)
            else:
                others = runtime.tasks
                found += [(guard, t.number) for t in others if _is_closed(guard, obj, t)]
        return found

    def _guards_of(self, obj: object, like: str) -> Guards:
        """The guards of operations on an object's class; each is looked for once."""
        kind: Any = type(obj)
        of_kind = self._guards.get(kind)
        if of_kind is None:
            of_kind = self._guards[kind] = {}
        guards = of_kind.get(like)
        if guards is None:
            guards = of_kind[like] = guards_of(kind, like)
        return guards


def owned_by(task: ExploredTask, numbers: dict[int, int]) -> Footprint:
    """The locks that a task has to itself, as read."""
    found: Footprint = ()
    for lock in task.held:
        if getattr(lock, "owner", None) is task:
            found += (numbers[id(lock)] << 1,)
    return found


def _is_closed(guard: Guard, obj: Any, task: ExploredTask) -> bool:
    try:
        return not guard(obj, task)
    except (AttributeError, TypeError):  # of another class with a like name: nobody stands there
        return False


@functools.cache
def guards_of(kind: type, like: str) -> Guards:
    """The guards of operations on a class, and what they ask of.

    They are named like one of them, and in the class's module or one beside it.
    """
    family = like.partition(".")[0]
    return tuple(
        dict.fromkeys(
            (op.guard, _asks_of(op.guard))
            for name, op in OPS.items()
            if name.partition(".")[0] == family
            and op.is_guarded
            and _asks_of(op.guard)
            and op.guard.__module__.startswith(kind.__module__)
        )
    )


def takes_a_cpu(task: ExploredTask) -> bool:
    """Does it stand where it starts as a handler, on any CPU that is open to handlers?

    One that is bound to a CPU starts there alone, in one way: what its CPU's tasks do decides.
    """
    return task.op is not None and task.op.starts and task.cpu is None


def has_ways(task: ExploredTask) -> bool:
    """May the step it stands at be made in several ways, not all of which are always possible?"""
    return task.deadline is not None or task.interruptible or task.may_start_elsewhere


@functools.cache
def _asks_of(guard: Guard) -> str:
    """What a guard asks: "object" alone, "task" if also who asks, and no more; else nothing."""
    code = getattr(guard, "__code__", None)
    if code is None or code.co_argcount < 2:
        return ""
    task = code.co_varnames[1]
    steps = list(_flat(code))
    uses = [index for index, (_name, value) in enumerate(steps) if value == task]
    if not uses:
        return "object"
    return "task" if all(_is_comparison(steps[index + 1 : index + 4]) for index in uses) else ""


def _flat(code: CodeType) -> Iterator[tuple[str, Any]]:
    """Instructions; those that load several names come as several (Python 3.13)."""
    for one in dis.get_instructions(code):
        value: Any = one.argval
        names: list[Any] = list(value) if value.__class__ is tuple else [value]
        yield from ((one.opname, name) for name in names)


def _is_comparison(steps: list[tuple[str, Any]]) -> bool:
    """Is a name that was just loaded compared at once, or looked for in an attribute?"""
    names = [name for name, _value in steps]
    return names[0] == "IS_OP" or (names[1:] == ["LOAD_ATTR", "CONTAINS_OP"])
