"""A work item: a function that a workqueue's worker runs in process context.

Mirrors: include/linux/workqueue.h (work_struct, delayed_work)

    >>> from dmabuf.sync.workqueue import WorkQueue
    >>> queue, work = WorkQueue("events"), Work(lambda: None, "hello")
    >>> queue.queue(work)
    True
    >>> _ = work.flush(); work.is_pending()
    False
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Scope, Task
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.timer import Timer, disarm

if TYPE_CHECKING:
    from dmabuf.sync.workqueue import WorkQueue

__all__ = ["DelayedWork", "Work", "current_work"]

Touches = tuple[tuple[Any, int], ...]

CURRENT = "sync.work.current"
"""Name in `Runtime.extras` of the item that each worker runs."""


def current_of(task: Task) -> Work | None:
    """The item that a task runs now: its own entry, so also for guards."""
    running: dict[Task, Work] = task.runtime.extras.get(CURRENT, {})
    return running.get(task)


def withdraw(work: Work) -> bool:
    """Take an item off its queue or its timer (for actions only); was it pending?"""
    if not work.pending:
        return False
    work.pending = False
    if work.is_delayed:
        work.is_delayed = False
        disarm(work.timer)
    else:
        assert work.queue is not None
        work.queue.items.remove(work)
    return True


def withdraw_touches(work: Work) -> Touches:
    """What `withdraw` changes."""
    if not work.pending:
        return ((work, READ),)
    if work.is_delayed:
        return ((work, WRITE), (work.timer.base, WRITE))
    return ((work, WRITE), (work.queue, WRITE))


def _cancel(work: Work, task: Task) -> bool:
    """Withdraw; `arg`: and refuse to be queued from now on."""
    work.disabled += bool(task.arg)
    return withdraw(work)


def _cancel_touches(work: Work, task: Task) -> Touches:
    return (*withdraw_touches(work), (work, WRITE)) if task.arg else withdraw_touches(work)


def _ticket(work: Work, _task: Task) -> int:
    """The number of the last queueing, 0 if it is neither pending nor running."""
    return work.number if work.pending or work.runner is not None else 0


def _has_ended(work: Work, task: Task) -> bool:
    """Has the run with the number `arg` ended, or been cancelled, and all before it?"""
    ticket = task.arg
    waits = work.pending and work.number <= ticket
    return not waits and not (work.runner is not None and work.run <= ticket)


def _is_not_running(work: Work, _task: Task) -> bool:
    return work.runner is None


def _enable(work: Work, task: Task) -> int:
    """Undo one `disable` if `arg`; what was the depth?"""
    before = work.disabled
    work.disabled = max(before - bool(task.arg), 0)
    return before


def _is_pending(work: Work, _task: Task) -> bool:
    return work.pending


def _is_busy(work: Work, _task: Task) -> bool:
    return work.pending or work.runner is not None


def _hurry(work: DelayedWork, _task: Task) -> int:
    """If it waits for its time, queue it now; the ticket as for `flush`."""
    if work.pending and work.is_delayed:
        work.is_delayed = False
        disarm(work.timer)
        assert work.queue is not None
        work.queue.items.append(work)
    return _ticket(work, _task)


def _hurry_touches(work: DelayedWork, _task: Task) -> Touches:
    if work.pending and work.is_delayed:
        return ((work, WRITE), (work.timer.base, WRITE), (work.queue, WRITE))
    return ((work, READ),)


CANCEL = Op("work.cancel", action=_cancel, touches=_cancel_touches, wakes=True, says="cancels {}")
START_FLUSH = Op("work.start_flush", action=_ticket, access=READ, says="looks whether {} is queued")
HURRY = Op(
    "work.hurry", action=_hurry, touches=_hurry_touches, wakes=True, says="queues {} at once"
)
FLUSH = Op("work.flush", guard=_has_ended, access=READ, says="waits for {} to end")
DRY = Op("work.cancel_sync", guard=_is_not_running, action=_enable, says="waits for {} to end")
ENABLE = Op("work.enable", action=_enable, says="enables {}")
PENDING = Op("work.pending", action=_is_pending, access=READ, says="asks whether {} is pending")
BUSY = Op("work.busy", action=_is_busy, access=READ, says="asks whether {} is busy")


@kernel("struct work_struct")
class Work:
    """A function to be run by a worker of the queue that it is put on.

    It is pending from the moment it is queued until its function starts, and it never runs on
    two workers at once (Linux promises that per queue).

    Args:
        fn: runs in process context; it may sleep, and queue or free its own item.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        queue: the one it was last put on.
        number: how often it was queued.
        run: of the present run, the number it was queued with.
        runner: the worker that runs it.
        disabled: depth of `disable`.
    """

    __slots__ = (
        "__weakref__",
        "disabled",
        "fn",
        "is_delayed",
        "name",
        "number",
        "pending",
        "queue",
        "rt",
        "run",
        "runner",
    )

    is_lock = True
    timer: Any = None

    def __init__(
        self, fn: Callable[[], object], name: str = "", *, rt: Runtime | None = None
    ) -> None:
        self.fn = fn
        self.name = name or "work"
        self.rt = rt or ambient()
        self.queue: WorkQueue | None = None
        self.pending = False
        self.is_delayed = False
        self.number = 0
        self.run = 0
        self.runner: Task | None = None
        self.disabled = 0
        self.rt.adopt(self, name)

    @property
    @no_kernel("for reports")
    def owner(self) -> Task | None:
        """Who has to go on for its run to end: that is known, unlike a fence's signaller."""
        if self.runner is not None or not self.pending or self.queue is None:
            return self.runner
        return self.queue.owner

    @kernel("flush_work", context="process")
    def flush(self) -> bool:
        """Wait until the last run that was asked for has ended. Context: process, may sleep.

        Never from its own function, nor with a lock held that the function takes.

        Returns False if there was nothing to wait for.
        """
        return self._flush("flush_work", START_FLUSH)

    def _flush(self, call: str, start: Op) -> bool:
        rt = self.rt
        might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        rt.step(start, self)
        ticket: int = rt.current().value
        if not ticket:
            return False
        check_flush(self.queue, self)
        rt.step(FLUSH, self, ticket)
        return True

    @kernel("cancel_work", "cancel_delayed_work")
    def cancel(self) -> bool:
        """Take it off its queue or timer; it may be running still. Was it pending? Context: any."""
        return self._cancel(disable=False)

    @kernel("cancel_work_sync", "cancel_delayed_work_sync", context="process")
    def cancel_sync(self) -> bool:
        """Cancel, and wait until it does not run; meanwhile nobody can queue it.

        Never from its own function, nor with a lock held that the function takes.
        Context: process, may sleep. Returns whether it was pending.
        """
        return self._cancel_sync("cancel_work_sync", enable=True)

    @kernel("disable_work", "disable_delayed_work")
    def disable(self) -> bool:
        """Cancel, and refuse to be queued until `enable`; nests. Was it pending? Context: any."""
        return self._cancel(disable=True)

    @kernel("disable_work_sync", "disable_delayed_work_sync", context="process")
    def disable_sync(self) -> bool:
        """As `disable`, and wait until it does not run. Context: process, may sleep."""
        return self._cancel_sync("disable_work_sync", enable=False)

    @kernel("enable_work", "enable_delayed_work")
    def enable(self) -> bool:
        """Undo one `disable`; may it be queued again? Without one that warns (DF004)."""
        rt = self.rt
        rt.step(ENABLE, self, True)
        depth: int = rt.current().value
        if depth == 0:
            warn_on(rt, f"enable_work of {rt.label(self)}, which is not disabled")
        return depth <= 1

    def _cancel(self, *, disable: bool) -> bool:
        self.rt.step(CANCEL, self, disable)
        return bool(self.rt.current().value)

    def _cancel_sync(self, call: str, *, enable: bool) -> bool:
        rt = self.rt
        was_pending = self._cancel(disable=True)
        might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        rt.step(DRY, self, enable)
        return was_pending

    @kernel("work_pending", "delayed_work_pending")
    def is_pending(self) -> bool:
        """Will it run, and has not started? Stale as soon as it is answered. Context: any."""
        self.rt.step(PENDING, self)
        return bool(self.rt.current().value)

    @kernel("work_busy")
    def is_busy(self) -> bool:
        """Is it pending or running? Stale as soon as it is answered. Context: any."""
        self.rt.step(BUSY, self)
        return bool(self.rt.current().value)

    def __repr__(self) -> str:
        state = "running" if self.runner else "pending" if self.pending else "idle"
        return f"<{type(self).__name__} {self.name} {state}>"


@kernel("struct delayed_work")
class DelayedWork(Work):
    """A work item that waits for its time before it is queued; pending meanwhile.

    Args:
        fn: as of `Work`.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("timer",)

    def __init__(
        self, fn: Callable[[], object], name: str = "", *, rt: Runtime | None = None
    ) -> None:
        super().__init__(fn, name, rt=rt)
        self.timer = _DelayTimer(self)

    @kernel("flush_delayed_work", context="process")
    def flush_delayed(self) -> bool:
        """As `flush`; if it waits for its time, that has come. Context: process, may sleep."""
        return self._flush("flush_delayed_work", HURRY)


class _DelayTimer(Timer):
    """Puts an item on its queue, under the timer's own lock: no function runs."""

    __slots__ = ("work",)

    runs = False

    def __init__(self, work: DelayedWork) -> None:
        self.work = work
        super().__init__(work.fn, f"timer of {work.name}", rt=work.rt)

    def _expire(self) -> str | None:
        """Queue the item (for actions only); what is wrong with that, if anything."""
        work, queue = self.work, self.work.queue
        assert queue is not None
        work.is_delayed = False
        if queue.is_closed:
            work.pending = False
            return f"{work.name} is queued on {queue.name}, which is drained"
        queue.items.append(work)
        return None

    def _expire_touches(self) -> Touches:
        """What `_expire` changes."""
        return ((self.work, WRITE), (self.work.queue, WRITE))


@kernel("current_work")
def current_work(rt: Runtime | None = None) -> Work | None:
    """The item whose function the calling task runs, if any. Context: any."""
    return current_of((rt or ambient()).current())


def check_flush(queue: WorkQueue | None, what: Any) -> None:
    """Who may be needed to free memory must not wait for a queue that may need memory."""
    if queue is None or queue.mem_reclaim:
        return
    rt = queue.rt
    task = rt.current()
    mine = current_of(task)
    if task.scope & Scope.NORECLAIM:
        warn_on(rt, f"{task.name} frees memory and flushes {rt.label(what)}, which has no rescuer")
    elif mine is not None and mine.queue is not None and mine.queue.mem_reclaim:
        warn_on(
            rt,
            f"{rt.label(mine)} on {rt.label(mine.queue)}, which has a rescuer, flushes "
            f"{rt.label(what)}, which has none",
        )
