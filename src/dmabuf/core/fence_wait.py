"""Waiting for the first of several fences, and fences that are signalled from the start.

Mirrors: include/linux/dma-fence.h (dma_fence_wait_any_timeout, dma_fence_get_stub)

    >>> a, b = Timeline("a").fence(), Timeline("b").fence()
    >>> b.signal()
    >>> wait_any([a, b])
    1
"""

from __future__ import annotations

import errno
import itertools
import operator
from collections.abc import Sequence
from typing import Any

from dmabuf._names import kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import HOOKED
from dmabuf.core.fence_steps import Callback, is_flagged, mark, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep, might_wait, warn_on

__all__ = ["private_stub", "stub", "wait_any"]

_STUB = "dma_fence stub"


class _Waiter:
    """One call of `wait_any`: woken by the first of its callbacks."""

    __slots__ = ("fences", "fired", "name")

    def __init__(self, fences: Sequence[Fence]) -> None:
        self.name = "any of " + ", ".join(fence.name for fence in fences[:4])
        self.fences = fences
        self.fired = False


def _wake(waiter: _Waiter, _task: Task) -> None:
    waiter.fired = True


def _has_fired(waiter: _Waiter, _task: Task) -> bool:
    return waiter.fired


def _lowest(waiter: _Waiter, _task: Task) -> int:
    """The first of those signalled at the instant of waking; others may follow before the end."""
    return next(index for index, fence in enumerate(waiter.fences) if is_flagged(fence))


def _sleep_touches(waiter: _Waiter, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((waiter, WRITE), *((fence, READ) for fence in waiter.fences))


WAKE = Op("wait_any.wake", action=_wake, wakes=True, says="wakes the wait for {}")
SLEEP = Op(
    "wait_any.sleep",
    guard=_has_fired,
    action=_lowest,
    touches=_sleep_touches,
    says="waits for {}",
)


@kernel("dma_fence_wait_any_timeout", context="process")
def wait_any(
    fences: Sequence[Fence], timeout: float | None = None, *, interruptible: bool = True
) -> int | None:
    """Wait until one of `fences` is signalled. Context: process, may sleep.

    Args:
        fences: at least one, all of one runtime.
        timeout: seconds, None for ever, 0 to look only.
        interruptible: a pending signal of the task ends the wait (raises Interrupted).

    Returns the lowest index of a signalled fence, None if the time ran out.
    """
    rt = fences[0].timeline.rt if fences else ambient()
    if not fences or (timeout is not None and timeout < 0):
        warn_on(rt, f"wait_any of {len(fences)} fences with timeout {timeout}")
        raise OSError(errno.EINVAL, "wait_any takes at least one fence and no negative timeout")
    if timeout == 0:
        return next((i for i, fence in enumerate(fences) if fence.is_signaled()), None)
    might_sleep("dma_fence_wait_any", code="DF206", runtime=rt)
    might_wait(rt, fences)
    if rt.quick:
        found = _first_flagged(_without_hooks(rt, fences))
        if found is not None:
            return found
    return _wait_any(rt, fences, timeout, interruptible)


def _first_flagged(fences: Sequence[Fence]) -> int | None:
    """The index of the first that is signalled.

    The iterator knows how far it has got; counting along would take as long as looking.
    """
    fences = list(fences)
    rest = iter(fences)
    for fence in rest:
        if fence._state is not None and is_flagged(fence):
            return len(fences) - operator.length_hint(rest) - 1
    return None


def _without_hooks(rt: Runtime, fences: Sequence[Fence]) -> Sequence[Fence]:
    """Those before the first whose driver has to be asked to turn signalling on.

    Asking 10,000 timelines would take a quarter of a wait; most runtimes have no such driver.
    """
    if HOOKED not in rt.extras:
        return fences
    return list(itertools.takewhile(lambda f: f.timeline.ops.enable_signaling is None, fences))


def _wait_any(
    rt: Runtime, fences: Sequence[Fence], timeout: float | None, interruptible: bool
) -> int | None:
    waiter = _Waiter(fences)
    rt.adopt(waiter, waiter.name)
    queued: list[Callback] = []

    def wake(_fence: Fence) -> None:
        rt.step(WAKE, waiter)

    try:
        for index, fence in enumerate(fences):
            callback = fence.add_callback(wake)
            if callback is None:
                return index
            queued.append(callback)
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        outcome = rt.step(SLEEP, waiter, deadline=deadline, interruptible=interruptible)
        lowest: int | None = rt.current().value
    finally:
        for fence, callback in zip(fences, queued, strict=False):
            fence.remove_callback(callback)
    if outcome is Outcome.INTERRUPTED:
        raise Interrupted("wait_any")
    return None if outcome is Outcome.TIMED_OUT else lowest


def _stub_timeline(rt: Runtime) -> Timeline:
    return Timeline("stub", driver="stub", context=0, rt=rt)


@kernel("dma_fence_get_stub")
def stub(*, rt: Runtime | None = None) -> Fence:
    """The one fence of the runtime that is signalled from the start. Context: any."""
    rt = rt or ambient()
    fence: Fence = rt.once(_STUB, lambda: _signalled_from_the_start(rt))
    return fence


def _signalled_from_the_start(rt: Runtime) -> Fence:
    """Whoever asks first makes no step that others do not make, who then find it."""
    fence = _stub_timeline(rt).fence_at(0)
    mark(state_of(fence), 0 if rt.explored else rt.timestamp())
    return fence


@kernel("dma_fence_allocate_private_stub")
def private_stub(timestamp: int, *, rt: Runtime | None = None) -> Fence:
    """A new fence, signalled at `timestamp` (ns) already. Context: process."""
    fence = _stub_timeline(rt or ambient()).fence_at(0)
    fence.signal(timestamp=timestamp)
    return fence
