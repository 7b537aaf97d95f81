"""Queues of work items, and the workers that run these in process context.

Mirrors: include/linux/workqueue.h

Up to `max_active` items of a queue run at a time, each on a worker of its own. An item may
need a worker that is not there yet, and making one allocates with GFP_KERNEL: a queue that
memory reclaim depends on has a rescuer, which runs the items one by one meanwhile.

    >>> queue = WorkQueue("gpu-submit", ordered=True, mem_reclaim=True)
    >>> ran = []
    >>> queue.queue(Work(lambda: ran.append("job"), "job"))
    True
    >>> queue.flush(); ran
    ['job']
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.timer import arm, arm_touches
from dmabuf.sync.work import (
    CURRENT,
    DelayedWork,
    Touches,
    Work,
    check_flush,
    current_of,
    withdraw,
    withdraw_touches,
)
from dmabuf.sync.worker import next_item, start_rescuer, start_worker

__all__ = [
    "DelayedWork",
    "Work",
    "WorkQueue",
    "schedule_delayed_work",
    "schedule_work",
    "system_highpri_wq",
    "system_unbound_wq",
    "system_wq",
]

MAX_ACTIVE = 512
DEFAULT_ACTIVE = 256
_COUNT = "sync.workqueue.count"


# -- putting items on a queue --------------------------------------------------------------------


def _is_refused(queue: WorkQueue, task: Task) -> bool:
    """A queue that is drained takes items only from its own items."""
    if not queue.is_closed:
        return False
    mine = current_of(task)
    return queue.is_destroyed or mine is None or mine.queue is not queue


def _put(work: Work, task: Task) -> bool | None:
    """Put the item on the queue of `arg`, at once or after a delay; None if that is refused."""
    queue, delay = task.arg
    if work.pending or work.disabled:
        return False
    if delay == 0 and _is_refused(queue, task):
        return None
    work.pending = True
    work.queue = queue
    work.number += 1
    if delay:
        work.is_delayed = True
        arm(work.timer, delay)
    else:
        queue.items.append(work)
    return True


def _put_touches(work: Work, task: Task) -> Touches:
    queue, delay = task.arg
    if work.pending or work.disabled:
        return ((work, READ),)
    if delay:
        return ((work, WRITE), *arm_touches(work.timer))
    return ((work, WRITE), (queue, READ if _is_refused(queue, task) else WRITE))


def _put_anew(work: Work, task: Task) -> tuple[bool, bool | None]:
    """Withdraw the item, then put it; was it pending, and what came of putting it?"""
    was_pending = withdraw(work)
    return was_pending, _put(work, task)


def _put_anew_touches(work: Work, task: Task) -> Touches:
    if work.disabled:
        return ((work, READ),)
    queue, delay = task.arg
    put = arm_touches(work.timer) if delay else ((queue, WRITE),)
    return (*withdraw_touches(work), (work, WRITE), *put)


QUEUE = Op("workqueue.queue", action=_put, touches=_put_touches, wakes=True, says="queues {}")
MOD = Op(
    "workqueue.mod_delayed",
    action=_put_anew,
    touches=_put_anew_touches,
    wakes=True,
    says="queues {} anew",
)


# -- flushing ------------------------------------------------------------------------------------


def _tickets(queue: WorkQueue, _task: Task) -> list[tuple[Work, int]]:
    """Each item that is queued or runs, with the number of its last queueing here."""
    found = [(work, work.number) for work in queue.items]
    current: dict[Task, Work] = queue.rt.extras.get(CURRENT, {})
    found += [(w, w.run) for w in current.values() if w.runner is not None]
    return found


def _have_ended(queue: WorkQueue, task: Task) -> bool:
    del queue
    return not any(
        (work.pending and work.number <= number) or (work.runner is not None and work.run <= number)
        for work, number in task.arg
    )


def _close(queue: WorkQueue, _task: Task) -> None:
    queue.drainers += 1


def _is_empty(queue: WorkQueue, _task: Task) -> bool:
    return not queue.items and queue.running == 0


def _open(queue: WorkQueue, task: Task) -> None:
    queue.drainers -= 1
    queue.is_destroyed = queue.is_destroyed or bool(task.arg)


START_FLUSH = Op("workqueue.start_flush", action=_tickets, access=READ, says="looks what {} runs")
FLUSH = Op("workqueue.flush", guard=_have_ended, access=READ, says="waits for the items of {}")
START_DRAIN = Op("workqueue.start_drain", action=_close, says="closes {}")
DRAIN = Op("workqueue.drain", guard=_is_empty, action=_open, says="waits for {} to be empty")


@kernel("struct workqueue_struct", "alloc_workqueue", "alloc_ordered_workqueue")
class WorkQueue:
    """A queue of work items.

    Args:
        name: for reports.
        max_active: how many items run at a time; 256 if not given.
        ordered: one at a time, in order of queueing.
        mem_reclaim: memory reclaim may depend on it, so it has a rescuer (WQ_MEM_RECLAIM).
        unbound: its workers belong to no CPU (WQ_UNBOUND); here no worker does.
        highpri: its workers have a high priority (WQ_HIGHPRI); no order follows from that.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        items: what is queued and has not started.
        running: how many items run.
        busy: of each worker, whether it runs an item or manages.
        manager: the worker that makes another one.
    """

    __slots__ = (
        "__weakref__",
        "busy",
        "drainers",
        "highpri",
        "is_destroyed",
        "items",
        "manager",
        "max_active",
        "mem_reclaim",
        "name",
        "number",
        "rt",
        "running",
        "unbound",
    )

    is_lock = True

    def __init__(
        self,
        name: str = "",
        *,
        max_active: int = DEFAULT_ACTIVE,
        ordered: bool = False,
        mem_reclaim: bool = False,
        unbound: bool = False,
        highpri: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        self.name = name or "workqueue"
        self.max_active = 1 if ordered else min(max(max_active, 1), MAX_ACTIVE)
        self.mem_reclaim = mem_reclaim
        self.unbound = unbound or ordered
        self.highpri = highpri
        self.items: deque[Work] = deque()
        self.running = 0
        self.busy = [False]
        self.manager: Task | None = None
        self.drainers = 0
        self.is_destroyed = False
        self.rt = rt or ambient()
        self.number = next(self.rt.extras.setdefault(_COUNT, itertools.count()))
        self.rt.adopt(self, name)
        if self.rt.explored:
            self._start_helpers()

    @property
    @no_kernel("for reports")
    def owner(self) -> Task | None:
        """Who has to go on for more of its items to run or end, if that is one task."""
        if self.manager is not None:
            return self.manager
        current: dict[Task, Work] = self.rt.extras.get(CURRENT, {})
        saturated = self.running >= self.max_active
        mine = (task for task, work in current.items() if work.queue is self)
        return next(mine, None) if saturated else None

    @property
    @no_kernel("__WQ_DRAINING or __WQ_DESTROYING")
    def is_closed(self) -> bool:
        """Is it drained or gone?"""
        return self.drainers > 0 or self.is_destroyed

    @property
    @no_kernel("need_more_worker of its pool")
    def is_starved(self) -> bool:
        """Could one more of its items run, if only there were a worker?"""
        return next_item(self) is not None

    def _start_helpers(self) -> None:
        start_worker(self, 0)
        if self.mem_reclaim:
            start_rescuer(self)

    @kernel("queue_work", "queue_work_on")
    def queue(self, work: Work) -> bool:
        """Let a worker run the item soon; False if it is pending already, or disabled.

        Context: any. On a queue that is drained that warns (DF004), except from its own items.
        """
        return self._put(work, 0)

    @kernel("queue_delayed_work", "queue_delayed_work_on")
    def queue_delayed(self, work: DelayedWork, delay: float) -> bool:
        """Queue the item after `delay` seconds; False if it is pending already. Context: any."""
        return self._put(work, to_ns(delay))

    def _put(self, work: Work, delay: int) -> bool:
        self._get_ready(work, delay)
        self.rt.step(QUEUE, work, (self, delay))
        return self._answer(work, self.rt.current().value)

    def _get_ready(self, work: Work, delay: int) -> None:
        if not self.rt.explored:
            self._start_helpers()
            if delay:
                work.timer._start_helper()

    def _answer(self, work: Work, done: bool | None) -> bool:
        if done is None:
            rt = self.rt
            warn_on(rt, f"{rt.label(work)} is queued on {rt.label(self)}, which is drained")
        return done is not False

    @kernel("mod_delayed_work", "mod_delayed_work_on")
    def mod_delayed(self, work: DelayedWork, delay: float) -> bool:
        """Queue the item `delay` seconds from now, whenever that was before. Context: any.

        Returns whether it was pending.
        """
        nanoseconds = to_ns(delay)
        self._get_ready(work, nanoseconds)
        self.rt.step(MOD, work, (self, nanoseconds))
        was_pending, done = self.rt.current().value
        self._answer(work, done)
        return bool(was_pending)

    @kernel("flush_workqueue", "__flush_workqueue", context="process")
    def flush(self) -> None:
        """Wait until all items queued so far have ended. Context: process, may sleep.

        Never from an item of its own, nor with a lock held that an item takes. Items whose time
        has not come are not waited for.
        """
        rt = self.rt
        might_sleep(f"flush_workqueue of {rt.label(self)}", runtime=rt)
        check_flush(self, self)
        rt.step(START_FLUSH, self)
        tickets: list[Any] = [t for t in rt.current().value if t[0].queue is self]
        if tickets:
            rt.step(FLUSH, self, tickets)

    @kernel("drain_workqueue", context="process")
    def drain(self) -> None:
        """Wait until it is empty; meanwhile only its own items may queue. Context: process."""
        self._drain("drain_workqueue", for_good=False)

    @kernel("destroy_workqueue", context="process")
    def destroy(self) -> None:
        """Drain, then end its workers: nothing may be queued any more. Context: process."""
        self._drain("destroy_workqueue", for_good=True)

    def _drain(self, call: str, *, for_good: bool) -> None:
        rt = self.rt
        might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        rt.step(START_DRAIN, self)
        rt.step(DRAIN, self, for_good)

    def __repr__(self) -> str:
        return f"<WorkQueue {self.name} {len(self.items)} queued, {self.running} running>"


# -- the queues of the system --------------------------------------------------------------------


def _system(rt: Runtime | None, name: str, **how: Any) -> WorkQueue:
    rt = rt or ambient()
    queue: WorkQueue = rt.once(f"workqueue {name}", lambda: WorkQueue(name, rt=rt, **how))
    return queue


@kernel("system_wq", "system_percpu_wq")
def system_wq(rt: Runtime | None = None) -> WorkQueue:
    """The queue for everybody's short items."""
    return _system(rt, "events")


@kernel("system_highpri_wq")
def system_highpri_wq(rt: Runtime | None = None) -> WorkQueue:
    """As `system_wq`, of high priority."""
    return _system(rt, "events_highpri", highpri=True)


@kernel("system_unbound_wq", "system_dfl_wq")
def system_unbound_wq(rt: Runtime | None = None) -> WorkQueue:
    """As `system_wq`, for items that may run long."""
    return _system(rt, "events_unbound", unbound=True, max_active=MAX_ACTIVE)


@kernel("schedule_work")
def schedule_work(work: Work) -> bool:
    """Put the item on `system_wq`; False if it is pending already. Context: any."""
    return system_wq(work.rt).queue(work)


@kernel("schedule_delayed_work")
def schedule_delayed_work(work: DelayedWork, delay: float) -> bool:
    """Put the item on `system_wq` after `delay` seconds. Context: any."""
    return system_wq(work.rt).queue_delayed(work, delay)
