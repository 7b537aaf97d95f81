"""What a task holds, and the assertions that code makes about it.

Mirrors: include/linux/lockdep.h

Code that relies on a lock, on interrupts being off or on being able to sleep says so in a line,
and a failed assertion is a kernel warning that names the task and what it does hold. There is
nothing to ask about softirqs here, so no assertion about them.

    >>> from dmabuf.sync.mutex import Mutex
    >>> lock = Mutex("A")
    >>> with lock:
    ...     assert_held(lock)
    ...     lock_is_held(lock)
    <Hold.WRITE: 'write'>
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Hashable
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime, Task
from dmabuf.rt.notes import Note, tell
from dmabuf.sync.context import might_sleep, warn_on

__all__ = [
    "Hold",
    "assert_held",
    "assert_held_read",
    "assert_held_write",
    "assert_in_irq",
    "assert_irqs_disabled",
    "assert_irqs_enabled",
    "assert_none_held",
    "assert_not_held",
    "assert_preemption_disabled",
    "assert_preemption_enabled",
    "lock_is_held",
    "lock_nest_lock",
    "lock_nested",
    "lockdep_set_class",
    "lockdep_set_subclass",
    "might_lock",
    "might_lock_read",
    "unlocks_unheld",
]

_SAID = "sync.lockdep.said"


class Hold(enum.Enum):
    """How a task holds a lock; false if it does not."""

    NONE = ""
    READ = "read"
    WRITE = "write"

    def __bool__(self) -> bool:
        return self is not Hold.NONE


@kernel("lock_is_held", "lock_is_held_type", "lockdep_is_held", "lockdep_is_held_type")
def lock_is_held(lock: Any, task: Task | None = None) -> Hold:
    """How a task holds `lock`: a mutex or spinlock for WRITE, a shared one as it was taken.

    Reads the task's own entry only, so it is no step. Context: any.

    Args:
        lock: any lock of `sync`.
        task: the calling task if not given.
    """
    task = task or _runtime(lock).current()
    if lock not in task.held:
        return Hold.NONE
    return Hold.READ if task in getattr(lock, "readers", ()) else Hold.WRITE


@kernel("lockdep_assert_held", "lockdep_assert_held_once")
def assert_held(lock: Any, *, once: bool = False) -> None:
    """Warn (DF004) unless the calling task holds `lock`, in whichever way. Context: any.

    Args:
        lock: any lock of `sync`.
        once: warn the first time only that this line of the caller fails.
    """
    if not lock_is_held(lock):
        _relies(lock, "", once=once)


@kernel("lockdep_assert_held_read")
def assert_held_read(lock: Any) -> None:
    """Warn (DF004) unless the calling task holds `lock` for reading. Context: any."""
    if lock_is_held(lock) is not Hold.READ:
        _relies(lock, " for reading")


@kernel("lockdep_assert_held_write")
def assert_held_write(lock: Any) -> None:
    """Warn (DF004) unless the calling task holds `lock` for writing. Context: any."""
    if lock_is_held(lock) is not Hold.WRITE:
        _relies(lock, " for writing")


@kernel("lockdep_assert_not_held")
def assert_not_held(lock: Any) -> None:
    """Warn (DF004) if the calling task holds `lock`. Context: any."""
    if lock_is_held(lock):
        _warn(_runtime(lock), f"relies on not holding {_runtime(lock).label(lock)}")


@kernel("lockdep_assert_none_held_once", "debug_check_no_locks_held")
def assert_none_held() -> None:
    """Warn (DF004) if the calling task holds any lock. Context: any."""
    rt = ambient()
    if rt.current().held:
        _warn(rt, "relies on holding no lock")


@kernel("lockdep_assert_irqs_enabled")
def assert_irqs_enabled() -> None:
    """Warn (DF004) if interrupts are off on this CPU. Context: any."""
    rt = ambient()
    if _irqs_are_off(rt.current()):
        _warn(rt, "relies on interrupts being on")


@kernel("lockdep_assert_irqs_disabled")
def assert_irqs_disabled() -> None:
    """Warn (DF004) if interrupts are on on this CPU. Context: any."""
    rt = ambient()
    if not _irqs_are_off(rt.current()):
        _warn(rt, "relies on interrupts being off")


@kernel("lockdep_assert_in_irq")
def assert_in_irq() -> None:
    """Warn (DF004) unless this runs as an interrupt handler. Context: any."""
    rt = ambient()
    if not rt.current().in_irq:
        _warn(rt, "relies on being an interrupt handler")


@kernel("lockdep_assert_preemption_enabled")
def assert_preemption_enabled() -> None:
    """Warn (DF004) if this task cannot be preempted. Context: any."""
    rt = ambient()
    if rt.current().is_atomic:
        _warn(rt, "relies on preemption being on")


@kernel("lockdep_assert_preemption_disabled")
def assert_preemption_disabled() -> None:
    """Warn (DF004) if this task can be preempted. Context: any."""
    rt = ambient()
    if not rt.current().is_atomic:
        _warn(rt, "relies on preemption being off")


@kernel("might_lock")
def might_lock(lock: Any) -> None:
    """Say that `lock` may be taken on this path, whether or not it is this time.

    What would be wrong with taking it is wrong now. Context: as that of taking it.
    """
    _might_lock(lock, (Hold.READ, Hold.WRITE))


@kernel("might_lock_read")
def might_lock_read(lock: Any) -> None:
    """As `might_lock`, for reading. Context: as that of taking it."""
    _might_lock(lock, (Hold.WRITE,))


@kernel("lockdep_set_class", "lockdep_set_class_and_name")
def lockdep_set_class(lock: Any, key: Hashable) -> None:
    """Say what class a lock is of, instead of that of the place where it is made.

    Only a validator that is attached listens. Context: any; before the lock is used.

    Args:
        lock: any lock of `sync`.
        key: locks of one key are one class.
    """
    _set_class(lock, key, 0)


@kernel("lockdep_set_subclass")
def lockdep_set_subclass(lock: Any, subclass: int) -> None:
    """Say on which level of its class a lock is, from 1. Context: any; before the lock is used."""
    _set_class(lock, None, subclass)


def _set_class(lock: Any, key: Hashable, subclass: int) -> None:
    rt = _runtime(lock)
    if not rt.quick:
        tell(rt, Note.SET_CLASS, (lock, key, subclass))


@kernel("mutex_lock_nested", "spin_lock_nested", "down_write_nested", "ww_mutex_lock_nested")
def lock_nested(lock: Any, subclass: int) -> None:
    """Lock one more of a class, on a level of its own: levels are taken in one order.

    Context: as that of taking it.
    """
    _lock_further(lock, subclass, None)


@kernel("mutex_lock_nest_lock", "spin_lock_nest_lock", "down_write_nest_lock")
def lock_nest_lock(lock: Any, outer: Any) -> None:
    """Lock one of a class of which others are held: `outer`, which is held, makes that safe.

    Context: as that of taking it.
    """
    _lock_further(lock, 0, outer)


def _lock_further(lock: Any, subclass: int, outer: Any) -> None:
    rt = _runtime(lock)
    if not rt.quick:
        tell(rt, Note.NESTS, (subclass, outer))
    take = getattr(lock, "lock", None) or lock.down_write
    take()


@no_kernel("one wording for all locks")
def unlocks_unheld(lock: Any, task: Task, holders: tuple[Task, ...], how: str = "") -> str:
    """The message about a task that unlocks what it does not hold (so).

    Args:
        lock: what it unlocks.
        task: who.
        holders: who holds it instead.
        how: " for reading" or " for writing" of a lock that has both.
    """
    names = ", ".join(sorted(holder.name for holder in holders))
    who = f"{names} hold{'s' if len(holders) == 1 else ''}" if holders else "nobody holds"
    return f"{task.name} unlocks {_runtime(lock).label(lock)}{how}, which {who}"


def _might_lock(lock: Any, excluded: tuple[Hold, ...]) -> None:
    rt = _runtime(lock)
    label = rt.label(lock)
    if not lock.is_spinning:
        might_sleep(f"taking {label}", runtime=rt)
    if not rt.quick:
        tell(rt, Note.MIGHT_LOCK, (lock, Hold.READ not in excluded))
    if lock_is_held(lock) in excluded:
        _warn(rt, f"might lock {label}, which it holds already")


def _runtime(lock: Any) -> Runtime:
    runtime: Runtime = lock.rt
    return runtime


def _irqs_are_off(task: Task) -> bool:
    return task.irqs_off > 0 or task.in_irq


def _relies(lock: Any, how: str, *, once: bool = False) -> None:
    rt = _runtime(lock)
    if not once or _is_first(rt):
        _warn(rt, f"relies on {rt.label(lock)}, which it does not hold{how}")


def _is_first(rt: Runtime) -> bool:
    """Does this line of the caller fail for the first time in this runtime?"""
    frame = sys._getframe(3)
    place = (frame.f_code.co_filename, frame.f_lineno)
    said: set[tuple[str, int]] = rt.extras.setdefault(_SAID, set())
    if place in said:
        return False
    said.add(place)
    return True


def _warn(rt: Runtime, what: str) -> None:
    task = rt.current()
    holds = ", ".join(f"{rt.label(lock)}{_mode(lock, task)}" for lock in task.held)
    warn_on(rt, f"{task.name} {what}; it holds {holds or 'no lock'}")


def _mode(lock: Any, task: Task) -> str:
    return " (read)" if lock_is_held(lock, task) is Hold.READ else ""
