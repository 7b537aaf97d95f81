"""Counting semaphore: at most so many inside, and anybody may let the next one in.

Mirrors: include/linux/semaphore.h

It has no owner: one task may `down` and another, also an interrupt handler, `up`.

    >>> slots = Semaphore(2, "ring slots")
    >>> slots.down(), slots.down_trylock(), slots.down_trylock()
    (None, True, False)
"""

from __future__ import annotations

from typing import Any

from dmabuf._names import kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep

__all__ = ["Semaphore"]


def _take_or_queue(semaphore: Semaphore, task: Task) -> bool:
    if _try(semaphore, task):
        return True
    semaphore.queue[task] = None
    return False


def _try(semaphore: Semaphore, _task: Task) -> bool:
    if semaphore.count == 0:
        return False
    semaphore.count -= 1
    return True


def _try_touches(semaphore: Semaphore, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((semaphore, WRITE if semaphore.count else READ),)


def _is_let_in(semaphore: Semaphore, task: Task) -> bool:
    return task not in semaphore.queue


def _cancel(semaphore: Semaphore, task: Task) -> bool:
    """Leave the queue, unless an `up` came before: then that is the task's."""
    if task not in semaphore.queue:
        return True
    del semaphore.queue[task]
    return False


def _abandon(semaphore: Semaphore, task: Task) -> None:
    """An exception ended the wait: what was given to the task goes to the next."""
    if not _cancel(semaphore, task):
        return
    _up(semaphore, task)


def _up(semaphore: Semaphore, _task: Task) -> None:
    """Give to the first that waits, else count."""
    if semaphore.queue:
        del semaphore.queue[next(iter(semaphore.queue))]
    else:
        semaphore.count += 1


DOWN = Op("semaphore.down", action=_take_or_queue, says="asks for {}")
# Nobody else reads that a waiter has gone in, so those let in commute.
WAIT = Op("semaphore.wait", guard=_is_let_in, access=READ, says="waits for {}")
CANCEL = Op("semaphore.cancel", action=_cancel, says="no longer waits for {}")
ABANDON = Op("semaphore.abandon", action=_abandon, wakes=True, says="gives {} up")
TRY_DOWN = Op("semaphore.down_trylock", action=_try, touches=_try_touches, says="tries {}")
UP = Op("semaphore.up", action=_up, wakes=True, says="releases {}")


@kernel("struct semaphore", "sema_init")
class Semaphore:
    """A count that `down` takes from, waiting for it to be positive, and `up` adds to.

    Waiters are served in order of arrival. No task is its owner, so it is in nobody's list of
    locks, and a report names who released it in other runs as those that could.

    Args:
        count: how many may go in at first.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        count: how many more may go in.
        queue: who waits, in order of arrival.
    """

    __slots__ = ("__weakref__", "count", "name", "queue", "rt")

    def __init__(self, count: int = 1, name: str = "", *, rt: Runtime | None = None) -> None:
        if count < 0:
            raise ValueError("a semaphore counts from 0 up")
        self.count = count
        self.name = name or "semaphore"
        self.queue: dict[Task, None] = {}
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("down", context="process")
    def down(self) -> None:
        """Wait until the count is positive and take one. Context: process, may sleep.

        Raises:
            ContractViolation: DF003, the task may not sleep.
        """
        self._down("down")

    @kernel("down_interruptible", "down_killable", context="process")
    def down_interruptible(self) -> None:
        """As `down`, but a pending signal ends the wait; every one counts as fatal here.

        Raises:
            Interrupted: a signal came while it waited.
        """
        self._down("down_interruptible", interruptible=True)

    @kernel("down_timeout", context="process")
    def down_timeout(self, timeout: float) -> bool:
        """As `down`, for at most `timeout` seconds. Returns False if the time ran out."""
        return self._down("down_timeout", timeout)

    @kernel("down_trylock")
    def down_trylock(self) -> bool:
        """Take one if there is one, never waiting. Context: any.

        True if it was taken (the kernel's function answers 0 then).
        """
        self.rt.step(TRY_DOWN, self)
        return bool(self.rt.current().value)

    @kernel("up")
    def up(self) -> None:
        """Let the first waiter in, or one that comes later. Context: any, any task."""
        self.rt.step(UP, self)

    def _down(
        self, call: str, timeout: float | None = None, *, interruptible: bool = False
    ) -> bool:
        rt = self.rt
        might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        rt.step(DOWN, self)
        if rt.current().value:
            return True
        try:
            deadline = None if timeout is None else rt.now() + to_ns(timeout)
            outcome = rt.step(WAIT, self, deadline=deadline, interruptible=interruptible)
        except BaseException:
            rt.step(ABANDON, self)
            raise
        if outcome is Outcome.DONE:
            return True
        rt.step(CANCEL, self)
        if rt.current().value:
            return True
        if outcome is Outcome.INTERRUPTED:
            raise Interrupted(f"down of {self.name}")
        return False

    def __repr__(self) -> str:
        return f"<Semaphore {self.name} count={self.count} waiters={len(self.queue)}>"
