"""The quick ways of a live fence that nobody observes: each equals the steps it stands for.

Taken only while the runtime is `quick` (live, no instrument attached) and the fence has no hooks
and no external lock. They do guard and action directly under the runtime's mutex; where the
guard does not hold at once they leave the work to the generic steps. The tests run both ways
side by side. A Python signal handler may come in with any call, and signal or add something
itself; so nothing is called between looking at a fence's state and changing it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf.core.fence_steps import (
    ENABLED,
    SIGNALED,
    TIMESTAMP,
    Callback,
    State,
    new_state,
)
from dmabuf.rt.clock import monotonic_ns
from dmabuf.rt.insist import take_again

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["add_fused", "remove_fused", "signal_fused", "signal_one"]


def add_fused(fence: Fence, callback: Callback) -> bool:
    """ADD_CALLBACK of another one, where the lock is free and the fence pending; else False."""
    timeline = fence.timeline
    mutex = timeline.rt.mutex
    mutex.acquire()
    try:
        fresh = new_state(timeline, [])
        fresh.flags = ENABLED
        state = fence._state
        if isinstance(state, Callback) and state.owner is None and fence._state is state:
            fresh.callbacks = [state, callback]
            fence._state = fresh
        elif isinstance(state, State) and state.owner is None and state.callbacks is not None:
            state.callbacks.append(callback)
            state.flags |= ENABLED
        else:
            return False
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
        if state is callback and callback.owner is None:
            fence._state = None
            callback.queued = False
            return True
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


def signal_one(fence: Fence, callback: Callback) -> None:
    """The same for a fence with one callback and nothing else, which stands for its lock.

    Its owner stays in the callback, so that whoever read the state a moment ago, without the
    mutex, does not take the fence for pending again.
    """
    rt = fence.timeline.rt
    task = rt.current()
    held = task.held
    mutex = rt.mutex
    opens_section = not (task.signalling or task.atomic or task.irqs_off or task.in_irq)
    task.irqs_off += 1
    try:
        mutex.acquire()
    except BaseException:  # a Python signal handler raised while we waited for it
        task.irqs_off -= 1
        raise
    try:
        now = monotonic_ns()
        runs = fence._state is callback and callback.owner is None
        if runs:
            callback.timestamp = now
            callback.owner = task
            callback.queued = False
            held[callback] = 1  # with the owner: whoever makes a state now moves both to it
            if rt.parked:
                rt.wake(fence)
    finally:
        mutex.release()
    if not runs:
        task.irqs_off -= 1
        fence._signal(None)
        return
    task.signalling += opens_section
    task.atomic += 1
    try:
        callback.fn(fence)
    finally:
        try:
            mutex.acquire()
        except BaseException:  # the lock is freed all the same
            take_again(mutex)
            raise
        finally:
            try:
                lock: Any = fence._state
                if lock is callback:
                    fence._state = now
                else:  # somebody needed a whole state meanwhile
                    lock.owner = None
                if rt.parked:
                    rt.wake(callback, lock)
            finally:
                mutex.release()
            del held[lock]
            task.atomic -= 1
            task.signalling -= opens_section
            task.irqs_off -= 1
            if not rt.quick:
                rt.settle(task)


def signal_fused(fence: Fence) -> None:
    """SIGNAL, the callbacks under the lock, UNLOCK, inside a signalling section.

    Written out where the generic steps call `mark`, `take_spinning` and `release_spinning`: each
    call would cost as much as what it does. Interrupts are off before the lock is taken, as a
    signal handler could start in between.
    """
    rt = fence.timeline.rt
    task = rt.current()
    mutex = rt.mutex
    opens_section = not (task.signalling or task.atomic or task.irqs_off or task.in_irq)
    task.irqs_off += 1
    try:
        mutex.acquire()
    except BaseException:  # a Python signal handler raised while we waited for it
        task.irqs_off -= 1
        raise
    try:
        now = monotonic_ns()
        lock = fence._state
        callbacks: list[Callback] | None = None
        if isinstance(lock, State) and lock.owner is None and lock.callbacks:
            callbacks = lock.callbacks
            lock.callbacks = None
            lock.timestamp = now
            lock.flags |= SIGNALED | TIMESTAMP
            lock.owner = task
            if rt.parked and id(fence) in rt.parked:
                rt.wake(fence)
    finally:
        mutex.release()
    if callbacks is None or not isinstance(lock, State):
        task.irqs_off -= 1
        fence._signal(None)
        return
    task.signalling += opens_section
    task.atomic += 1
    held = task.held
    held[lock] = 1
    try:
        if len(callbacks) == 1:
            callback = callbacks[0]
            callback.queued = False
            callback.fn(fence)
        else:
            fence.run_callbacks(callbacks)
    finally:
        del held[lock]
        task.atomic -= 1
        task.signalling -= opens_section
        try:
            mutex.acquire()
        except BaseException:  # the lock is freed all the same
            take_again(mutex)
            raise
        finally:
            try:
                lock.owner = None
                if rt.parked:
                    rt.wake(lock)
            finally:
                mutex.release()
            task.irqs_off -= 1
            if not rt.quick:
                rt.settle(task)
