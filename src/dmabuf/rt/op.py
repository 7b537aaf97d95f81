"""Operations: what a step waits for, what it does, and what it touches.

    LOCK = Op("mutex.lock", guard=_is_free, action=_take)     # a constant beside its class

The set of all `Op` constants is the alphabet that instruments listen to, that the dependence of
two steps is defined on, and that schedules are written in. A module of its own, as it may be
compiled (docs/design/0021-the-compiled-explorer.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dmabuf.rt.api import Task

__all__ = ["OPS", "READ", "WRITE", "GatedOp", "Op", "Touch"]

READ: Final = 0
WRITE: Final = 1

Touch = tuple[Any, int]
"""An object and whether a step reads (READ) or changes (WRITE) it."""

OPS: dict[str, Op] = {}
"""Every operation of the package by name: the alphabet."""


def _always(_obj: Any, _task: Task) -> bool:
    return True


def _nothing(_obj: Any, _task: Task) -> None:
    return None


class Op:
    """One kind of step: a pure guard, an action that calls no foreign code, and its footprint.

    Args:
        name: "object.verb", unique; the word in traces, tokens and reports.
        guard: may the step happen now? Pure; reads `obj` and the task's own entry only.
        action: what happens; its result is left in `task.value`.
        access: how the step touches `obj` (WRITE unless told otherwise).
        touches: instead of `access`, every object that the step would read or change in the
            present state. Two steps commute unless they share an object that one changes.
        waits_on: the object whose change can make the guard true (default: `obj` itself).
        wakes: it can end the wait of others on `obj` (a signal, a completion, a wake-up).
        starts: it begins a handler or softirq; `task.value` says on whose CPU.
        says: the words of a report, with `{}` for the object's name.

    Attributes:
        is_guarded: may this operation block at all?
    """

    __slots__ = (
        "access",
        "action",
        "guard",
        "is_guarded",
        "name",
        "says",
        "starts",
        "touches",
        "waits_on",
        "wakes",
    )

    def __init__(
        self,
        name: str,
        *,
        guard: Callable[[Any, Task], bool] = _always,
        action: Callable[[Any, Task], Any] = _nothing,
        access: int = WRITE,
        touches: Callable[[Any, Task], tuple[Touch, ...]] | None = None,
        waits_on: Callable[[Any], Any] | None = None,
        wakes: bool = False,
        starts: bool = False,
        says: str = "",
    ) -> None:
        if name in OPS:
            raise ValueError(f"operation {name} exists already")
        self.name = name
        self.guard = guard
        self.is_guarded = guard is not _always
        self.action = action
        self.access = access
        self.touches = touches
        self.waits_on = waits_on
        self.wakes = wakes
        self.starts = starts
        self.says = says or name.replace(".", " ") + " {}"
        OPS[name] = self

    def footprint(self, obj: Any, task: Task) -> tuple[Touch, ...]:
        """The objects that this step reads or changes in the present state."""
        if self.touches is not None:
            return self.touches(obj, task)
        return ((obj, self.access),)

    def awaited(self, obj: Any) -> Any:
        """The object that a task blocked in this step waits for."""
        return obj if self.waits_on is None else self.waits_on(obj)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"


class GatedOp(Op):
    """An operation of a job, possible until its engine is reset.

    Args:
        op: the operation, whose name it keeps.
        gate: the engine.

    Attributes:
        plain: the operation itself.
    """

    __slots__ = ("gate", "plain")

    def __init__(self, op: Op, gate: Any) -> None:
        self.plain = op
        self.gate = gate
        self.name = op.name
        self.guard = self._is_possible
        self.is_guarded = True
        self.action = op.action
        self.access = op.access
        self.touches = self._touched
        self.waits_on = op.waits_on
        self.wakes = op.wakes
        self.starts = op.starts
        self.says = op.says

    def _is_possible(self, obj: Any, task: Task) -> bool:
        return not task.told_to_die and self.plain.guard(obj, task)

    def _touched(self, obj: Any, task: Task) -> tuple[Touch, ...]:
        return (*self.plain.footprint(obj, task), (self.gate, READ))
