"""Sleeping reader-writer lock: many readers or one writer.

Mirrors: include/linux/rwsem.h

Waiters queue in order of arrival, and a reader that comes while a writer waits queues behind it.
So a task that takes it for reading twice deadlocks if a writer comes in between.

    >>> sem = RwSem("mmap_lock")
    >>> with sem.read():
    ...     sem.down_read_trylock(), sem.down_write_trylock()
    (True, False)
    >>> sem.up_read()
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.sync.context import might_sleep
from dmabuf.sync.lockdep import Hold, lock_is_held, unlocks_unheld

__all__ = ["RwSem"]


# --- what the steps do ---------------------------------------------------------------------------


def _read_is_possible(sem: RwSem) -> bool:
    return sem.owner is None and not sem.queue


def _write_is_possible(sem: RwSem) -> bool:
    return sem.owner is None and not sem.readers and not sem.queue


def _own(sem: RwSem, task: Task, *, writes: bool) -> None:
    """Make `task` a holder; its own list of locks is its own step's business."""
    if writes:
        sem.owner = task
    else:
        sem.readers[task] = sem.readers.get(task, 0) + 1


def _admit(sem: RwSem) -> None:
    """Hand the lock on: to the first waiter if it writes, else to every reader in the queue.

    Readers behind a later writer come along, so that readers and writers take turns.
    """
    if not sem.queue or sem.owner is not None:
        return
    first = next(iter(sem.queue))
    if not sem.queue[first]:
        for task in [task for task, writes in sem.queue.items() if not writes]:
            del sem.queue[task]
            _own(sem, task, writes=False)
    elif not sem.readers:
        del sem.queue[first]
        _own(sem, first, writes=True)


def _take_or_queue(sem: RwSem, task: Task, *, writes: bool) -> bool:
    if _try(sem, task, writes=writes):
        return True
    sem.queue[task] = writes
    return False


def _try(sem: RwSem, task: Task, *, writes: bool) -> bool:
    if not (_write_is_possible(sem) if writes else _read_is_possible(sem)):
        return False
    _own(sem, task, writes=writes)
    task.hold(sem)
    return True


def _is_admitted(sem: RwSem, task: Task) -> bool:
    return task not in sem.queue


def _enter(sem: RwSem, task: Task) -> None:
    task.hold(sem)


def _cancel(sem: RwSem, task: Task) -> bool:
    """Leave the queue, unless the lock was handed over before: then the task has it."""
    if task not in sem.queue:
        task.hold(sem)
        return True
    del sem.queue[task]
    _admit(sem)
    return False


def _abandon(sem: RwSem, task: Task) -> None:
    """An exception ended the wait: neither queued nor holding what was just asked for."""
    if task in sem.queue:
        del sem.queue[task]
        _admit(sem)
        return
    entered = task.held.get(sem, 0) == _holds(sem, task)
    _give(sem, task, writes=sem.owner is task)
    if entered:
        task.let_go(sem)


def _holds(sem: RwSem, task: Task) -> int:
    return 1 if sem.owner is task else sem.readers.get(task, 0)


def _give(sem: RwSem, task: Task, *, writes: bool) -> None:
    if writes:
        sem.owner = None
    elif sem.readers[task] > 1:
        sem.readers[task] -= 1
    else:
        del sem.readers[task]
    _admit(sem)


def _release(sem: RwSem, task: Task, *, writes: bool) -> tuple[Task, ...] | None:
    """None if `task` held it so and does no more; else who holds it."""
    if not (sem.owner is task if writes else task in sem.readers):
        return sem.holders
    task.let_go(sem)
    _give(sem, task, writes=writes)
    return None


def _downgrade(sem: RwSem, task: Task) -> tuple[Task, ...] | None:
    if sem.owner is not task:
        return sem.holders
    sem.owner = None
    _own(sem, task, writes=False)
    _admit(sem)
    return None


def _read_touches(sem: RwSem, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((sem, WRITE if _read_is_possible(sem) else READ),)


def _write_touches(sem: RwSem, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((sem, WRITE if _write_is_possible(sem) else READ),)


DOWN_READ = Op(
    "rwsem.down_read",
    action=lambda sem, task: _take_or_queue(sem, task, writes=False),
    says="asks to read under {}",
)
DOWN_WRITE = Op(
    "rwsem.down_write",
    action=lambda sem, task: _take_or_queue(sem, task, writes=True),
    says="asks to write under {}",
)
# Nobody else reads what the waiter's own step changes, so those let in together commute.
WAIT = Op("rwsem.wait", guard=_is_admitted, action=_enter, access=READ, says="waits for {}")
CANCEL = Op("rwsem.cancel", action=_cancel, says="no longer waits for {}")
ABANDON = Op("rwsem.abandon", action=_abandon, says="gives {} up")
TRY_READ = Op(
    "rwsem.down_read_trylock",
    action=lambda sem, task: _try(sem, task, writes=False),
    touches=_read_touches,
    says="tries to read under {}",
)
TRY_WRITE = Op(
    "rwsem.down_write_trylock",
    action=lambda sem, task: _try(sem, task, writes=True),
    touches=_write_touches,
    says="tries to write under {}",
)
UP_READ = Op(
    "rwsem.up_read",
    action=lambda sem, task: _release(sem, task, writes=False),
    says="ends reading under {}",
)
UP_WRITE = Op(
    "rwsem.up_write",
    action=lambda sem, task: _release(sem, task, writes=True),
    says="ends writing under {}",
)
DOWNGRADE = Op("rwsem.downgrade_write", action=_downgrade, says="goes on reading under {}")
IS_LOCKED = Op(
    "rwsem.is_locked",
    action=lambda sem, _task: bool(sem.holders),
    access=READ,
    says="asks whether {} is locked",
)
IS_CONTENDED = Op(
    "rwsem.is_contended",
    action=lambda sem, _task: bool(sem.queue),
    access=READ,
    says="asks whether anybody waits for {}",
)


# --- the lock ------------------------------------------------------------------------------------


@kernel("struct rw_semaphore")
class RwSem:
    """Many readers or one writer, first come first served; never used in atomic context.

    A free lock is taken at once, otherwise the task queues and the lock is handed over to it. The
    kernel may let a running task overtake the first waiter for a few milliseconds; an order that
    comes of that is explored as one in which the overtaken came later.

    Args:
        name: for reports; the kernel's lock class name.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        owner: who holds it for writing.
        readers: who holds it for reading, and how many times.
        queue: who waits, in order of arrival; True for writers.
    """

    __slots__ = ("__weakref__", "name", "owner", "queue", "readers", "rt")

    is_lock = True
    is_spinning = False

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "rwsem"
        self.owner: Task | None = None
        self.readers: dict[Task, int] = {}
        self.queue: dict[Task, bool] = {}
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("down_read", "down_read_interruptible", "down_read_killable", context="process")
    def down_read(self, *, interruptible: bool = False, killable: bool = False) -> None:
        """Wait until no writer holds it or came earlier, and read. Context: process, may sleep.

        Args:
            interruptible: a pending signal ends the wait.
            killable: the same here, as every pending signal counts as fatal.

        Raises:
            ContractViolation: DF004, the task holds it for writing; DF003, it may not sleep.
            Interrupted: a signal came while it waited.
        """
        self._check("down_read", Hold.WRITE)
        self._down(DOWN_READ, interruptible or killable)

    @kernel("down_write", "down_write_killable", context="process")
    def down_write(self, *, killable: bool = False) -> None:
        """Wait until nobody holds it or came earlier, and write. Context: process, may sleep.

        Args:
            killable: a pending signal ends the wait, as every one counts as fatal here.

        Raises:
            ContractViolation: DF004, the task holds it already; DF003, it may not sleep.
            Interrupted: a signal came while it waited.
        """
        self._check("down_write", Hold.WRITE, Hold.READ)
        self._down(DOWN_WRITE, killable)

    @kernel("down_read_trylock")
    def down_read_trylock(self) -> bool:
        """Read if no writer holds it *and nobody waits*; never waits. Context: any."""
        self.rt.step(TRY_READ, self)
        return bool(self.rt.current().value)

    @kernel("down_write_trylock")
    def down_write_trylock(self) -> bool:
        """Write if nobody holds it and nobody waits; never waits. Context: any."""
        self.rt.step(TRY_WRITE, self)
        return bool(self.rt.current().value)

    @kernel("up_read")
    def up_read(self) -> None:
        """End reading. Raises ContractViolation (DF004) unless the task reads. Context: any."""
        self._up(UP_READ, " for reading")

    @kernel("up_write")
    def up_write(self) -> None:
        """End writing. Raises ContractViolation (DF004) unless the task writes. Context: any."""
        self._up(UP_WRITE, " for writing")

    @kernel("downgrade_write")
    def downgrade_write(self) -> None:
        """Go on as a reader, with the readers that wait if they come next. Context: any.

        Raises:
            ContractViolation: DF004, the task does not write.
        """
        self._up(DOWNGRADE, " for writing")

    @kernel("rwsem_is_locked")
    def is_locked(self) -> bool:
        """Does anybody hold it? Stale as soon as it is answered. Context: any."""
        self.rt.step(IS_LOCKED, self)
        return bool(self.rt.current().value)

    @kernel("rwsem_is_contended")
    def is_contended(self) -> bool:
        """Does anybody wait for it? Stale as soon as it is answered. Context: any."""
        self.rt.step(IS_CONTENDED, self)
        return bool(self.rt.current().value)

    @contextmanager
    @no_kernel("down_read and up_read as a with-block")
    def read(self) -> Generator[RwSem]:
        """Read inside. Context: process, may sleep."""
        self.down_read()
        try:
            yield self
        finally:
            self.up_read()

    @contextmanager
    @no_kernel("down_write and up_write as a with-block")
    def write(self) -> Generator[RwSem]:
        """Write inside; after a downgrade only the reading is left to end. Context: process."""
        self.down_write()
        try:
            yield self
        finally:
            if self.owner is not self.rt.current() and self.rt.current() in self.readers:
                self.up_read()
            else:
                self.up_write()

    @property
    @no_kernel("for reports")
    def holders(self) -> tuple[Task, ...]:
        """Who holds it, without a step."""
        return (self.owner,) if self.owner is not None else tuple(self.readers)

    @no_kernel("for reports")
    def blockers(self, task: Task) -> tuple[Task, ...]:
        """The tasks of which each has to go on before `task`, which waits, does."""
        if self.owner is None and self.queue.get(task) is False:
            return (next(iter(self.queue)),)  # the writer that a reader queues behind
        return self.holders

    def _check(self, call: str, *excluded: Hold) -> None:
        rt = self.rt
        label = rt.label(self)
        might_sleep(f"{call} of {label}", runtime=rt)
        if lock_is_held(self) in excluded:
            rt.report("DF004", f"{rt.current().name} locks {label}, which it holds already")

    def _down(self, op: Op, interruptible: bool) -> None:
        rt = self.rt
        rt.step(op, self)
        if rt.current().value:
            return
        try:
            outcome = rt.step(WAIT, self, interruptible=interruptible)
        except BaseException:
            rt.step(ABANDON, self)
            raise
        if outcome is Outcome.INTERRUPTED:
            rt.step(CANCEL, self)
            if not rt.current().value:
                raise Interrupted(f"lock of {self.name}")

    def _up(self, op: Op, how: str) -> None:
        rt = self.rt
        rt.step(op, self)
        task = rt.current()
        if task.value is not None:
            rt.report("DF004", unlocks_unheld(self, task, task.value, how))

    def __repr__(self) -> str:
        names = ", ".join(task.name for task in self.holders)
        how = "written" if self.owner is not None else "read"
        return f"<RwSem {self.name} {f'{how} by {names}' if names else 'free'}>"
