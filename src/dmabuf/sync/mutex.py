"""Sleeping lock with one owner.

Mirrors: include/linux/mutex.h

    >>> lock = Mutex("A")
    >>> with lock:
    ...     lock.is_locked()
    True
"""

from __future__ import annotations

from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.lockdep import assert_held

__all__ = ["Mutex"]


def _is_free(lock: Mutex, _task: Task) -> bool:
    return lock.owner is None


def _take(lock: Mutex, task: Task) -> None:
    assert lock.owner is None
    lock.owner = task
    task.held[lock] = 1


def _try(lock: Mutex, task: Task) -> bool:
    if lock.owner is not None:
        return False
    _take(lock, task)
    return True


def _try_touches(lock: Mutex, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((lock, READ if lock.owner is not None else WRITE),)


def _release(lock: Mutex, task: Task) -> Task | None:
    """Free the lock if `task` owns it; returns the owner found."""
    owner = lock.owner
    if owner is task:
        lock.owner = None
        del task.held[lock]
    return owner


def _owner(lock: Mutex, _task: Task) -> Task | None:
    return lock.owner


LOCK = Op("mutex.lock", guard=_is_free, action=_take, says="locks {}")
TRYLOCK = Op("mutex.trylock", action=_try, touches=_try_touches, says="tries to lock {}")
UNLOCK = Op("mutex.unlock", action=_release, says="unlocks {}")
DESTROY = Op("mutex.destroy", action=_owner, access=READ, says="destroys {}")
IS_LOCKED = Op("mutex.is_locked", action=_owner, access=READ, says="asks whether {} is locked")


@kernel("struct mutex")
class Mutex:
    """A sleeping lock: owned by a task, not recursive, never used in atomic context.

    Args:
        name: for reports; the kernel's lock class name.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "name", "owner", "rt")

    is_lock = True
    is_spinning = False

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "mutex"
        self.owner: Task | None = None
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("mutex_lock", context="process")
    def lock(self) -> None:
        """Wait until the lock is free and take it. Context: process, may sleep.

        Raises:
            ContractViolation: DF004, the task owns it already; DF003, the task may not sleep.
        """
        rt = self.rt
        task = rt.current()
        if task.is_atomic or self.owner is task:
            self._complain("mutex_lock", task)
        rt.step(LOCK, self)

    @kernel("mutex_lock_interruptible", context="process")
    def lock_interruptible(self) -> None:
        """As `lock`, but a pending signal ends the wait. Raises Interrupted."""
        rt = self.rt
        task = rt.current()
        if task.is_atomic or self.owner is task:
            self._complain("mutex_lock_interruptible", task)
        if rt.step(LOCK, self, interruptible=True) is Outcome.INTERRUPTED:
            raise Interrupted(f"lock of {self.name}")

    def _complain(self, call: str, task: Task) -> None:
        rt = self.rt
        if task.is_atomic:
            might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        if self.owner is task:
            rt.report("DF004", f"{task.name} locks {rt.label(self)}, which it holds already")

    @kernel("mutex_trylock", context="process")
    def trylock(self) -> bool:
        """Take the lock if it is free; never waits. Context: process."""
        self.rt.step(TRYLOCK, self)
        return bool(self.rt.current().value)

    @kernel("mutex_unlock", context="process")
    def unlock(self) -> None:
        """Free the lock. Raises ContractViolation (DF004) unless the task owns it."""
        rt = self.rt
        rt.step(UNLOCK, self)
        task = rt.current()
        if task.value is not task:
            rt.report("DF004", _not_owned(rt, self, task))

    @kernel("mutex_is_locked")
    def is_locked(self) -> bool:
        """Does anybody hold it? Stale as soon as it is answered. Context: any."""
        self.rt.step(IS_LOCKED, self)
        return self.rt.current().value is not None

    @kernel("mutex_destroy")
    def destroy(self) -> None:
        """Say that nobody uses it any more; warns (DF004) if it is locked. Context: any."""
        rt = self.rt
        rt.step(DESTROY, self)
        task = rt.current()
        if task.value is not None:
            warn_on(rt, f"{task.name} destroys {rt.label(self)}, which {task.value.name} holds")

    @no_kernel("lockdep.assert_held, as a method")
    def assert_held(self) -> None:
        """Warn (DF004) unless the calling task holds the lock."""
        assert_held(self)

    @no_kernel("with-statement for mutex_lock")
    def __enter__(self) -> Mutex:
        self.lock()
        return self

    @no_kernel("with-statement for mutex_unlock")
    def __exit__(self, *_: object) -> None:
        self.unlock()

    def __repr__(self) -> str:
        owner = f"held by {self.owner.name}" if self.owner is not None else "free"
        return f"<Mutex {self.name} {owner}>"


def _not_owned(rt: Runtime, lock: Any, task: Task) -> str:
    holder = task.value
    who = f"{holder.name} holds" if holder is not None else "nobody holds"
    return f"{task.name} unlocks {rt.label(lock)}, which {who}"
