"""The quick ways of a live fence that nobody observes: each equals the steps it stands for.

Taken only while the runtime is `quick` (live, no instrument attached) and the fence has no hooks
and no external lock. They do guard and action directly under the runtime's mutex; where the
guard does not hold at once they leave the work to the generic steps. The tests run both ways
side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.core.fence_steps import (
    ENABLED,
    SIGNALED,
    TIMESTAMP,
    Callback,
    State,
    new_state,
)
from dmabuf.rt.clock import monotonic_ns

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["add_fused", "remove_fused", "signal_fused"]


def add_fused(fence: Fence, callback: Callback) -> bool:
    """ADD_CALLBACK, where the lock is free and the fence pending; False if it was not done."""
    timeline = fence.timeline
    mutex = timeline.rt.mutex
    mutex.acquire()
    try:
        state = fence._state
        if state is None:
            state = fence._state = new_state(timeline, [callback])
        elif isinstance(state, State) and state.owner is None and state.callbacks is not None:
            state.callbacks.append(callback)
        else:
            return False
        state.flags |= ENABLED
        callback.queued = True
        return True
    finally:
        mutex.release()


def remove_fused(fence: Fence, callback: Callback) -> bool | None:
    """REMOVE_CALLBACK, where the fence's own lock is free; None if it was not done."""
    timeline = fence.timeline
    if timeline.lock is not None:
        return None
    mutex = timeline.rt.mutex
    mutex.acquire()
    try:
        state = fence._state
        if not isinstance(state, State) or state.owner is not None:
            return None
        callbacks = state.callbacks
        if callbacks is None or not callback.queued or callback not in callbacks:
            return False
        callbacks.remove(callback)
        callback.queued = False
        return True
    finally:
        mutex.release()


def signal_fused(fence: Fence) -> None:
    """SIGNAL, the callbacks under the lock, UNLOCK, inside a signalling section.

    Written out where the generic steps call `mark`, `take_spinning` and `release_spinning`: each
    call would cost as much as what it does.
    """
    rt = fence.timeline.rt
    task = rt.current()
    mutex = rt.mutex
    mutex.acquire()
    try:
        lock = fence._state
        callbacks: list[Callback] | None = None
        if isinstance(lock, State) and lock.owner is None and lock.callbacks:
            callbacks = lock.callbacks
            lock.callbacks = None
            lock.timestamp = monotonic_ns()
            lock.flags |= SIGNALED | TIMESTAMP
            lock.owner = task
            if rt.parked:
                rt.wake(fence)
    finally:
        mutex.release()
    if callbacks is None or not isinstance(lock, State):
        fence._signal(None)
        return
    opens_section = not (task.signalling or task.is_atomic)
    task.signalling |= opens_section
    task.atomic += 1
    task.irqs_off += 1
    task.held.append(lock)
    try:
        fence.run_callbacks(callbacks)
    finally:
        task.held.remove(lock)
        task.irqs_off -= 1
        task.atomic -= 1
        task.signalling &= not opens_section
        mutex.acquire()
        try:
            lock.owner = None
            if rt.parked:
                rt.wake(lock)
        finally:
            mutex.release()
