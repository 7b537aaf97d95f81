"""A task of an explored run with the step it has announced, and numbers that outlive a run.

>>> names = Names()
>>> names.number(("task", 1)), names.number(("task", 2)), names.number(("task", 1))
(0, 1, 0)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from dmabuf.rt.api import Kind, Outcome, Runtime, Scope
from dmabuf.rt.op import Op
from dmabuf.rt.strategy import VARIANTS

__all__ = ["COUNT_BITS", "ExploredTask", "Names"]


COUNT_BITS: Final = 40
_DONE: Final = Outcome.DONE
_USER: Final = Kind.USER
_HARDWARE: Final = Kind.HARDWARE
_NO_SCOPE: Final = Scope.NONE
"""At hand: on Python 3.11 to ask an enumeration for a member takes as long as a call."""


class Names:
    """Numbers for keys: the same key has the same number in all executions of a search.

    Attributes:
        objects: of the objects that tasks have made, by `creator << COUNT_BITS | count`.
        early: what takes CPUs away in some execution, and is taken to do so in each (`Cpus`).
    """

    __slots__ = ("_numbers", "_tasks", "early", "objects")

    def __init__(self, early: Iterable[str] = ()) -> None:
        self.early = frozenset(early)
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.objects: dict[int, int] = {}
        self._tasks: dict[tuple[int, ...], int] = {}

    def number(self, key: tuple[Any, ...]) -> int:
        """The number of a key, given out when first asked for."""
        numbers = self._numbers
        found = numbers.get(key)
        if found is None:
            found = numbers[key] = len(numbers)
        return found

    def task(self, key: tuple[int, ...]) -> int:
        """The number of the task with that key."""
        found = self._tasks.get(key)
        if found is None:
            found = self._tasks[key] = self.number(("task", *key))
        return found

    def object(self, creator: int, count: int) -> int:
        """The number of the object that a task made after `count - 1` others, as by a key."""
        numbers = self.objects
        key = creator << COUNT_BITS | count
        found = numbers.get(key)
        if found is None:
            found = numbers[key] = self.number(("object", creator, count))
        return found


class ExploredTask:
    """A task and the step that it has announced; see `Task` for what is not told here.

    Attributes:
        number: of the task, the same in every schedule; `base` is that of its first transition.
        ordinal: its place among the tasks.
        own: twice its number as an object; -1 where it is none.
        op, obj, deadline, interruptible: of the step that it stands at.
        place: twice the number of that step's object; negative if it has none.
        options: the ways in which that may go.
        armed: where it arms a timeout, the step that is to follow.
        outcome: of its last step.
        interrupts: the CPU that it runs on as a handler.
    """

    __slots__ = (
        "arg",
        "armed",
        "atomic",
        "base",
        "bh_off",
        "carrier",
        "cpu",
        "created",
        "deadline",
        "finished",
        "fresh",
        "held",
        "idle",
        "in_irq",
        "in_kernel",
        "in_softirq",
        "interruptible",
        "interrupts",
        "irqs_off",
        "key",
        "kind",
        "name",
        "number",
        "obj",
        "op",
        "options",
        "ordinal",
        "outcome",
        "own",
        "place",
        "refusals",
        "reliable",
        "runtime",
        "scope",
        "signal_pending",
        "signalling",
        "spawner",
        "starting",
        "told_to_die",
        "unwind",
        "value",
    )

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        kind: Kind,
        *,
        key: tuple[int, ...],
        number: int,
        cpu: int | None = None,
    ) -> None:
        self.runtime = runtime
        self.name = name
        self.kind = kind
        self.key = key
        self.cpu = cpu
        self.arg: Any = None
        self.value: Any = None
        self.atomic = 0
        self.irqs_off = 0
        self.bh_off = 0
        self.in_irq = False
        self.in_softirq = False
        self.idle = False
        self.signal_pending = False
        self.told_to_die = False
        self.in_kernel = False
        self.reliable = False
        self.signalling = 0
        self.scope = _NO_SCOPE
        self.held: dict[Any, int] = {}
        self.created = 0
        self.carrier: Any = None
        self.number = number
        self.base = number * VARIANTS
        self.ordinal = -1
        self.op: Op | None = None
        self.obj: Any = None
        self.place = -2
        self.own = -1
        self.deadline: int | None = None
        self.interruptible = False
        self.options: Callable[[ExploredTask], list[int]] | int = 0
        self.armed: tuple[Any, ...] | None = None
        self.outcome = _DONE
        self.starting = True
        self.finished = False
        self.fresh = False
        self.unwind = False
        self.refusals = 0
        self.spawner: ExploredTask | None = None
        self.interrupts: int | None = None

    def hold(self, lock: Any) -> None:
        """Note that it holds a lock that it may hold several times. For actions only."""
        self.held[lock] = self.held.get(lock, 0) + 1

    def let_go(self, lock: Any) -> None:
        """Note that it holds that lock once less. For actions only."""
        times = self.held[lock] - 1
        if times:
            self.held[lock] = times
        else:
            del self.held[lock]

    @property
    def is_atomic(self) -> bool:
        """Must this task not sleep now (as in_atomic() and irqs_disabled() say)?"""
        return self.atomic > 0 or self.irqs_off > 0 or self.in_irq or self.bh_off > 0

    @property
    def may_start_elsewhere(self) -> bool:
        """Is its step one of a handler, whose ways are the CPUs that it may start on?"""
        return not isinstance(self.options, int)

    @property
    def may_stop(self) -> bool:
        """May it stop here for ever? Userspace outside the kernel may, hardware may hang."""
        if self.kind is _USER:
            return not self.in_kernel
        return self.kind is _HARDWARE and not self.reliable

    def __repr__(self) -> str:
        return f"<Task {self.name} {self.kind.value}>"
