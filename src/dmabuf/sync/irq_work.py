"""Work put off to interrupt context.

Mirrors: include/linux/irq_work.h

Queued work runs soon, in a helper task that is in irq context, so it may not sleep. A work item
that is pending already is not queued twice.

    >>> work = IrqWork(lambda: None, "signal")
    >>> work.queue()
    True
    >>> work.sync()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dmabuf._names import kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import WRITE, Op, Runtime, Task
from dmabuf.sync.context import might_sleep

__all__ = ["IrqWork"]

_SERVICE = "irq_work"


class _Line:
    """The queue of one runtime's deferred irq work."""

    __slots__ = ("name", "queued")

    def __init__(self) -> None:
        self.name = "irq_work line"
        self.queued: deque[IrqWork] = deque()


def _queue(work: IrqWork, _task: Task) -> bool:
    if work.pending:
        return False
    work.pending = True
    work.line.queued.append(work)
    return True


def _has_work(line: _Line, _task: Task) -> bool:
    return bool(line.queued)


def _take(line: _Line, _task: Task) -> IrqWork:
    work = line.queued.popleft()
    work.pending = False
    work.busy = True
    return work


def _end(work: IrqWork, _task: Task) -> None:
    work.busy = False


def _is_idle(work: IrqWork, _task: Task) -> bool:
    return not work.pending and not work.busy


QUEUE = Op(
    "irq_work.queue",
    action=_queue,
    touches=lambda work, _task: ((work, WRITE), (work.line, WRITE)),
    wakes=True,
    says="queues {}",
)
TAKE = Op(
    "irq_work.take",
    guard=_has_work,
    action=_take,
    touches=lambda line, _t: ((line, WRITE), (line.queued[0], WRITE)),
    says="waits for irq work",
)
END = Op("irq_work.end", action=_end, wakes=True, says="has done {}")
SYNC = Op("irq_work.sync", guard=_is_idle, says="waits for {} to end")


def _line_of(rt: Runtime) -> _Line:
    """The runtime's queue; made on first use, so a design without deferred work has none."""

    def make() -> _Line:
        line = _Line()
        rt.adopt(line, "irq_work")
        return line

    line: _Line = rt.once(_SERVICE, make)
    return line


def _serve(rt: Runtime) -> None:
    """The helper's loop: take an item, run it in irq context, for ever."""
    line = _line_of(rt)
    task = rt.current()
    while True:
        task.idle = True
        rt.step(TAKE, line)
        task.idle = False
        work: IrqWork = task.value
        task.in_irq = True
        try:
            work.fn()
        finally:
            task.in_irq = False
            rt.step(END, work)
            del work  # or what it works on would live until there is more work


class IrqWork:
    """One item of deferred work.

    Args:
        fn: runs in irq context: it may not sleep.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "busy", "fn", "line", "name", "pending", "rt")

    def __init__(
        self, fn: Callable[[], object], name: str = "", *, rt: Runtime | None = None
    ) -> None:
        self.fn = fn
        self.name = name or "irq_work"
        self.pending = False
        self.busy = False
        self.rt = rt or ambient()
        self.line = _line_of(self.rt)
        self.rt.adopt(self, name)
        if self.rt.explored:
            self._start_helper()

    @kernel("irq_work_queue")
    def queue(self) -> bool:
        """Let it run soon; False if it is pending already. Context: any."""
        self._start_helper()
        self.rt.step(QUEUE, self)
        return bool(self.rt.current().value)

    def _start_helper(self) -> None:
        rt = self.rt
        rt.service(_SERVICE, lambda: _serve(rt))

    @kernel("irq_work_sync", context="process")
    def sync(self) -> None:
        """Wait until it is neither pending nor running. Context: process, may sleep."""
        might_sleep(f"irq_work_sync of {self.rt.label(self)}", runtime=self.rt)
        self.rt.step(SYNC, self)
