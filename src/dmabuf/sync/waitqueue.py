"""Waiting for a condition, as wait_event() does.

Mirrors: include/linux/wait.h

The waiter puts itself on the queue *before* it looks at the condition, so a wake-up between the
look and the sleep is not lost. The condition is the caller's code and runs in the caller.

    >>> queue = WaitQueue("idle")
    >>> queue.wait_event(lambda: True)
    True
"""

from __future__ import annotations

from collections.abc import Callable

from dmabuf._names import kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import WRITE, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep
from dmabuf.sync.spurious import disturb_if_allowed

__all__ = ["WaitQueue"]


_SLEEPING = "sync.waitqueue.sleeping"
"""Name in `Runtime.extras` of the queue that each task is on: part of the task's own entry."""


def sleeping_on(task: Task) -> WaitQueue | None:
    """The queue that a task is on (for actions only, whose footprint has the task)."""
    queue: WaitQueue | None = task.runtime.extras.get(_SLEEPING, {}).get(task)
    return queue


def wake_sleeper(task: Task) -> None:
    """wake_up_process: end its sleep (for actions only; changes the queue it is on)."""
    queue = sleeping_on(task)
    if queue is not None:
        queue.woken.add(task)


def _own_entry(queue: WaitQueue, task: Task) -> tuple[tuple[WaitQueue | Task, int], ...]:
    return ((queue, WRITE), (task, WRITE))


def _prepare(queue: WaitQueue, task: Task) -> None:
    task.runtime.extras.setdefault(_SLEEPING, {})[task] = queue
    queue.entries.pop(task, None)
    queue.entries[task] = bool(task.arg)
    queue.woken.discard(task)


def _is_woken(queue: WaitQueue, task: Task) -> bool:
    return task in queue.woken


def _leave(queue: WaitQueue, task: Task) -> None:
    queue.woken.discard(task)
    queue.seen[task] = queue.wakeups


def _finish(queue: WaitQueue, task: Task) -> None:
    task.runtime.extras.get(_SLEEPING, {}).pop(task, None)
    queue.entries.pop(task, None)
    queue.woken.discard(task)
    queue.disturbed.discard(task)


def _wake(queue: WaitQueue, task: Task) -> int:
    """Wake every non-exclusive entry and the first `task.arg` exclusive ones."""
    left = task.arg
    count = 0
    for sleeper, exclusive in list(queue.entries.items()):
        if exclusive and left == 0:
            continue
        left -= exclusive
        count += 1
        queue.woken.add(sleeper)
        if exclusive:
            del queue.entries[sleeper]
    queue.wakeups += 1
    return count


PREPARE = Op("waitqueue.prepare", action=_prepare, touches=_own_entry, says="queues on {}")
SCHEDULE = Op("waitqueue.wait", guard=_is_woken, action=_leave, says="sleeps on {}")
FINISH = Op("waitqueue.finish", action=_finish, touches=_own_entry, says="leaves {}")
WAKE = Op("waitqueue.wake", action=_wake, wakes=True, says="wakes {}")

_EVERYBODY = 1 << 31


@kernel("wait_queue_head_t", "struct wait_queue_head")
class WaitQueue:
    """Tasks that sleep until somebody wakes them to look at their condition again.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        entries: who is queued, in order; True for exclusive waiters.
        conditions: what those in `wait_event` wait for.
        seen: of how many wake-ups each sleeper knew when it last woke.
        wakeups: how many wake-ups there were, also with nobody there.
        disturbed: who was woken for no reason in the present wait.
    """

    __slots__ = (
        "__weakref__",
        "conditions",
        "disturbed",
        "entries",
        "name",
        "rt",
        "seen",
        "wakeups",
        "woken",
    )

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "waitqueue"
        self.entries: dict[Task, bool] = {}
        self.woken: set[Task] = set()
        self.disturbed: set[Task] = set()
        self.conditions: dict[Task, Callable[[], object]] = {}
        self.wakeups = 0
        self.seen: dict[Task, int] = {}
        self.rt = rt or ambient()
        self.rt.adopt(self, name)
        disturb_if_allowed(self)

    @kernel("wait_event", "wait_event_timeout", context="process")
    def wait_event(
        self,
        condition: Callable[[], object],
        timeout: float | None = None,
        *,
        interruptible: bool = False,
        exclusive: bool = False,
    ) -> bool:
        """Sleep until `condition()` is true. Context: process, may sleep.

        Args:
            condition: looked at in this task, first and after each wake-up.
            timeout: seconds, None for ever.
            interruptible: a pending signal ends the wait (raises Interrupted).
            exclusive: one `wake_up` wakes one such waiter.

        Returns the condition's truth: False if the time ran out first.
        """
        rt = self.rt
        might_sleep(f"wait_event on {rt.label(self)}", runtime=rt)
        if condition():
            return True
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        task = rt.current()
        self.conditions[task] = condition
        try:
            while True:
                self.prepare_to_wait(exclusive=exclusive)
                if condition():
                    return True
                outcome = rt.step(SCHEDULE, self, deadline=deadline, interruptible=interruptible)
                if outcome is Outcome.INTERRUPTED:
                    self.finish_wait()  # first, so that a wake-up meant for one goes to the next
                    if condition():
                        return True
                    raise Interrupted(f"wait on {self.name}")
                if outcome is Outcome.TIMED_OUT:
                    return bool(condition())
        finally:
            self.conditions.pop(task, None)
            self.finish_wait()

    @kernel("wait_event_interruptible", context="process")
    def wait_event_interruptible(self, condition: Callable[[], object]) -> None:
        """As `wait_event`, but a pending signal ends it. Raises Interrupted."""
        self.wait_event(condition, interruptible=True)

    @kernel("prepare_to_wait", "prepare_to_wait_exclusive")
    def prepare_to_wait(self, *, exclusive: bool = False) -> None:
        """Queue this task; a wake-up from now on ends its next `schedule`. Context: process."""
        self.rt.step(PREPARE, self, exclusive)

    @kernel("schedule", context="process")
    def schedule(self) -> None:
        """Sleep until woken; the caller has queued itself and looked. Context: process."""
        might_sleep(f"schedule on {self.rt.label(self)}", runtime=self.rt)
        self.rt.step(SCHEDULE, self)

    @kernel("finish_wait")
    def finish_wait(self) -> None:
        """Leave the queue. Context: process."""
        self.rt.step(FINISH, self)

    @kernel("wake_up", "wake_up_interruptible", "wake_up_nr")
    def wake_up(self, exclusive: int = 1) -> None:
        """Wake all waiters, of the exclusive ones the first `exclusive`. Context: any."""
        self.rt.step(WAKE, self, exclusive)

    @kernel("wake_up_all", "wake_up_interruptible_all")
    def wake_up_all(self) -> None:
        """Wake all waiters, exclusive ones too. Context: any."""
        self.rt.step(WAKE, self, _EVERYBODY)

    @kernel("waitqueue_active")
    def is_active(self) -> bool:
        """Is anybody queued? Without a step: for assertions only."""
        return bool(self.entries)
