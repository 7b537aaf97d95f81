"""The workers of a workqueue: who runs which item, and what happens without memory.

Mirrors: kernel/workqueue.c

The first free worker takes the next item. If no other is free then, it first makes the one for
the item after it, as the kernel's last idle worker does. Where memory is scarce (a runtime with
an allocator) that may block or fail, and the queue stalls; a rescuer goes on meanwhile.

    >>> from dmabuf.sync.workqueue import WorkQueue
    >>> next_item(WorkQueue("empty")) is None
    True
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.rt.api import WRITE, Op, Task
from dmabuf.sync.acts import Act, doing
from dmabuf.sync.context import ALLOCATOR, allocate, warn_on
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.helpers import start_helper
from dmabuf.sync.work import CURRENT, Touches, Work

if TYPE_CHECKING:
    from dmabuf.sync.workqueue import WorkQueue

__all__ = ["next_item", "start_rescuer", "start_worker"]


def _helper(queue: WorkQueue, what: str, index: int = 0) -> str:
    """A helper's name; live it is also what tells helpers of equal queues apart."""
    live = "" if queue.rt.explored else f"#{queue.number}"
    return f"{what}/{queue.name}{live}" + (f":{index}" if index else "")


@no_kernel("create_worker of the pool's manager")
def start_worker(queue: WorkQueue, index: int) -> None:
    """Start the queue's worker of that index."""
    start_helper(queue.rt, _helper(queue, "kworker", index), lambda: _serve(queue, index))


@no_kernel("init_rescuer of the queue")
def start_rescuer(queue: WorkQueue) -> None:
    """Start the queue's rescuer."""
    start_helper(queue.rt, _helper(queue, "rescuer"), lambda: _serve_rescuer(queue))


@no_kernel("the head of the pool's worklist")
def next_item(queue: WorkQueue) -> Work | None:
    """The next item that may start: among the active ones, not running still from before."""
    left = queue.max_active - queue.running
    for work in itertools.islice(queue.items, max(left, 0)):
        if work.runner is None:
            return work
    return None


def _is_next(queue: WorkQueue, task: Task) -> bool:
    """Is there something to run, and this worker (`arg`: its index) the first free one?"""
    if queue.is_destroyed and not queue.items:
        return True
    busy = queue.busy
    return not busy[task.arg] and next_item(queue) is not None and busy.index(False) == task.arg


def _grow(queue: WorkQueue) -> int:
    """Make room for a worker if none is free and one is of use; its index, else 0."""
    if all(queue.busy) and len(queue.busy) < queue.max_active:
        queue.busy.append(False)
        return len(queue.busy) - 1
    return 0


def _start(queue: WorkQueue, work: Work, task: Task) -> None:
    queue.items.remove(work)
    queue.running += 1
    work.pending = False
    work.run = work.number
    work.runner = task
    task.idle = False
    task.runtime.extras.setdefault(CURRENT, {})[task] = work


def _take(queue: WorkQueue, task: Task) -> tuple[Work | None, int]:
    """Start the next item; with no other worker free, also make room for one (its index)."""
    work = next_item(queue)
    if work is None:
        return None, 0
    queue.busy[task.arg] = True
    _start(queue, work, task)
    return work, _grow(queue)


def _take_touches(queue: WorkQueue, _task: Task) -> Touches:
    work = next_item(queue)
    return ((queue, WRITE),) if work is None else ((queue, WRITE), (work, WRITE))


def _need(queue: WorkQueue, task: Task) -> bool:
    """Become the manager, which has to make a worker before it may run anything."""
    if next_item(queue) is None:
        return False
    queue.busy[task.arg] = True
    queue.manager = task
    task.idle = False
    return True


def _nobody_manages(queue: WorkQueue, task: Task) -> bool:
    return queue.manager is None and _is_next(queue, task)


def _managed(queue: WorkQueue, task: Task) -> tuple[Work | None, int]:
    """The worker is made: start the next item, if any is left."""
    queue.manager = None
    return _keep(queue, task)


def _keep(queue: WorkQueue, task: Task) -> tuple[Work | None, int]:
    """Go on with the next item, else be idle."""
    taken = _take(queue, task)
    if taken[0] is None:
        queue.busy[task.arg] = False
        task.idle = True
    return taken


def _has_nothing_left(queue: WorkQueue, _task: Task) -> bool:
    return next_item(queue) is None


def _give_up(queue: WorkQueue, task: Task) -> None:
    queue.manager = None
    queue.busy[task.arg] = False
    task.idle = True


def _needs_rescue(queue: WorkQueue, _task: Task) -> bool:
    if queue.is_destroyed and not queue.items:
        return True
    return queue.manager is not None and next_item(queue) is not None


def _rescue(queue: WorkQueue, task: Task) -> Work | None:
    work = next_item(queue)
    if work is not None:
        _start(queue, work, task)
    return work


def _end(work: Work, task: Task) -> None:
    """The item has run; `arg`: (its queue, the worker's index or None if it stays busy)."""
    queue, index = task.arg
    del task.runtime.extras[CURRENT][task]
    queue.running -= 1
    work.runner = None
    if index is not None:
        queue.busy[index] = False
        task.idle = True


def _end_touches(work: Work, task: Task) -> Touches:
    queue = task.arg[0]
    touched: Touches = ((work, WRITE), (queue, WRITE))
    elsewhere = work.pending and work.queue is not queue and not work.is_delayed
    return (*touched, (work.queue, WRITE)) if elsewhere else touched


TAKE = Op(
    "workqueue.take", guard=_is_next, action=_take, touches=_take_touches, says="waits for {}"
)
NEED = Op("workqueue.need", guard=_nobody_manages, action=_need, says="waits for {}")
MANAGED = Op(
    "workqueue.managed", action=_managed, touches=_take_touches, says="has made a worker for {}"
)
KEEP = Op("workqueue.keep", action=_keep, touches=_take_touches, says="looks for more on {}")
STALL = Op("workqueue.stall", guard=_has_nothing_left, action=_give_up, says="has no worker for {}")
RESCUE = Op(
    "workqueue.rescue",
    guard=_needs_rescue,
    action=_rescue,
    touches=_take_touches,
    says="waits for {} to stall",
)
END = Op("workqueue.end", action=_end, touches=_end_touches, wakes=True, says="has run {}")


def _serve(queue: WorkQueue, index: int) -> None:
    """A worker's loop: take an item, run it, until the queue is destroyed."""
    rt = queue.rt
    task = rt.current()
    task.idle = True
    while True:
        scarce = ALLOCATOR in rt.extras
        work = _manage(queue, index) if scarce else _wait(queue, index)
        if work is None and queue.is_destroyed:
            return
        while work is not None:
            _run(queue, work, None if scarce else index)
            work = _next(queue, KEEP, index) if scarce else None


def _wait(queue: WorkQueue, index: int) -> Work | None:
    """Wait for an item while memory is no question."""
    return _next(queue, TAKE, index)


def _next(queue: WorkQueue, op: Op, index: int) -> Work | None:
    """Take an item, and start the worker for the one after it."""
    rt = queue.rt
    rt.step(op, queue, index)
    work, grown = rt.current().value
    if grown:
        start_worker(queue, grown)
    taken: Work | None = work
    return taken


def _manage(queue: WorkQueue, index: int) -> Work | None:
    """Wait for an item, and make a worker before running it: that takes memory.

    Idle workers belong to all queues alike, so one may be there or not: the worse is assumed.
    """
    rt = queue.rt
    rt.step(NEED, queue, index)
    if not rt.current().value:
        return None
    with doing(rt, Act("DF107", _makes_a_worker(queue), queue)):
        is_made = allocate(Gfp.KERNEL, "a worker", runtime=rt)
    if is_made:
        return _next(queue, MANAGED, index)
    rt.step(STALL, queue, index)
    return None


def _makes_a_worker(queue: WorkQueue) -> str:
    """What a manager does, in words: where that counts, no rescuer is there or free."""
    label = queue.rt.label(queue)
    if queue.mem_reclaim:
        return f"makes a worker for {label}, whose rescuer runs one item at a time,"
    return f"makes a worker for {label}, which has no rescuer,"


def _run(queue: WorkQueue, work: Work, index: int | None) -> None:
    rt = queue.rt
    task = rt.current()
    try:
        work.fn()
        if task.held:
            held = rt.label(next(reversed(task.held)))
            warn_on(rt, f"{rt.label(work)} returns with {held} held")
    finally:
        rt.step(END, work, (queue, index))


def _serve_rescuer(queue: WorkQueue) -> None:
    """The rescuer's loop: run an item whenever no worker can be made."""
    rt = queue.rt
    task = rt.current()
    while True:
        task.idle = True
        rt.step(RESCUE, queue)
        work: Work | None = task.value
        if work is None:
            return
        _run(queue, work, None)
