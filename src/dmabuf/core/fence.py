"""The plain fence: it signals once, runs callbacks, and can be waited for.

Mirrors: include/linux/dma-fence.h, drivers/dma-buf/dma-fence.c

    >>> from dmabuf.core.timeline import Timeline
    >>> fence = Timeline("gpu").fence()
    >>> fence.add_callback(lambda f: print("done:", f.status)) is not None
    True
    >>> fence.signal()
    done: 1
    >>> fence.wait(timeout=0)
    True

A fence that nobody looked at closely is three words: its timeline, its seqno, and None (pending)
or the time at which it signalled. Everything else lives in a `State` record, made when needed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core import fence_steps as steps
from dmabuf.core.compiled import compiled
from dmabuf.core.fence_default_wait import checked_ns, default_wait
from dmabuf.core.fence_free import check_use
from dmabuf.core.fence_fused import add_fused, remove_fused, signal_fused, signal_one
from dmabuf.core.fence_names import check_rcu, driver_name, timeline_name
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.fence_steps import Callback, State
from dmabuf.rt.clock import monotonic_ns
from dmabuf.rt.loops import await_callback
from dmabuf.sync.context import begin_signalling, end_signalling, might_sleep, might_wait, warn_on
from dmabuf.sync.spinlock import SpinLockBase

if TYPE_CHECKING:
    from dmabuf.core.timeline import Timeline

__all__ = ["Fence"]

MAX_ERRNO = 4095
_SEQNO_MASK = (1 << 32) - 1
_HALF = 1 << 31


@kernel("struct dma_fence")
class Fence:
    """A promise that some work will be done: pending, then signalled, with or without an error.

    Fences are made by their timeline (`Timeline.fence`, `Timeline.fence_at`): the class has no
    constructor of its own, because calling one would double the time that a new fence takes.
    A fence is never un-signalled.

    Attributes:
        timeline: context, operations and lock.
        seqno: its place on the timeline.
    """

    __slots__ = ("_state", "seqno", "timeline")

    timeline: Timeline
    seqno: int
    _state: State | Callback | int | None

    # -- signalling ----------------------------------------------------------------------------

    @compiled
    @kernel("dma_fence_signal", "dma_fence_signal_timestamp")
    def signal(self, *, timestamp: int | None = None) -> None:
        """Signal the fence and run its callbacks; a second time does nothing. Context: any.

        Without `timestamp` (ns) this is a signalling section of its own, as in the kernel.
        """
        line = self.timeline
        rt = line.rt
        if not rt.quick or line.lock is not None or timestamp is not None:
            self._signal(timestamp)
            return
        state = self._state
        if state is None:
            mutex = rt.mutex
            mutex.acquire()  # `with` costs twice as much, and `finally` nothing
            try:
                now = monotonic_ns()  # first, as a signal handler may come in with any call
                if self._state is None:
                    self._state = now
                    if rt.parked and id(self) in rt.parked:
                        rt.wake(self)
                    return
            finally:
                mutex.release()
        elif isinstance(state, Callback):
            signal_one(self, state)
            return
        signal_fused(self)

    @kernel("dma_fence_check_and_signal")
    def check_and_signal(self) -> bool:
        """As `signal`; True if the fence was signalled already. Context: any."""
        return self._signal(None)

    @kernel("dma_fence_signal_locked", "dma_fence_signal_timestamp_locked")
    def signal_locked(self, *, timestamp: int | None = None) -> None:
        """As `signal`, for a caller that holds the fence's lock (else DF004)."""
        self.check_and_signal_locked(timestamp=timestamp)

    @kernel("dma_fence_check_and_signal_locked")
    def check_and_signal_locked(self, *, timestamp: int | None = None) -> bool:
        """As `check_and_signal`, for a caller that holds the fence's lock (else DF004)."""
        rt = self.timeline.rt
        if self.lock.owner is not rt.current():
            rt.report("DF004", f"signal_locked of {self.name} without its lock")
        return self._signal_and_call(timestamp)

    def _signal(self, timestamp: int | None) -> bool:
        rt = self.timeline.rt
        if rt.postpones(lambda: self._signal(timestamp)):
            return False
        steps.refuse_holder(self, "signals")
        if timestamp is not None:
            return self._signal_and_call(timestamp)
        cookie = begin_signalling(rt)
        try:
            return self._signal_and_call(None)
        finally:
            end_signalling(cookie, rt)

    def _signal_and_call(self, timestamp: int | None) -> bool:
        rt = self.timeline.rt
        task = rt.current()
        held_before = steps.holds(self, task)
        rt.step(steps.SIGNAL, self, timestamp)
        callbacks = task.value
        check_use(self, "signals")
        if callbacks is steps.ALREADY:
            return True
        if callbacks:
            try:
                self.run_callbacks(callbacks)
            finally:
                if not held_before:
                    rt.step(steps.UNLOCK, self)
        return False

    @no_kernel("the loop over cb_list in dma_fence_signal_timestamp_locked")
    def run_callbacks(self, callbacks: list[Callback]) -> None:
        """Call each, in order, lock held; one that raises does not keep others from running."""
        first_error: BaseException | None = None
        for callback in callbacks:
            callback.queued = False
            try:
                callback.fn(self)
            except BaseException as error:  # noqa: BLE001 - raised below, when all have run
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    @compiled
    @kernel("dma_fence_add_callback")
    def add_callback(self, fn: Callable[[Fence], object]) -> Callback | None:
        """Let `fn(fence)` be called at the signal; None if it is signalled already.

        The callback runs in the signaller's context with the fence's lock held and irqs off: it
        may not sleep, nor touch this fence but by reading it. Turns signalling on first.
        Context: any.
        """
        if not callable(fn):
            raise OSError(errno.EINVAL, f"a callback is a function, not {fn!r}")
        callback = Callback()
        callback.fn = fn
        callback.owner = None
        line = self.timeline
        rt = line.rt
        if rt.quick and not line.hooked:
            callback.queued = True
            mutex = rt.mutex
            mutex.acquire()
            try:
                if self._state is None:
                    self._state = callback
                    return callback
            finally:
                mutex.release()
            if add_fused(self, callback):
                return callback
        callback.queued = False
        return self._add_callback(callback)

    def _add_callback(self, callback: Callback) -> Callback | None:
        if not steps.is_flagged(self):
            steps.refuse_holder(self, "adds a callback to")
        if self.timeline.ops.enable_signaling is not None:
            self._enable()
        rt = self.timeline.rt
        rt.step(steps.ADD_CALLBACK, self, callback)
        added = rt.current().value
        check_use(self, "adds a callback to")
        return callback if added else None

    @kernel("dma_fence_remove_callback")
    def remove_callback(self, callback: Callback) -> bool:
        """Take a callback back; True if it was still queued, so will not run. Context: any."""
        rt = self.timeline.rt
        removed = remove_fused(self, callback) if rt.quick else None
        if removed is not None:
            return removed
        steps.refuse_holder(self, "removes a callback of")
        rt.step(steps.REMOVE_CALLBACK, self, callback)
        return bool(rt.current().value)

    @kernel("dma_fence_enable_signaling", "dma_fence_enable_sw_signaling")
    def enable_signaling(self) -> None:
        """Have the driver see to the signal: its hook is called at most once. Context: any.

        The hook runs with the fence's lock held; a false answer signals the fence at once.
        """
        steps.refuse_holder(self, "enables signalling of")
        self._enable()

    def _enable(self) -> None:
        rt = self.timeline.rt
        hook = self.timeline.ops.enable_signaling
        if hook is None:
            rt.step(steps.ENABLE, self)
            return
        task = rt.current()
        locked_here = not steps.holds(self, task)
        if locked_here:
            rt.step(steps.LOCK, self)
        try:
            rt.step(steps.ENABLE, self)
            if task.value and not hook(self):
                self._signal_and_call(None)
        finally:
            if locked_here:
                rt.step(steps.UNLOCK, self)

    # -- looking -------------------------------------------------------------------------------

    @kernel("dma_fence_is_signaled", "dma_fence_is_signaled_locked")
    def is_signaled(self) -> bool:
        """Is it signalled? Context: any.

        Asks the driver's `signaled` hook too, and a true answer signals the fence, callbacks
        and all. Signalling is not turned on, so it may stay False for ever.
        """
        line = self.timeline
        if line.rt.quick and not line.hooked:
            return self._state is not None and steps.is_flagged(self)
        return self._is_signaled()

    def _is_signaled(self) -> bool:
        rt = self.timeline.rt
        rt.step(steps.TEST, self)
        signaled = rt.current().value
        check_use(self, "looks at")
        if signaled:
            return True
        hook = self.timeline.ops.signaled
        if hook is None or not hook(self):
            return False
        if steps.holds(self, rt.current()):
            self._signal_and_call(None)
        else:
            self._signal(None)
        return True

    @property
    @kernel("dma_fence_get_status", "dma_fence_get_status_locked")
    def status(self) -> int:
        """0 pending, 1 signalled, negative errno if it signalled with an error.

        An error set before the signal shows only after it. Asking may signal (`is_signaled`).
        """
        if not self.is_signaled():
            return 0
        rt = self.timeline.rt
        rt.step(steps.STATUS, self)
        return int(rt.current().value)

    @property
    @no_kernel("fence->error, a member")
    def error(self) -> int:
        """The error as set, 0 without one, whether or not the fence is signalled."""
        state = self._state
        return state.error if isinstance(state, State) else 0

    @kernel("dma_fence_set_error")
    def set_error(self, error: int) -> None:
        """Say, before the signal, that the work failed: a negative errno. Context: any.

        Setting it after the signal breaks DF106; a number outside -4095..-1 warns (DF004).
        """
        rt = self.timeline.rt
        if not -MAX_ERRNO <= error < 0:
            warn_on(rt, f"set_error({error}) of {self.name}: a negative errno is wanted")
        rt.step(steps.SET_ERROR, self, error)
        if not rt.current().value:
            message = f"{rt.current().name} sets the error of {self.name} after its signal"
            warn_on(rt, message, code="DF106")

    @property
    @kernel("dma_fence_timestamp")
    def timestamp(self) -> int:
        """When it signalled, in ns; asking a pending fence warns and answers "now"."""
        rt = self.timeline.rt
        rt.step(steps.TEST, self)
        if not rt.current().value:
            warn_on(rt, f"timestamp of {self.name}, which is not signalled")
            return rt.now()
        return steps.timestamp_of(self)

    # -- waiting -------------------------------------------------------------------------------

    @kernel("dma_fence_wait", "dma_fence_wait_timeout", "dma_fence_default_wait", context="process")
    def wait(self, timeout: float | None = None, *, interruptible: bool = True) -> bool:
        """Wait for the signal. Context: process, may sleep, for any timeout (else DF206).

        Args:
            timeout: seconds, None for ever, 0 to look only.
            interruptible: a pending signal of the task ends the wait (raises Interrupted).

        Returns False if the time ran out. The fence's error is no result of a wait.
        """
        limit = None if timeout is None else checked_ns(self, timeout)
        return self.wait_ns(limit, interruptible=interruptible) > 0

    @no_kernel("dma_fence_wait_timeout in nanoseconds instead of jiffies")
    def wait_ns(self, limit: int | None, *, interruptible: bool = True) -> int:
        """Wait at most `limit` ns; the time left, at least 1, or 0 if it ran out."""
        rt = self.timeline.rt
        might_sleep(f"dma_fence_wait of {self.name}", code="DF206", runtime=rt)
        might_wait(rt, self)
        if self.timeline.hooked:
            self.enable_signaling()
            if self.timeline.ops.wait is not None:
                return int(self.timeline.ops.wait(self, interruptible, limit))
        return self.default_wait_ns(limit, interruptible=interruptible)

    @no_kernel("dma_fence_default_wait in nanoseconds")
    def default_wait_ns(self, limit: int | None, *, interruptible: bool = True) -> int:
        """What `wait_ns` does for a driver without a `wait` hook."""
        return default_wait(self, limit, interruptible=interruptible)

    def __await__(self) -> Generator[Any, Any, None]:
        """Await the signal in asyncio or trio, on live runtimes; as `wait`, but no thread sleeps.

        The result is None: as for any wait, the fence's error is no result of it (see `status`).
        Cancelling removes the callback. Context: process.
        """
        rt = self.timeline.rt
        might_sleep(f"await of {self.name}", code="DF206", runtime=rt)
        return await_callback(rt, self.add_callback, self.remove_callback)

    # -- order, names, lifetime ----------------------------------------------------------------

    @property
    @no_kernel("fence->context, a member")
    def context(self) -> int:
        """The number of its timeline; 0 is the stub's."""
        return self.timeline.context

    @property
    @no_kernel("fence->lock or fence->inline_lock, a member")
    def lock(self) -> SpinLockBase:
        """The lock its callbacks run under: the timeline's, else its own."""
        with self.timeline.rt.mutex:
            return steps.lock_of(self)

    @kernel("dma_fence_is_later", "__dma_fence_is_later")
    def is_later(self, other: Fence) -> bool:
        """Is it later than `other` on the same timeline? Different ones warn: False."""
        if self.context != other.context:
            warn_on(self.timeline.rt, f"is_later of {self.name} and {other.name}: two timelines")
            return False
        if self.timeline.wide or other.timeline.wide:
            return self.seqno > other.seqno
        difference = (self.seqno - other.seqno) & _SEQNO_MASK
        return 0 < difference < _HALF

    @kernel("dma_fence_is_later_or_same")
    def is_later_or_same(self, other: Fence) -> bool:
        """Is it later, or the very same object (an equal seqno alone does not do)?"""
        return self is other or self.is_later(other)

    @kernel("dma_fence_later")
    def later(self, other: Fence) -> Fence | None:
        """The later one of two, or None if that one is signalled, even if the other is not."""
        if self.context != other.context:
            warn_on(self.timeline.rt, f"later of {self.name} and {other.name}: two timelines")
            return None
        latest = self if self.is_later(other) else other
        return None if latest.is_signaled() else latest

    @property
    @kernel("dma_fence_driver_name")
    def driver_name(self) -> str:
        """The driver's name; "detached-driver" once signalled. Context: any, under RCU.

        Explored or observed, reading a pending fence's name outside `rcu_read_lock` warns
        (DF004): the kernel's string may go with the driver. Otherwise live it is yours to print.
        """
        check_rcu(self, "driver_name")
        return driver_name(self)

    @property
    @kernel("dma_fence_timeline_name")
    def timeline_name(self) -> str:
        """The timeline's name; "signaled-timeline" once signalled; as `driver_name`."""
        check_rcu(self, "timeline_name")
        return timeline_name(self)

    @property
    @no_kernel("what reports call a fence; survives the signal, unlike the kernel's names")
    def name(self) -> str:
        """timeline:seqno."""
        return f"{self.timeline.name}:{self.seqno}"

    @property
    @no_kernel("fence->ops, a member")
    def ops(self) -> FenceOps | None:
        """The driver's operations; None once signalled, unless it has `release` or `wait`."""
        ops = self.timeline.ops
        stays = ops.release is not None or ops.wait is not None
        return None if steps.is_flagged(self) and not stays else ops

    @kernel("dma_fence_set_deadline")
    def set_deadline(self, deadline_ns: int) -> None:
        """Tell the driver by when the signal is wanted; a hint. Context: process."""
        hook = self.timeline.ops.set_deadline
        if hook is not None and not self.is_signaled():
            hook(self, deadline_ns)

    @kernel("dma_fence_describe")
    def describe(self) -> str:
        """One line: context:seqno timeline driver state; names are empty once signalled."""
        if self.is_signaled():
            return f"{self.context}:{self.seqno}   signalled"
        return f"{self.context}:{self.seqno} {timeline_name(self)} {driver_name(self)} unsignalled"

    @no_kernel("installing a fence where others find it; each place has its own call there")
    def publish(self) -> None:
        """Let others see it: from here it must signal, whatever happens. Context: any."""
        self.timeline.rt.step(steps.PUBLISH, self)

    @kernel("dma_fence_get", "dma_fence_get_rcu")
    def get(self) -> Fence | None:
        """Take a counted reference, for designs about lifetime; None if none was left.

        Explored, that answer is for readers who began before the last put (else DF004).
        """
        rt = self.timeline.rt
        rt.step(steps.GET, self)
        taken = rt.current().value
        check_use(self, "takes a reference to")
        return self if taken else None

    @kernel("dma_fence_put")
    def put(self) -> None:
        """Put a counted reference; the last one releases the fence. Context: any."""
        rt = self.timeline.rt
        rt.step(steps.PUT, self)
        before = rt.current().value
        if before == 0:
            rt.report("DF004", f"{rt.current().name} puts {self.name}, which has no reference left")
        if before == 1:
            self.release()

    @kernel("dma_fence_release", "dma_fence_free")
    def release(self) -> None:
        """What happens when the last reference is gone. Context: any, even irq.

        With callbacks queued and no signal that is a broken promise (DF106): it warns, and the
        callbacks run with the error -EDEADLK.
        """
        rt = self.timeline.rt
        if steps.is_waited_for(self):
            who = f"{driver_name(self)}:{timeline_name(self)}:{self.context}:{self.seqno}"
            with rt.mutex:
                steps.state_of(self).error = -errno.EDEADLK
            try:
                warn_on(rt, f"{who} is released with callbacks queued", code="DF106")
            finally:
                if not rt.explored:
                    self._signal(None)
        if self.timeline.ops.release is not None:
            self.timeline.ops.release(self)

    def __del__(self) -> None:
        state = self._state
        was_put = isinstance(state, State) and not state.references  # and so released
        if (self.timeline.releases or steps.is_waited_for(self)) and not was_put:
            self.timeline.rt.defer(self.release)

    def __repr__(self) -> str:
        state = "signalled" if steps.is_flagged(self) else "pending"
        error = f" error={self.error}" if self.error else ""
        return f"<Fence {self.timeline.driver}:{self.name} {state}{error}>"
