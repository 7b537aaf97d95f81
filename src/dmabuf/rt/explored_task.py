"""A task of an explored run with the step it has announced, and numbers that outlive a run.

>>> names = Names()
>>> names.number(("task", 1)), names.number(("task", 2)), names.number(("task", 1))
(0, 1, 0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf.rt.api import Kind, Op, Outcome, Runtime, Task
from dmabuf.rt.strategy import VARIANTS

__all__ = ["COUNT_BITS", "ExploredTask", "Names"]


COUNT_BITS = 40
_DONE = Outcome.DONE


class Names:
    """Numbers for keys: the same key has the same number in all executions of a search.

    Attributes:
        objects: of the objects that tasks have made, by `creator << COUNT_BITS | count`.
    """

    __slots__ = ("_numbers", "_tasks", "objects")

    def __init__(self) -> None:
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


class ExploredTask(Task):
    """A task and the step that it has announced."""

    __slots__ = (
        "base",
        "deadline",
        "finished",
        "fresh",
        "interruptible",
        "interrupts",
        "number",
        "obj",
        "op",
        "options",
        "ordinal",
        "outcome",
        "refusals",
        "spawner",
        "starting",
        "unwind",
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
        super().__init__(runtime, name, kind, key=key, cpu=cpu)
        self.number = number
        self.base = number * VARIANTS
        self.ordinal = -1
        self.op: Op | None = None
        self.obj: Any = None
        self.deadline: int | None = None
        self.interruptible = False
        self.options: Callable[[ExploredTask], list[int]] | int = 0
        self.outcome = _DONE
        self.starting = True
        self.finished = False
        self.fresh = False
        self.unwind = False
        self.refusals = 0
        self.spawner: ExploredTask | None = None
        self.interrupts: int | None = None
