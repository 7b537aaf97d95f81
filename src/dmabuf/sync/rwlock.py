"""Spinning reader-writer lock: many readers or one writer, none of which may sleep.

Mirrors: include/linux/rwlock.h, include/asm-generic/qrwlock.h

Who finds it taken queues in order of arrival and spins. A reader in process context queues behind
a waiting writer; an interrupt handler's read passes it, so a handler may read what the task that
it interrupted reads, whoever waits to write.

    >>> lock = RwLock("tasklist")
    >>> with lock.read():
    ...     lock.read_trylock(), lock.write_trylock()
    (True, False)
    >>> lock.read_unlock()
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.lockdep import Hold, lock_is_held, unlocks_unheld
from dmabuf.sync.softirq import note_spinlocks

__all__ = ["RwLock"]


# --- what the steps do; `task.arg` says whether interrupts are to be off ------------------------


def _first(lock: RwLock) -> Task | None:
    return next(iter(lock.queue), None)


def _writer_waits(lock: RwLock) -> bool:
    """Only the first in the queue shows: a writer there keeps readers out."""
    first = _first(lock)
    return first is not None and lock.queue[first]


def _read_is_possible(lock: RwLock, task: Task) -> bool:
    return lock.owner is None and (task.in_irq or not _writer_waits(lock))


def _tryread_is_possible(lock: RwLock) -> bool:
    return lock.owner is None and not _writer_waits(lock)


def _write_is_possible(lock: RwLock) -> bool:
    return lock.owner is None and not lock.readers and not lock.queue


def _own(lock: RwLock, task: Task, *, writes: bool) -> None:
    if writes:
        lock.owner = task
    else:
        lock.readers[task] = lock.readers.get(task, 0) + 1
    task.hold(lock)


def _spin(task: Task, by: int) -> None:
    """Whoever spins or holds cannot be preempted, nor interrupted if asked so."""
    task.atomic += by
    if task.arg:
        task.irqs_off += by


def _read_or_queue(lock: RwLock, task: Task) -> bool:
    _spin(task, +1)
    if _read_is_possible(lock, task):
        _own(lock, task, writes=False)
        return True
    # Behind no queue but the writer itself: the handler's guard below does not look at it.
    if not task.in_irq:
        lock.queue[task] = False
    return False


def _write_or_queue(lock: RwLock, task: Task) -> bool:
    _spin(task, +1)
    if _write_is_possible(lock):
        _own(lock, task, writes=True)
        return True
    lock.queue[task] = True
    return False


def _may_enter(lock: RwLock, task: Task) -> bool:
    """The first in the queue looks at the lock, a handler that reads looks past the queue."""
    if lock.owner is not None:
        return False
    if task not in lock.queue:
        return True
    return _first(lock) is task and not (lock.queue[task] and lock.readers)


def _enter(lock: RwLock, task: Task) -> None:
    _own(lock, task, writes=lock.queue.pop(task, False))


def _abandon(lock: RwLock, task: Task) -> None:
    """An exception ended the spinning."""
    lock.queue.pop(task, None)
    _spin(task, -1)


def _try(lock: RwLock, task: Task, *, writes: bool) -> bool:
    if not (_write_is_possible(lock) if writes else _tryread_is_possible(lock)):
        return False
    _spin(task, +1)
    _own(lock, task, writes=writes)
    return True


def _release(lock: RwLock, task: Task, *, writes: bool) -> tuple[Task, ...] | None:
    """None if `task` held it so and does no more; else who holds it."""
    if not (lock.owner is task if writes else task in lock.readers):
        return lock.holders
    task.let_go(lock)
    _spin(task, -1)
    if writes:
        lock.owner = None
    elif lock.readers[task] > 1:
        lock.readers[task] -= 1
    else:
        del lock.readers[task]
    return None


def _tryread_touches(lock: RwLock, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((lock, WRITE if _tryread_is_possible(lock) else READ),)


def _trywrite_touches(lock: RwLock, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((lock, WRITE if _write_is_possible(lock) else READ),)


READ_LOCK = Op("rwlock.read_lock", action=_read_or_queue, says="asks to read under {}")
WRITE_LOCK = Op("rwlock.write_lock", action=_write_or_queue, says="asks to write under {}")
SPIN = Op("rwlock.spin", guard=_may_enter, action=_enter, says="spins for {}")
ABANDON = Op("rwlock.abandon", action=_abandon, says="gives {} up")
TRY_READ = Op(
    "rwlock.read_trylock",
    action=lambda lock, task: _try(lock, task, writes=False),
    touches=_tryread_touches,
    says="tries to read under {}",
)
TRY_WRITE = Op(
    "rwlock.write_trylock",
    action=lambda lock, task: _try(lock, task, writes=True),
    touches=_trywrite_touches,
    says="tries to write under {}",
)
READ_UNLOCK = Op(
    "rwlock.read_unlock",
    action=lambda lock, task: _release(lock, task, writes=False),
    says="ends reading under {}",
)
WRITE_UNLOCK = Op(
    "rwlock.write_unlock",
    action=lambda lock, task: _release(lock, task, writes=True),
    says="ends writing under {}",
)


# --- the lock ------------------------------------------------------------------------------------


@kernel("rwlock_t")
class RwLock:
    """Many readers or one writer, taken in any context; a holder may not sleep.

    Unlike `RwSem` it is not handed over: the first in the queue takes it when it runs, so a task
    that a handler interrupted while it spun holds nothing.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        owner: who holds it for writing.
        readers: who holds it for reading, and how many times.
        queue: who spins, in order of arrival; True for writers.
    """

    __slots__ = ("__weakref__", "name", "owner", "queue", "readers", "rt")

    is_lock = True
    is_spinning = True

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "rwlock"
        self.owner: Task | None = None
        self.readers: dict[Task, int] = {}
        self.queue: dict[Task, bool] = {}
        self.rt = rt or ambient()
        note_spinlocks(self.rt)
        self.rt.adopt(self, name)

    @kernel("read_lock", "read_lock_irq")
    def read_lock(self, *, irqs_off: bool = False) -> None:
        """Spin until no writer holds it (nor came earlier), and read. Context: any, then atomic.

        Args:
            irqs_off: also turn interrupts off; the unlock has to be told so, too.

        Raises:
            ContractViolation: DF004, the task holds it for writing.
        """
        self._lock(READ_LOCK, irqs_off, Hold.WRITE)

    @kernel("write_lock", "write_lock_irq")
    def write_lock(self, *, irqs_off: bool = False) -> None:
        """Spin until nobody holds it or came earlier, and write. Context: any, then atomic.

        Raises:
            ContractViolation: DF004, the task holds it already.
        """
        self._lock(WRITE_LOCK, irqs_off, Hold.READ, Hold.WRITE)

    @kernel("read_trylock")
    def read_trylock(self) -> bool:
        """Read if no writer holds it or is the next; never spins. Context: any."""
        self.rt.step(TRY_READ, self, False)
        return bool(self.rt.current().value)

    @kernel("write_trylock")
    def write_trylock(self) -> bool:
        """Write if nobody holds it or spins for it; never spins. Context: any."""
        self.rt.step(TRY_WRITE, self, False)
        return bool(self.rt.current().value)

    @kernel("read_unlock", "read_unlock_irq")
    def read_unlock(self, *, irqs_off: bool = False) -> None:
        """End reading. Raises ContractViolation (DF004) unless the task reads. Context: any."""
        self._unlock(READ_UNLOCK, irqs_off, " for reading")

    @kernel("write_unlock", "write_unlock_irq")
    def write_unlock(self, *, irqs_off: bool = False) -> None:
        """End writing. Raises ContractViolation (DF004) unless the task writes. Context: any."""
        self._unlock(WRITE_UNLOCK, irqs_off, " for writing")

    @contextmanager
    @no_kernel("read_lock and read_unlock as a with-block")
    def read(self) -> Generator[RwLock]:
        """Read inside. Context: any, atomic inside."""
        self.read_lock()
        try:
            yield self
        finally:
            self.read_unlock()

    @contextmanager
    @no_kernel("write_lock and write_unlock as a with-block")
    def write(self) -> Generator[RwLock]:
        """Write inside. Context: any, atomic inside."""
        self.write_lock()
        try:
            yield self
        finally:
            self.write_unlock()

    @contextmanager
    @kernel("read_lock_irqsave", "read_unlock_irqrestore")
    def read_irqsave(self) -> Generator[RwLock]:
        """Read with interrupts off on this CPU; restores what was. Context: any."""
        self.read_lock(irqs_off=True)
        try:
            yield self
        finally:
            self.read_unlock(irqs_off=True)

    @contextmanager
    @kernel("write_lock_irqsave", "write_unlock_irqrestore")
    def write_irqsave(self) -> Generator[RwLock]:
        """Write with interrupts off on this CPU; restores what was. Context: any."""
        self.write_lock(irqs_off=True)
        try:
            yield self
        finally:
            self.write_unlock(irqs_off=True)

    @kernel("rwlock_is_contended")
    def is_contended(self) -> bool:
        """Does anybody spin for it? Without a step: for assertions only."""
        return bool(self.queue)

    @property
    @no_kernel("for reports")
    def holders(self) -> tuple[Task, ...]:
        """Who holds it, without a step."""
        return (self.owner,) if self.owner is not None else tuple(self.readers)

    @no_kernel("for reports")
    def blockers(self, task: Task) -> tuple[Task, ...]:
        """The tasks of which each has to go on before `task`, which spins, does."""
        first = _first(self)
        if task in self.queue and first is not None and first is not task:
            return (first,)
        return self.holders

    def _lock(self, op: Op, irqs_off: bool, *excluded: Hold) -> None:
        rt = self.rt
        task = rt.current()
        if lock_is_held(self) in excluded:
            rt.report("DF004", f"{task.name} locks {rt.label(self)}, which it holds already")
        rt.step(op, self, irqs_off)
        if task.value:
            return
        try:
            rt.step(SPIN, self)
        except BaseException:
            rt.step(ABANDON, self, irqs_off)
            raise

    def _unlock(self, op: Op, irqs_off: bool, how: str) -> None:
        rt = self.rt
        rt.step(op, self, irqs_off)
        task = rt.current()
        if task.value is not None:
            rt.report("DF004", unlocks_unheld(self, task, task.value, how))

    def __repr__(self) -> str:
        names = ", ".join(task.name for task in self.holders)
        how = "written" if self.owner is not None else "read"
        return f"<RwLock {self.name} {f'{how} by {names}' if names else 'free'}>"
