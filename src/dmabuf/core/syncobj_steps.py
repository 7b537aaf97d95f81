"""The indivisible steps of a sync object, and what a call that waits for some keeps.

Mirrors: drivers/gpu/drm/drm_syncobj.c (struct syncobj_wait_entry)

The lock of the object orders whoever changes it. Looking at its fence takes no lock, so that is
a step of its own, and so is what others do to a call that sleeps: hand it a fence, or wake it.

    >>> from dmabuf.rt.ambient import ambient
    >>> Wait(ambient(), "two points").woken
    False
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dmabuf._names import no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_chain import find_seqno
from dmabuf.core.fence_steps import (
    PUBLISHED,
    Callback,
    is_flagged,
    publication_touches,
    state_of,
)
from dmabuf.core.fence_wait import stub
from dmabuf.errors import Interrupted, Unwind
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task

if TYPE_CHECKING:
    from dmabuf.core.syncobj import SyncObj

__all__ = [
    "FENCE_GET",
    "GET",
    "LOOK",
    "PUT",
    "SLEEP",
    "SWAP",
    "Wait",
    "WaitEntry",
    "looks",
    "submitted",
]

_Touches = tuple[tuple[Any, int], ...]

# -- the object ----------------------------------------------------------------------------------


def _fence_get(obj: SyncObj, _task: Task) -> Fence | None:
    """The fence there is now, with a reference: the object's own keeps it alive meanwhile."""
    fence = obj.fence
    if fence is not None:
        state = state_of(fence)
        state.references += bool(state.references)
    return fence


def _fence_get_touches(obj: SyncObj, _task: Task) -> _Touches:
    fence = obj.fence
    return ((obj, READ),) if fence is None else ((obj, READ), (fence, WRITE))


def _swap(obj: SyncObj, task: Task) -> None:
    """Point to the fence `arg`: from here others find it."""
    if task.arg is not None:
        state_of(task.arg).flags |= PUBLISHED
    obj.fence = task.arg


def _swap_touches(obj: SyncObj, task: Task) -> _Touches:
    return ((obj, WRITE), *(() if task.arg is None else publication_touches(task.arg)))


def _get(obj: SyncObj, _task: Task) -> int:
    before = obj.references
    obj.references += bool(before)
    return before


def _put(obj: SyncObj, _task: Task) -> int:
    before = obj.references
    obj.references = max(before - 1, 0)
    return before


FENCE_GET = Op(
    "syncobj.fence_get",
    action=_fence_get,
    touches=_fence_get_touches,
    says="looks which fence is in {}",
)
SWAP = Op(
    "syncobj.swap", action=_swap, touches=_swap_touches, wakes=True, says="puts a fence into {}"
)
GET = Op("syncobj.get", action=_get, says="takes a reference to {}")
PUT = Op("syncobj.put", action=_put, says="puts a reference to {}")

# -- a call that waits ---------------------------------------------------------------------------


class Wait:
    """One call that waits for points of sync objects.

    Attributes:
        entries: one for each point.
        woken: has anybody woken it since it last looked?
    """

    __slots__ = ("__weakref__", "entries", "name", "rt", "woken")

    def __init__(self, rt: Runtime, name: str) -> None:
        self.rt = rt
        self.name = name
        self.entries: list[WaitEntry] = []
        self.woken = False
        rt.adopt(self, name)

    @no_kernel("drm_syncobj.c fills an array of struct syncobj_wait_entry")
    def add(self, obj: SyncObj, point: int) -> WaitEntry:
        """Wait for this point, too."""
        entry = WaitEntry(self, obj, point)
        self.entries.append(entry)
        return entry

    def __enter__(self) -> Wait:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Nobody hands it anything or wakes it from here, and the references are put."""
        if kind is not None and issubclass(kind, Unwind):
            return  # the task is over, perhaps with a lock held
        for entry in self.entries:
            entry.obj.remove_wait(entry)
            if entry.callback is not None and entry.fence is not None:
                entry.fence.remove_callback(entry.callback)
            if entry.fence is not None and not entry.was_taken:
                entry.fence.put()

    @no_kernel("for reports: what a look at rest finds, without steps")
    def pending(self) -> list[Fence]:
        """The fences it waits for, as things stand; none while it waits for a submission."""
        fences = [entry.fence for entry in self.entries]
        return [fence for fence in fences if fence and not is_flagged(fence)] if all(fences) else []

    @no_kernel("for reports: what a look at rest finds, without steps")
    def unsubmitted(self) -> SyncObj | None:
        """The first object that it waits for a submission to, as things stand."""
        return next((entry.obj for entry in self.entries if entry.fence is None), None)

    @no_kernel("syncobj_wait_fence_func, a static function there")
    def wake(self, _fence: Fence) -> None:
        """The callback on a fence that it waits for. Context: any."""
        self.rt.step(WAKE, self)


class WaitEntry:
    """One point that a call waits for.

    Attributes:
        fence: what was picked up for it, with a reference; kept whatever the object does then.
        callback: queued on that fence.
        was_queued: did it ask to be told of a submission?
        was_taken: does the reference belong to whoever called?
    """

    __slots__ = ("callback", "fence", "obj", "point", "wait", "was_queued", "was_taken")

    def __init__(self, wait: Wait, obj: SyncObj, point: int) -> None:
        self.wait = wait
        self.obj = obj
        self.point = point
        self.fence: Fence | None = None
        self.callback: Callback | None = None
        self.was_queued = False
        self.was_taken = False

    @no_kernel("the end of syncobj_wait_syncobj_func, a static function there")
    def hand(self, fence: Fence) -> None:
        """The point has been submitted: take over `fence`. Context: the object's lock is held."""
        self.wait.rt.step(HAND, self.wait, (self, fence))


def _is_woken(wait: Wait, _task: Task) -> bool:
    return wait.woken


def _look(wait: Wait, _task: Task) -> list[Fence | None]:
    """What has been picked up; whatever comes from now on wakes the call again."""
    wait.woken = False
    return [entry.fence for entry in wait.entries]


def _hand(wait: Wait, task: Task) -> None:
    entry, fence = task.arg
    entry.fence = fence
    wait.woken = True


def _wake(wait: Wait, _task: Task) -> None:
    wait.woken = True


LOOK = Op("syncobj_wait.look", action=_look, says="looks for {}")
SLEEP = Op("syncobj_wait.sleep", guard=_is_woken, action=_look, says="waits for {}")
HAND = Op("syncobj_wait.hand", action=_hand, wakes=True, says="submits what {} is about")
WAKE = Op("syncobj_wait.wake", action=_wake, wakes=True, says="wakes the wait for {}")


@no_kernel("the loop around schedule_timeout, which both waits have")
def looks(wait: Wait, deadline: int | None) -> Iterator[list[Fence | None]]:
    """What has been picked up, again each time that something happened, until the caller has it.

    As in the kernel a last look comes after the time has run out, and after a signal.

    Args:
        wait: the call.
        deadline: ns on the runtime's clock, 0 for one look, None for ever.

    Raises:
        OSError: ETIME.
        Interrupted: a signal is pending.
    """
    rt = wait.rt
    end = Outcome.TIMED_OUT if deadline == 0 else Outcome.DONE
    rt.step(LOOK, wait)
    while True:
        yield rt.current().value
        if end is Outcome.TIMED_OUT:
            raise OSError(errno.ETIME, f"{wait.name}: the time ran out")
        if end is Outcome.INTERRUPTED:
            raise Interrupted(wait.name)
        end = rt.step(SLEEP, wait, deadline=deadline, interruptible=True)
        if end is not Outcome.DONE:
            rt.step(LOOK, wait)


@no_kernel("dma_fence_get, dma_fence_chain_find_seqno and the stub, as each caller there has them")
def submitted(fence: Fence | None, point: int) -> Fence | None:
    """What to wait for until `point` is reached; takes over a reference and returns one.

    Args:
        fence: what is in the object, a reference to which goes over to this function.
        point: the point; 0 asks for the fence as a whole.

    Returns None if there is no fence or it has not come to that point. Context: any.
    """
    if fence is None:
        return None
    try:
        found = find_seqno(fence, point)
    except OSError:
        fence.put()
        return None
    if found is fence:
        return fence
    if found is None:
        found = stub(rt=fence.timeline.rt)
    found.get()
    fence.put()
    return found
