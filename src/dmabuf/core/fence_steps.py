"""The indivisible steps of a fence: state, guards and actions.

Mirrors: drivers/dma-buf/dma-fence.c

What the kernel does between taking and freeing the fence lock, without calling anybody, is one
step here, guarded by "the lock is free"; where foreign code runs under the lock (callbacks,
`enable_signaling`) taking and freeing it are steps of their own. By Lipton's reduction that
loses no behaviour. A wait sleeps on the flag and, if callbacks still run under the lock then,
waits for the lock too, as the kernel's default wait does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf.core.fence_free import freed_by_put, put_touches
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Task
from dmabuf.sync.spinlock import SpinLockBase, release_spinning, take_spinning

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence
    from dmabuf.core.timeline import Timeline

__all__ = [
    "ENABLED",
    "PUBLICATIONS",
    "PUBLISHED",
    "SIGNALED",
    "TIMESTAMP",
    "Callback",
    "State",
    "holds",
    "is_flagged",
    "is_waited_for",
    "mark",
    "new_state",
    "publication_touches",
    "refuse_holder",
    "state_of",
    "timestamp_of",
]

SIGNALED = 1
TIMESTAMP = 2
ENABLED = 4
PUBLISHED = 8

PUBLICATIONS = "core.publications"
"""Name in `Runtime.extras` of what each publication changes, where somebody asks for them."""

ALREADY = "already signalled"
"""What the action of a signal returns if there was nothing left to signal."""


class Callback:
    """What `add_callback` queued; hand it to `remove_callback`.

    Live, a fence with one callback and nothing else has it for a state: that is most fences
    with callbacks, and spares them a `State`. While it runs it stands for the fence's lock.

    Attributes:
        fn: called as `fn(fence)` in the signaller's context, fence lock held, irqs off.
        queued: is it still on the fence's list?
        owner: as a fence's state: the task that runs it, None while the fence is pending.
        timestamp: as a fence's state that runs: when the fence signalled.
    """

    __slots__ = ("fn", "owner", "queued", "timestamp")

    is_lock = True
    is_spinning = True
    name = "fence.lock"

    fn: Callable[[Fence], object]
    queued: bool
    owner: Task | None
    timestamp: int


class State(SpinLockBase):
    """What a fence has beyond its identity, made when first needed; also its own lock.

    `callbacks` is None once signalled: the kernel reuses the list's storage for the timestamp.
    """

    __slots__ = ("callbacks", "error", "flags", "references", "timestamp")

    callbacks: list[Callback] | None
    error: int
    flags: int
    references: int
    timestamp: int


def new_state(timeline: Timeline, callbacks: list[Callback] | None) -> State:
    """The record of a pending fence. Not a constructor: it must be quick, and adopts nothing."""
    state = State()
    state.name = timeline.lock_name
    state.rt = timeline.rt
    state.owner = None
    state.flags = 0
    state.error = 0
    state.callbacks = callbacks
    state.timestamp = 0
    state.references = 1
    return state


def state_of(fence: Fence) -> State:
    """The fence's state record, made if there is none yet (needs the runtime's mutex).

    Nothing is called between the last look at what is there and the change: a Python signal
    handler may come in with any call.
    """
    known = fence._state
    if isinstance(known, State):
        return known
    made = new_state(fence.timeline, [])
    known = fence._state
    if known is None:
        fence._state = made
    elif isinstance(known, Callback):
        _take_over(made, known)
        if fence._state is not known:
            return state_of(fence)
        if known.owner is not None:
            del known.owner.held[known]
            known.owner.held[made] = 1
        fence._state = made
    elif isinstance(known, int):
        mark(made, known)
        fence._state = made
    else:
        return known
    return made


def _take_over(state: State, callback: Callback) -> None:
    """Let a state record say what a callback said that stood in its place."""
    state.flags = ENABLED
    runner = callback.owner
    if runner is None:
        state.callbacks = [callback]
        return
    mark(state, callback.timestamp)
    state.owner = runner


def is_flagged(fence: Fence) -> bool:
    """The SIGNALED flag as it stands."""
    state: Any = fence._state  # a look at the class costs half of what isinstance would
    if state is None:
        return False
    kind = state.__class__
    if kind is Callback:
        return state.owner is not None
    return kind is int or state.callbacks is None


def is_waited_for(fence: Fence) -> bool:
    """Are callbacks queued?"""
    state = fence._state
    if isinstance(state, Callback):
        return state.owner is None
    return isinstance(state, State) and bool(state.callbacks)


def timestamp_of(fence: Fence) -> int:
    """When a fence signalled that is known to be signalled."""
    state = fence._state
    if isinstance(state, int):
        return state
    return 0 if state is None else state.timestamp


def lock_of(fence: Fence) -> SpinLockBase:
    """The fence's lock: the timeline's, else its own, made when first needed."""
    external = fence.timeline.lock
    if external is not None:
        return external
    return state_of(fence)


def peek_lock(fence: Fence) -> SpinLockBase | Callback | None:
    """The fence's lock if it exists already."""
    external = fence.timeline.lock
    if external is not None:
        return external
    state = fence._state
    if isinstance(state, Callback):
        return state if state.owner is not None else None
    return state if isinstance(state, State) else None


def holds(fence: Fence, task: Task) -> bool:
    """Does the task hold the fence's lock?"""
    lock = peek_lock(fence)
    return lock is not None and lock.owner is task


def refuse_holder(fence: Fence, does: str) -> None:
    """Report what takes the fence's lock while the task holds it: it would spin for ever."""
    rt = fence.timeline.rt
    task = rt.current()
    if holds(fence, task):
        rt.report("DF004", f"{task.name} {does} {fence.name} while it holds the fence's lock")


def _lock_is_open(fence: Fence, task: Task) -> bool:
    """Free, or held by the task itself (the kernel's _locked variants)."""
    lock = peek_lock(fence)
    return lock is None or lock.owner is None or lock.owner is task


def _awaits_lock(fence: Fence) -> Any:
    return peek_lock(fence) or fence


def _section(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    lock = peek_lock(fence)
    return ((fence, WRITE),) if lock is None else ((fence, WRITE), (lock, READ))


def _look(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    lock = peek_lock(fence)
    return ((fence, READ),) if lock is None else ((fence, READ), (lock, READ))


# -- signal ------------------------------------------------------------------------------------


def mark(state: State, timestamp: int) -> list[Callback]:
    """Set the flags and the time, detach the callbacks and return them."""
    state.flags |= SIGNALED
    state.timestamp = timestamp
    state.flags |= TIMESTAMP
    callbacks = state.callbacks or []
    state.callbacks = None
    return callbacks


def _signal(fence: Fence, task: Task) -> Any:
    """Signal; with callbacks to run, also take the lock for their sake. `arg`: time or None."""
    state = state_of(fence)
    if state.flags & SIGNALED:
        return ALREADY
    rt = fence.timeline.rt
    callbacks = mark(state, rt.timestamp() if task.arg is None else task.arg)
    if callbacks:
        lock = lock_of(fence)
        if lock.owner is not task:
            take_spinning(lock, task)
            task.irqs_off += 1
    return callbacks


def _signal_touches(fence: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    if is_flagged(fence):
        return _look(fence, task)
    lock = peek_lock(fence)
    rt = fence.timeline.rt
    touched: tuple[tuple[Any, int], ...] = ((fence, WRITE),)
    if lock is not None:
        runs_callbacks = bool(state_of(fence).callbacks) and lock.owner is not task
        touched += ((lock, WRITE if runs_callbacks else READ),)
    return touched if rt.clock is None or task.arg is not None else (*touched, (rt.clock, READ))


def _unlock(fence: Fence, task: Task) -> None:
    release_spinning(lock_of(fence), task)
    task.irqs_off -= 1


def _lock(fence: Fence, task: Task) -> None:
    take_spinning(lock_of(fence), task)
    task.irqs_off += 1


def _lock_is_free(fence: Fence, _task: Task) -> bool:
    lock = peek_lock(fence)
    return lock is None or lock.owner is None


def _lock_touches(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((fence, READ), (lock_of(fence), WRITE))


SIGNAL = Op(
    "fence.signal",
    guard=_lock_is_open,
    action=_signal,
    touches=_signal_touches,
    waits_on=_awaits_lock,
    wakes=True,
    says="signals {}",
)
LOCK = Op(
    "fence.lock",
    guard=_lock_is_free,
    action=_lock,
    touches=_lock_touches,
    waits_on=_awaits_lock,
    says="locks {}",
)
UNLOCK = Op("fence.unlock", action=_unlock, touches=_lock_touches, says="unlocks {}")

# -- callbacks ---------------------------------------------------------------------------------


def _add(fence: Fence, task: Task) -> bool:
    """Queue the callback `arg` unless signalled."""
    state = state_of(fence)
    if state.flags & SIGNALED:
        return False
    assert state.callbacks is not None
    state.flags |= ENABLED
    state.callbacks.append(task.arg)
    task.arg.queued = True
    return True


def _add_touches(fence: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    return _look(fence, task) if is_flagged(fence) else _section(fence, task)


def _remove(fence: Fence, task: Task) -> bool:
    state = state_of(fence)
    callback: Callback = task.arg
    if not callback.queued or callback not in (state.callbacks or ()):
        return False
    assert state.callbacks is not None
    state.callbacks.remove(callback)
    callback.queued = False
    return True


def _remove_touches(fence: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    return _section(fence, task) if task.arg.queued else _look(fence, task)


ADD_CALLBACK = Op(
    "fence.add_callback",
    guard=_lock_is_open,
    action=_add,
    touches=_add_touches,
    waits_on=_awaits_lock,
    says="adds a callback to {}",
)
REMOVE_CALLBACK = Op(
    "fence.remove_callback",
    guard=_lock_is_open,
    action=_remove,
    touches=_remove_touches,
    waits_on=_awaits_lock,
    says="removes a callback of {}",
)

# -- enabling, errors, looking -----------------------------------------------------------------


def _enable(fence: Fence, _task: Task) -> bool:
    """Set the flag; True if the hook has to be called now."""
    state = state_of(fence)
    if state.flags & (SIGNALED | ENABLED):
        return False
    state.flags |= ENABLED
    return fence.timeline.ops.enable_signaling is not None


def _enable_touches(fence: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    settled = state_of(fence).flags & (SIGNALED | ENABLED)
    return _look(fence, task) if settled else _section(fence, task)


def _set_error(fence: Fence, task: Task) -> bool:
    state = state_of(fence)
    state.error = task.arg
    return not state.flags & SIGNALED


def _test(fence: Fence, _task: Task) -> bool:
    return is_flagged(fence)


def _glance(fence: Fence, task: Task) -> Outcome:
    """What a wait without time answers; a pending signal (`arg`: asked for) comes before 0."""
    if is_flagged(fence):
        return Outcome.DONE
    return Outcome.INTERRUPTED if task.arg and task.signal_pending else Outcome.TIMED_OUT


def _glance_touches(fence: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    return ((fence, READ), (task, READ)) if task.arg else ((fence, READ),)


def _status(fence: Fence, _task: Task) -> int:
    if not is_flagged(fence):
        return 0
    state = fence._state
    return (state.error or 1) if isinstance(state, State) else 1


def _flagged(fence: Fence, _task: Task) -> bool:
    return is_flagged(fence)


def _lock_seen(fence: Fence, _task: Task) -> bool:
    """Is the lock free at the instant of waking? Then there is no callback to wait for."""
    lock = peek_lock(fence)
    return lock is None or lock.owner is None


def publication_touches(fence: Fence) -> tuple[tuple[Any, int], ...]:
    """What a step that publishes a fence changes."""
    asked = fence.timeline.rt.extras.get(PUBLICATIONS)
    return ((fence, WRITE),) if asked is None else ((fence, WRITE), (asked, WRITE))


def _publish(fence: Fence, _task: Task) -> None:
    state_of(fence).flags |= PUBLISHED


def _publish_touches(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    return publication_touches(fence)


def _get(fence: Fence, _task: Task) -> int:
    state = state_of(fence)
    if state.references:
        state.references += 1
    return state.references


def _put(fence: Fence, _task: Task) -> int:
    state = state_of(fence)
    before = state.references
    state.references = max(before - 1, 0)
    if before == 1:
        freed_by_put(fence)
    return before


def _put_touches(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    return put_touches(fence, state_of(fence).references)


ENABLE = Op(
    "fence.enable_signaling",
    guard=_lock_is_open,
    action=_enable,
    touches=_enable_touches,
    waits_on=_awaits_lock,
    says="enables signalling of {}",
)
SET_ERROR = Op("fence.set_error", action=_set_error, says="sets the error of {}")
TEST = Op("fence.is_signaled", action=_test, access=READ, says="asks whether {} is signalled")
LOOK = Op("fence.look", action=_glance, touches=_glance_touches, says="looks for {}")
STATUS = Op("fence.get_status", action=_status, access=READ, says="asks the status of {}")
WAIT = Op("fence.wait", guard=_flagged, action=_lock_seen, touches=_look, says="waits for {}")
SETTLE = Op(
    "fence.settle",
    guard=_lock_is_free,
    touches=_look,
    waits_on=_awaits_lock,
    says="waits for the callbacks of {}",
)
PUBLISH = Op("fence.publish", action=_publish, touches=_publish_touches, says="publishes {}")
GET = Op("fence.get", action=_get, says="takes a reference to {}")
PUT = Op("fence.put", action=_put, touches=_put_touches, says="puts a reference to {}")
