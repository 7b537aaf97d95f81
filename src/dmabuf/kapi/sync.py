"""Completions, wait queues, scopes and atomics where C spells a pair or a variant by name.

What a `_save` call returns is opaque here as it is there: hand it to the matching `_restore`.

Mirrors: include/linux/completion.h, include/linux/wait.h, include/linux/sched/mm.h,
include/linux/irqflags.h, include/linux/atomic.h
"""

from __future__ import annotations

from collections.abc import Callable

from dmabuf.kapi.spell import (
    MAX_SCHEDULE_TIMEOUT,
    Flags,
    entered,
    left,
    returns_errno,
    spelled,
    to_jiffies,
    to_ns,
)
from dmabuf.rt.ambient import ambient
from dmabuf.rt.clock import NS_PER_S
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import (
    local_irq_save,
    memalloc_nofs,
    memalloc_noio,
    memalloc_noreclaim,
    might_sleep,
    warn_on,
)
from dmabuf.sync.shared import Shared
from dmabuf.sync.softirq import bh_disable, bh_enable
from dmabuf.sync.waitqueue import WaitQueue

__all__: list[str] = []


# -- pairs -------------------------------------------------------------------------------------


@spelled("local_irq_save")
def save_irq() -> Flags:
    """Turn interrupts off; returns the flags."""
    return entered(local_irq_save())


spelled("local_bh_disable")(bh_disable)
spelled("local_bh_enable")(bh_enable)


@spelled("memalloc_noreclaim_save")
def memalloc_noreclaim_save() -> Flags:
    """Open the scope; returns the flags."""
    return entered(memalloc_noreclaim())


@spelled("memalloc_nofs_save")
def memalloc_nofs_save() -> Flags:
    """Open the scope; returns the flags."""
    return entered(memalloc_nofs())


@spelled("memalloc_noio_save")
def memalloc_noio_save() -> Flags:
    """Open the scope; returns the flags."""
    return entered(memalloc_noio())


@spelled(
    "local_irq_restore",
    "memalloc_noreclaim_restore",
    "memalloc_nofs_restore",
    "memalloc_noio_restore",
)
def restore(flags: Flags) -> None:
    """End what the matching `_save` call began."""
    left(flags)


# -- timeouts ----------------------------------------------------------------------------------


def _waited(wait: Callable[[float | None], bool], timeout: int) -> int:
    """Jiffies left of `timeout`, at least 1, or 0 if `wait(seconds)` ran out of time."""
    limit = to_ns(timeout)
    if limit is None:
        wait(None)
        return MAX_SCHEDULE_TIMEOUT
    rt = ambient()
    started = rt.now()
    if not wait(limit / NS_PER_S):
        return 0
    return max(to_jiffies(limit - (rt.now() - started)), 1)


@spelled("wait_for_completion")
def wait_for_completion(done: Completion) -> None:
    """Wait for ever."""
    done.wait()


@spelled("wait_for_completion_timeout")
def wait_for_completion_timeout(done: Completion, timeout: int) -> int:
    """Jiffies left, at least 1, or 0 if the time ran out."""
    return _waited(done.wait, timeout)


@spelled("wait_for_completion_interruptible")
@returns_errno
def wait_for_completion_interruptible(done: Completion) -> int:
    """0 or -ERESTARTSYS."""
    done.wait(interruptible=True)
    return 0


@spelled("wait_event")
def wait_event(queue: WaitQueue, condition: Callable[[], object]) -> None:
    """Wait until `condition()`."""
    queue.wait_event(condition)


@spelled("wait_event_timeout")
def wait_event_timeout(queue: WaitQueue, condition: Callable[[], object], timeout: int) -> int:
    """Jiffies left, at least 1, or 0 if the time ran out with `condition()` false."""
    return _waited(lambda seconds: queue.wait_event(condition, seconds), timeout)


@spelled("wait_event_interruptible")
@returns_errno
def wait_event_interruptible(queue: WaitQueue, condition: Callable[[], object]) -> int:
    """0 or -ERESTARTSYS."""
    queue.wait_event_interruptible(condition)
    return 0


# -- variants ----------------------------------------------------------------------------------


@spelled("prepare_to_wait")
def prepare_to_wait(queue: WaitQueue) -> None:
    """Queue the task."""
    queue.prepare_to_wait()


@spelled("prepare_to_wait_exclusive")
def prepare_to_wait_exclusive(queue: WaitQueue) -> None:
    """Queue the task; a wake-up wakes one of those."""
    queue.prepare_to_wait(exclusive=True)


@spelled("wake_up_nr")
def wake_up_nr(queue: WaitQueue, nr: int) -> None:
    """Wake all that are not exclusive, and `nr` that are."""
    queue.wake_up(nr)


@spelled("wake_up", "wake_up_interruptible")
def wake_up(queue: WaitQueue) -> None:
    """Wake all that are not exclusive, and one that is."""
    queue.wake_up()


@spelled("atomic_inc_return")
def atomic_inc_return(cell: Shared[int]) -> int:
    """Add one; returns the sum."""
    return cell.add(1)


@spelled("atomic_dec_return")
def atomic_dec_return(cell: Shared[int]) -> int:
    """Subtract one; returns the difference."""
    return cell.add(-1)


@spelled("atomic_add_return")
def atomic_add_return(value: int, cell: Shared[int]) -> int:
    """Add; returns the sum."""
    return cell.add(value)


@spelled("might_sleep")
def may_sleep() -> None:
    """Report a task that may not sleep here."""
    might_sleep("might_sleep")


@spelled("WARN_ON")
def warn_if(condition: object) -> bool:
    """Warn if `condition` holds; returns whether it does."""
    if condition:
        warn_on(ambient(), "WARN_ON")
    return bool(condition)
