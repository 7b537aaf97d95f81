"""The quick ways of a live fence that nobody observes: each equals the steps it stands for.

Taken only while the runtime is `quick` (live, no instrument attached) and the fence has no hooks
and no external lock. They do guard and action directly under the runtime's mutex; where the
guard does not hold at once they leave the work to the generic steps. The tests run both ways
side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.core.fence_steps import ENABLED, Callback, State, mark, new_state
from dmabuf.rt.clock import monotonic_ns
from dmabuf.sync.spinlock import release_spinning, take_spinning

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence
    from dmabuf.rt.api import Task

__all__ = ["add_fused", "signal_fused"]


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


def signal_fused(fence: Fence) -> None:
    """SIGNAL, the callbacks under the lock, UNLOCK, inside a signalling section."""
    rt = fence.timeline.rt
    task = rt.current()
    mutex = rt.mutex
    mutex.acquire()
    try:
        state = fence._state
        callbacks: list[Callback] | None = None
        if isinstance(state, State) and state.owner is None and state.callbacks:
            callbacks = mark(state, monotonic_ns())
            take_spinning(state, task)
            task.irqs_off += 1
            if rt.parked:
                rt.wake(fence)
    finally:
        mutex.release()
    if callbacks is not None and isinstance(state, State):
        _call(fence, callbacks, state, task)
    else:
        fence._signal(None)


def _call(fence: Fence, callbacks: list[Callback], lock: State, task: Task) -> None:
    """Run the callbacks with the lock held, then free it and wake whoever waits for it."""
    nested = task.signalling or task.atomic > 1 or task.irqs_off > 1 or task.in_irq
    if not nested:
        task.signalling = 1
    try:
        fence._run_callbacks(callbacks, unlock=False)
    finally:
        if not nested:
            task.signalling = 0
        rt = fence.timeline.rt
        mutex = rt.mutex
        mutex.acquire()
        try:
            task.irqs_off -= 1
            release_spinning(lock, task)
            if rt.parked:
                rt.wake(lock)
        finally:
            mutex.release()
