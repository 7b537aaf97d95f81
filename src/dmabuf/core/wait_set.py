"""Many fences registered once; their completions come out one by one.

Mirrors: no kernel header. It is to `dma_fence_wait_any_timeout` what epoll is to poll.

    >>> from dmabuf.core.timeline import Timeline
    >>> gpu = Timeline("gpu")
    >>> first, second = gpu.fence(), gpu.fence()
    >>> with WaitSet([first, second]) as waiting:
    ...     second.signal()
    ...     waiting.wait() is second, len(waiting)
    (True, 1)

A guard over many objects would have to be asked after every change of each. So each fence gets a
callback, which moves it to the set's queue in one step of the signaller; a wait is a guarded step
on that queue alone. `wait_any`, which forgets its fences after one answer, has a leaner waiter.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any

from dmabuf._names import no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import ENABLED, Callback, State, is_flagged, new_state
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.rt.loops import await_callback
from dmabuf.sync.context import might_sleep, warn_on

__all__ = ["WaitSet"]

Listener = Callable[[object], None]

_NEW, _KNOWN, _CLOSED = "new", "known", "closed"


def _admit(waiting: WaitSet, task: Task) -> str:
    """Take in `arg`, (fence, its callback or None), unless it is there already."""
    fence, callback = task.arg
    if waiting.closed:
        return _CLOSED
    if fence in waiting.pending or fence in waiting.ready:
        return _KNOWN
    if is_flagged(fence):  # its callback may have come and gone, or run later and find nothing
        waiting.ready[fence] = None
    else:
        waiting.pending[fence] = callback
    return _NEW


def _admit_touches(waiting: WaitSet, task: Task) -> tuple[tuple[Any, int], ...]:
    fence = task.arg[0]
    if waiting.closed or fence in waiting.pending or fence in waiting.ready:
        return ((waiting, READ),)
    return ((waiting, WRITE), (fence, READ))


def _push(waiting: WaitSet, task: Task) -> None:
    """Move the fence `arg` to the queue, unless it was removed or is there already."""
    if waiting.pending.pop(task.arg, None) is not None:
        waiting.ready[task.arg] = None


def _push_touches(waiting: WaitSet, task: Task) -> tuple[tuple[Any, int], ...]:
    return ((waiting, WRITE if task.arg in waiting.pending else READ),)


def _forget(waiting: WaitSet, task: Task) -> tuple[bool, Callback | None]:
    """Take the fence `arg` out: was it there, and the callback that is to be removed."""
    callback = waiting.pending.pop(task.arg, None)
    if callback is not None:
        return True, callback
    known = task.arg in waiting.ready
    waiting.ready.pop(task.arg, None)
    return known, None


def _forget_touches(waiting: WaitSet, task: Task) -> tuple[tuple[Any, int], ...]:
    known = task.arg in waiting.pending or task.arg in waiting.ready
    return ((waiting, WRITE if known else READ),)


def _may_take(waiting: WaitSet, task: Task) -> bool:
    """`arg`: an empty set ends the wait, too."""
    return bool(waiting.ready) or waiting.closed or (task.arg and not waiting.pending)


def _take(waiting: WaitSet, _task: Task) -> Fence | None:
    return waiting.ready.popitem(last=False)[0] if waiting.ready else None


def _take_touches(waiting: WaitSet, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((waiting, WRITE if waiting.ready else READ),)


def _drain(waiting: WaitSet, _task: Task) -> list[Fence]:
    fences = list(waiting.ready)
    waiting.ready.clear()
    return fences


def _count(waiting: WaitSet, _task: Task) -> int:
    return len(waiting.pending) + len(waiting.ready)


def _close(waiting: WaitSet, _task: Task) -> dict[Fence, Callback]:
    pending, waiting.pending = waiting.pending, {}
    waiting.ready.clear()
    waiting.closed = True
    return pending


def _listen(waiting: WaitSet, task: Task) -> bool:
    """Let the coroutine's `arg` be told when something is ready; False if there is news now."""
    if waiting.ready or waiting.closed or not waiting.pending:
        return False
    waiting.listeners.append(task.arg)
    return True


def _unlisten(waiting: WaitSet, task: Task) -> None:
    if task.arg in waiting.listeners:
        waiting.listeners.remove(task.arg)


def _detach(waiting: WaitSet, _task: Task) -> list[Listener]:
    listeners, waiting.listeners = waiting.listeners, []
    return listeners


ADMIT = Op(
    "wait_set.admit", action=_admit, touches=_admit_touches, wakes=True, says="adds a fence to {}"
)
PUSH = Op(
    "wait_set.push",
    action=_push,
    touches=_push_touches,
    wakes=True,
    says="tells {} of a signal",
)
FORGET = Op(
    "wait_set.forget",
    action=_forget,
    touches=_forget_touches,
    wakes=True,
    says="removes a fence from {}",
)
TAKE = Op(
    "wait_set.take", guard=_may_take, action=_take, touches=_take_touches, says="waits for {}"
)
LOOK = Op("wait_set.look", action=_take, touches=_take_touches, says="looks for {}")
DRAIN = Op("wait_set.drain", action=_drain, touches=_take_touches, says="drains {}")
COUNT = Op("wait_set.count", action=_count, access=READ, says="counts {}")
CLOSE = Op("wait_set.close", action=_close, wakes=True, says="closes {}")
LISTEN = Op("wait_set.listen", action=_listen, says="listens to {}")
UNLISTEN = Op("wait_set.unlisten", action=_unlisten, says="listens to {} no more")
DETACH = Op("wait_set.detach", action=_detach, says="tells the listeners of {}")


@no_kernel("epoll over fences; a kernel driver would queue its own callbacks")
class WaitSet:
    """Fences to wait for: each is added once, and comes out once when it has signalled.

    They come out in the order in which their callbacks ran, which for one signaller is the order
    of signalling; a fence that was signalled before it was added counts as signalled then. A
    fence is in the set at most once; when it has come out it may be added again. The set keeps a
    reference to what it waits for. One that is released without a signal comes out with its
    error, -EDEADLK, as its other callbacks see it.

    Several tasks may wait: each completion goes to one of them. A coroutine of a live runtime says
    `async for fence in waiting`, which ends as iteration does; it does not give others a turn
    while fences are ready.

    Args:
        fences: to begin with.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "closed", "listeners", "name", "pending", "ready", "rt")

    def __init__(
        self, fences: Iterable[Fence] = (), name: str = "", *, rt: Runtime | None = None
    ) -> None:
        self.name = name or "wait-set"
        self.rt = rt or ambient()
        self.pending: dict[Fence, Callback] = {}
        self.ready: OrderedDict[Fence, None] = OrderedDict()
        self.closed = False
        self.listeners: list[Listener] = []
        self.rt.adopt(self, self.name)
        self.add_all(fences)

    @no_kernel("EPOLL_CTL_ADD")
    def add(self, fence: Fence) -> bool:
        """Wait for `fence` too; False if it is in the set already. Context: any.

        Turns signalling of the fence on. Raises OSError: EBADF if the set is closed, EINVAL if
        the fence belongs to another runtime.
        """
        line = fence.timeline
        if line.rt is not self.rt:
            raise OSError(errno.EINVAL, f"{fence.name} belongs to another runtime than {self.name}")
        if self.rt.quick and not line.hooked and _add_fused(self, fence):
            if self.listeners:
                self._tell()
            return True
        return self._add(fence)

    def _add(self, fence: Fence) -> bool:
        """The callback first: whatever happens to the set, it knows what it has to remove."""
        callback = fence.add_callback(self._signalled)
        self.rt.step(ADMIT, self, (fence, callback))
        found = self.rt.current().value
        self._tell()
        if found is not _NEW and callback is not None:
            fence.remove_callback(callback)
        if found is _CLOSED:
            raise OSError(errno.EBADF, f"{self.name} is closed")
        return bool(found is _NEW)

    @no_kernel("EPOLL_CTL_ADD for each")
    def add_all(self, fences: Iterable[Fence]) -> None:
        """Wait for each of `fences` too, as `add` does. Context: any."""
        add = self.add
        for fence in fences:
            add(fence)

    @no_kernel("EPOLL_CTL_DEL")
    def remove(self, fence: Fence) -> bool:
        """Forget `fence`: if True it will not come out, if False it has, or was never there.

        When it returns, the set's callback neither is queued on the fence nor runs. Context:
        any, but not with the fence's lock held (else DF004).
        """
        self.rt.step(FORGET, self, fence)
        known, callback = self.rt.current().value
        self._tell()
        if callback is not None:
            fence.remove_callback(callback)
        return bool(known)

    def _signalled(self, fence: Fence) -> None:
        """The callback: in the signaller's context, the fence's lock held."""
        rt = self.rt
        if not rt.quick:
            rt.step(PUSH, self, fence)
            self._tell()
            return
        mutex = rt.mutex
        mutex.acquire()
        try:
            if self.pending.pop(fence, None) is not None:
                self.ready[fence] = None
                if rt.parked and id(self) in rt.parked:
                    rt.wake(self)
        finally:
            mutex.release()
        if self.listeners:
            self._tell()

    def _tell(self) -> None:
        """Tell coroutines to look again; explored there are none, so that takes no step."""
        if self.listeners:
            self.rt.step(DETACH, self)
            for listener in self.rt.current().value:
                listener(self)

    @no_kernel("epoll_wait for one event")
    def wait(self, timeout: float | None = None, *, interruptible: bool = True) -> Fence | None:
        """Take out the next fence that has signalled. Context: process, may sleep (else DF206).

        An empty set is waited for as well, because another task may add to it; to stop there,
        iterate. The fence's error is no result of a wait.

        Args:
            timeout: seconds, None for ever, 0 to look only (which never sleeps).
            interruptible: a pending signal of the task ends the wait (raises Interrupted).

        Returns None if the time ran out or the set is closed.
        """
        rt = self.rt
        if timeout is not None and timeout < 0:
            warn_on(rt, f"wait for {self.name} with timeout {timeout}")
            raise OSError(errno.EINVAL, f"a timeout is not negative: {timeout}")
        if timeout == 0:
            rt.step(LOOK, self)
            return rt.current().value  # type: ignore[no-any-return]
        return self._next(timeout, interruptible, until_empty=False)

    def _next(
        self, timeout: float | None, interruptible: bool, *, until_empty: bool
    ) -> Fence | None:
        rt = self.rt
        might_sleep(f"wait for {self.name}", code="DF206", runtime=rt)
        if rt.quick and self.ready:
            with rt.mutex:
                if self.ready:
                    return self.ready.popitem(last=False)[0]
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        outcome = rt.step(TAKE, self, until_empty, deadline=deadline, interruptible=interruptible)
        if outcome is Outcome.INTERRUPTED:
            raise Interrupted(f"wait for {self.name}")
        if outcome is Outcome.TIMED_OUT:
            return None
        return rt.current().value  # type: ignore[no-any-return]

    @no_kernel("epoll_wait without time, for all events")
    def drain(self) -> list[Fence]:
        """Take out all that have signalled, in their order; never blocks. Context: any."""
        self.rt.step(DRAIN, self)
        return self.rt.current().value  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Fence]:
        """Wait for and take out one fence after the other until the set is empty or closed."""
        while (fence := self._next(None, True, until_empty=True)) is not None:
            yield fence

    def __aiter__(self) -> WaitSet:
        return self

    def __anext__(self) -> Awaitable[Fence]:
        return _Next(self)

    def __len__(self) -> int:
        """How many fences are in it: pending, or signalled and not taken out yet."""
        self.rt.step(COUNT, self)
        return int(self.rt.current().value)

    @no_kernel("close of an epoll descriptor")
    def close(self) -> None:
        """Remove all callbacks and end all waits (None); a second time does nothing.

        Fences that have not come out do not any more. Context: any, but not with the lock of a
        fence of the set held (else DF004).
        """
        self.rt.step(CLOSE, self)
        pending: dict[Fence, Callback] = self.rt.current().value
        self._tell()
        for fence, callback in pending.items():
            fence.remove_callback(callback)

    def __enter__(self) -> WaitSet:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.pending)} pending, {len(self.ready)} ready"
        return f"<WaitSet {self.name}: {state}>"


class _Next:
    """The next fence, for a coroutine: what is ready, or else it is told and looks again."""

    __slots__ = ("waiting",)

    def __init__(self, waiting: WaitSet) -> None:
        self.waiting = waiting

    def __await__(self) -> Generator[Any, Any, Fence]:
        waiting, rt = self.waiting, self.waiting.rt
        while True:
            rt.step(LOOK, waiting)
            fence: Fence | None = rt.current().value
            if fence is not None:
                return fence
            if not len(waiting):
                raise StopAsyncIteration
            might_sleep(f"await of {waiting.name}", code="DF206", runtime=rt)
            yield from await_callback(rt, self._add, self._remove)

    def _add(self, listener: Listener) -> Listener | None:
        rt = self.waiting.rt
        rt.step(LISTEN, self.waiting, listener)
        return listener if rt.current().value else None

    def _remove(self, listener: Listener) -> None:
        self.waiting.rt.step(UNLISTEN, self.waiting, listener)


def _add_fused(waiting: WaitSet, fence: Fence) -> bool:
    """ADD_CALLBACK and ADMIT of a fence that is new and whose lock is free; else False.

    Live and unobserved only, and for fences without hooks: see `fence_fused`, also for why
    nothing is called between looking at the fence's state and changing it.
    """
    rt = waiting.rt
    mutex = rt.mutex
    mutex.acquire()
    try:
        if waiting.closed or fence in waiting.pending or fence in waiting.ready:
            return False
        callback = Callback()
        callback.fn = waiting._signalled
        callback.queued = True
        fresh = new_state(fence.timeline, [callback]) if fence._state is None else None
        state = fence._state
        if state is None and fresh is not None:
            state = fence._state = fresh
        elif isinstance(state, State) and state.owner is not None:
            return False
        elif is_flagged(fence):
            waiting.ready[fence] = None
            if rt.parked and id(waiting) in rt.parked:
                rt.wake(waiting)
            return True
        elif isinstance(state, State) and state.callbacks is not None:
            state.callbacks.append(callback)
        else:
            return False
        state.flags |= ENABLED
        waiting.pending[fence] = callback
        return True
    finally:
        mutex.release()
