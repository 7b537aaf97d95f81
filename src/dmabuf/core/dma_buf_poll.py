"""Polling a buffer: is it idle enough to be read, or to be written?

Mirrors: drivers/dma-buf/dma-buf.c (dma_buf_poll)

    >>> from dmabuf.core.timeline import Timeline
    >>> resv, fence = Resv("frame"), Timeline("gpu").fence()
    >>> with resv:
    ...     resv.reserve_fences(1); resv.add_fence(fence, Usage.READ)
    >>> idle = ImplicitPoll(resv)
    >>> idle.poll(Events.IN | Events.OUT, lambda events: print("look again:", events.name))
    <Events.IN: 1>
    >>> fence.signal()
    look again: OUT

IN is there when no fence of usage KERNEL or WRITE is pending, OUT when no READ is either. What a
poll that finds a pending fence leaves behind is one callback for each direction, on the first such
fence only: its wake-up says "look again", not "ready". Until then the direction is not ready for
anybody, whatever becomes of the fences, and the buffer cannot go away.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.resv_iter import ResvIter
from dmabuf.errors import Interrupted
from dmabuf.rt.api import Runtime
from dmabuf.rt.clock import NS_PER_S, to_ns
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import warn_on
from dmabuf.sync.spinlock import SpinLock

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf

__all__ = ["Events", "ImplicitPoll", "Usage", "Wake", "poll_of"]

Wake = Callable[["Events"], object]


class Events(enum.IntFlag):
    """The bits of poll(2) that a buffer knows."""

    IN = 0x1
    OUT = 0x4


_DIRECTIONS = (Events.OUT, Events.IN)
"""In the order in which the kernel looks."""


def _nothing() -> None:
    """Without a file there is nothing to keep open."""


@kernel("struct dma_buf_poll_cb_t")
class ImplicitPoll:
    """What a buffer keeps for those that poll it.

    Args:
        resv: the buffer's reservation object.
        pin: takes a reference to the buffer's file.
        unpin: puts it; called in atomic context, and never with the reservation lock taken here.
        name: for reports.
        rt: the runtime it belongs to; that of `resv` if not given.

    Attributes:
        active: the directions that have a callback.
        waiters: whom to tell, and of which directions.
        lock: for changes of these two; irqs off.
    """

    __slots__ = ("__weakref__", "_pin", "_unpin", "active", "lock", "name", "resv", "rt", "waiters")

    def __init__(
        self,
        resv: Resv,
        pin: Callable[[], object] = _nothing,
        unpin: Callable[[], object] = _nothing,
        name: str = "",
        *,
        rt: Runtime | None = None,
    ) -> None:
        self.resv = resv
        self.rt = rt or resv.rt
        self.name = name or f"{resv.name} poll"
        self._pin = pin
        self._unpin = unpin
        self.active = Events(0)
        self.waiters: dict[Wake, Events] = {}
        self.lock = SpinLock(f"{self.name}.lock", rt=self.rt)

    @no_kernel("dma_buf_poll, a static function there")
    def poll(self, events: Events, wake: Wake | None = None) -> Events:
        """Which of `events` are there? Context: process, may sleep, reservation lock not held.

        Args:
            events: `Events`; other bits are never there. With none of them nothing is done.
            wake: called as `wake(events)`, once, when it is time to look again, in the context
                of whoever signals or polls then: it may not sleep, nor poll. Until then it is
                kept, whatever this call answers; `forget` takes it back.
        """
        wanted = Events(events & (Events.IN | Events.OUT))
        if not wanted:
            return wanted
        if wake is not None:
            with self.lock.irqsave():
                self.waiters[wake] = wanted
        ready = Events(0)
        with self.resv:
            for direction in _DIRECTIONS:
                if wanted & direction and self._is_ready(direction, wake):
                    ready |= direction
        for direction in _DIRECTIONS:
            if ready & direction:
                self._unpin()  # the kernel puts a file off, too, until no lock is held
        return ready

    def _is_ready(self, direction: Events, wake: Wake | None) -> bool:
        """Arm the callback; if there is nothing to wait for, tell other waiters than `wake` so."""
        with self.lock.irqsave():
            if self.active & direction:
                return False
            self.active |= direction
        self._pin()
        if self._add_callback(direction):
            return False
        self._tell(direction, but=wake)
        return True

    def _add_callback(self, direction: Events) -> bool:
        """Have the first fence that is pending tell; False without one. The lock is held."""
        usage = usage_rw(write=direction is Events.OUT)
        told = self._out_fired if direction is Events.OUT else self._in_fired
        with ResvIter(self.resv, usage) as cursor:
            for fence in cursor.locked():
                fence.get()
                if fence.add_callback(told) is not None:
                    return True
                fence.put()
        return False

    def _in_fired(self, fence: Fence) -> None:
        self._fired(Events.IN, fence)

    def _out_fired(self, fence: Fence) -> None:
        self._fired(Events.OUT, fence)

    def _fired(self, direction: Events, fence: Fence) -> None:
        """The callback, in the signaller's context with the fence's lock held."""
        self._tell(direction)
        fence.put()
        self._unpin()

    def _tell(self, direction: Events, but: Wake | None = None) -> None:
        """The direction may be looked at again: tell those that wait for it."""
        with self.lock.irqsave():
            wanting = [wake for wake, wanted in self.waiters.items() if wanted & direction]
            told = [wake for wake in wanting if wake is not but]
            for wake in told:
                del self.waiters[wake]
            self.active &= ~direction
            for wake in told:
                wake(direction)

    @no_kernel("poll_freewait")
    def forget(self, wake: Wake) -> bool:
        """Take a `wake` back; True if it had not been called. Context: any."""
        with self.lock.irqsave():
            return self.waiters.pop(wake, None) is not None

    @no_kernel("poll(2) of the descriptor")
    def wait(
        self, events: Events, timeout: float | None = None, *, interruptible: bool = True
    ) -> Events:
        """Wait until one of `events` is there. Context: process, may sleep, lock not held.

        Args:
            events: as for `poll`.
            timeout: seconds, None for ever, 0 to look only.
            interruptible: a pending signal ends the wait (raises Interrupted).

        Returns those that are there, none if the time ran out.
        """
        if timeout == 0:
            return self.poll(events)
        rt = self.rt
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        news = Completion(f"{self.name} news", rt=rt)

        def wake(_events: Events) -> None:
            news.complete()

        is_last = False
        try:
            while not (ready := self.poll(events, wake)) and not is_last:
                left = None if deadline is None else max(deadline - rt.now(), 0) / NS_PER_S
                is_last = not news.wait(left, interruptible=interruptible)
        except Interrupted:  # and nothing else: a task that is over may hold the lock
            self.forget(wake)
            raise
        self.forget(wake)
        return ready

    @no_kernel("the part of dma_buf_release that looks for callbacks, which stops the kernel there")
    def release(self) -> None:
        """The buffer goes: no callback may be queued, as each holds the file. Context: process."""
        if self.active:
            message = f"{self.name} is released while {self.active.name} has a callback"
            warn_on(self.rt, message)

    def __repr__(self) -> str:
        return f"<ImplicitPoll {self.name}: {self.active.name or 'nothing'} armed>"


@no_kernel("members of struct dma_buf: poll, cb_in and cb_out")
def poll_of(buf: DmaBuf) -> ImplicitPoll:
    """What a buffer keeps for those that poll it. Context: any.

    Explored it is there from the start, as it needs a name; live it is made for the first poll.
    """
    found = buf.poll_state
    if found is None:
        made = ImplicitPoll(buf.resv, buf.get, buf.fput, f"{buf.label} poll", rt=buf.rt)
        with buf.rt.mutex:
            found = buf.poll_state = buf.poll_state or made
    return found
