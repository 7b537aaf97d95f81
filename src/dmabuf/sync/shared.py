"""A word of memory that tasks share without a lock.

Mirrors: include/linux/compiler.h (READ_ONCE, WRITE_ONCE), include/linux/atomic.h

A design that lets tasks share plain Python variables hides that sharing from the explorer; a
`Shared` shows it. Accesses are sequentially consistent: weak memory is out of scope.

    >>> ready = Shared(False, "ready")
    >>> ready.write(True); ready.read()
    True
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from dmabuf._names import kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Runtime, Task

__all__ = ["Shared"]

T = TypeVar("T")


def _load(cell: Shared[Any], _task: Task) -> Any:
    return cell._value


def _store(cell: Shared[Any], task: Task) -> None:
    cell._value = task.arg


def _add(cell: Shared[Any], task: Task) -> Any:
    cell._value += task.arg
    return cell._value


def _exchange(cell: Shared[Any], task: Task) -> Any:
    before, cell._value = cell._value, task.arg
    return before


LOAD = Op("shared.read", action=_load, access=READ, says="reads {}")
STORE = Op("shared.write", action=_store, says="writes {}")
ADD = Op("shared.add", action=_add, says="adds to {}")
EXCHANGE = Op("shared.exchange", action=_exchange, says="exchanges {}")


class Shared(Generic[T]):
    """A cell that any task may read and change, each access one indivisible step.

    Args:
        value: what it holds at first.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "_value", "name", "rt")

    def __init__(self, value: T, name: str = "", *, rt: Runtime | None = None) -> None:
        self._value = value
        self.name = name or "shared"
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("READ_ONCE", "atomic_read")
    def read(self) -> T:
        """What it holds. Context: any."""
        self.rt.step(LOAD, self)
        value: T = self.rt.current().value
        return value

    @kernel("WRITE_ONCE", "atomic_set")
    def write(self, value: T) -> None:
        """Hold `value` from now on. Context: any."""
        self.rt.step(STORE, self, value)

    @kernel("atomic_add_return", "atomic_inc_return", "atomic_dec_return")
    def add(self, value: T) -> T:
        """Add and return the sum, indivisibly. Context: any."""
        self.rt.step(ADD, self, value)
        total: T = self.rt.current().value
        return total

    @kernel("xchg", "atomic_xchg")
    def exchange(self, value: T) -> T:
        """Store and return what was there, indivisibly. Context: any."""
        self.rt.step(EXCHANGE, self, value)
        before: T = self.rt.current().value
        return before
