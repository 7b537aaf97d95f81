"""Acquire contexts: what takes several locks of one class in any order, without deadlock.

Mirrors: include/linux/ww_mutex.h (ww_acquire_init, _done, _fini; DEFINE_WD_CLASS)

Contexts have stamps, the older the smaller. Of two that want each other's locks the younger one
is told so (`WouldDeadlock`); it drops all it holds, waits for the lock in question with nothing
held, and starts over. So the oldest context never has to give way.

    >>> from dmabuf.sync.ww_mutex import WwMutex
    >>> a, b = WwMutex("A"), WwMutex("B")
    >>> with ww_acquire() as ctx:
    ...     ctx.lock(a)
    ...     ctx.lock(b)
    ...     ctx.acquired
    2
    >>> a.is_locked()
    False
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import Unwind
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Op, Runtime, Task
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["WwAcquire", "WwClass", "reservation_ww_class", "ww_acquire"]

_RESERVATION = "reservation_ww_class"


class _Lockable(Protocol):
    """A ww_mutex, or what has one and locks it with methods of the same names."""

    def lock(self, ctx: WwAcquire | None = None) -> None:
        """Wait for it and take it."""

    def lock_interruptible(self, ctx: WwAcquire | None = None) -> None:
        """The same until a signal comes."""


def _draw(ww_class: WwClass, _task: Task) -> int:
    ww_class.stamp += 1
    return ww_class.stamp


DRAW = Op("ww_class.draw", action=_draw, says="draws a stamp of {}")


@kernel("struct ww_class")
class WwClass:
    """A class of locks that one context may take in any order (of the wait-die kind).

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        stamp: the last one drawn.
    """

    __slots__ = ("__weakref__", "name", "rt", "stamp")

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "ww_class"
        self.stamp = 0
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    def __repr__(self) -> str:
        return f"<WwClass {self.name}>"


@no_kernel("reservation_ww_class, a variable")
def reservation_ww_class(rt: Runtime | None = None) -> WwClass:
    """The class of all reservation objects of a runtime. Context: any."""
    rt = rt or ambient()
    found: WwClass = rt.once(_RESERVATION, lambda: WwClass(_RESERVATION, rt=rt))
    return found


@kernel("struct ww_acquire_ctx")
class WwAcquire:
    """One attempt of a task to take a set of locks. Used by that task only.

    As a with-block it unlocks at the end whatever it still holds. Its checks are those of a
    kernel with CONFIG_DEBUG_WW_MUTEXES.

    Args:
        ww_class: the class of its locks; that of reservation objects if not given.

    Attributes:
        stamp: its age; smaller is older.
        acquired: how many locks it holds.
        locks: those locks, in order of taking.
        contending: the lock that it has to take next, after `WouldDeadlock`.
        is_done: no lock may be added any more.
    """

    __slots__ = (
        "acquired",
        "contending",
        "is_done",
        "is_over",
        "locks",
        "rt",
        "stamp",
        "task",
        "ww_class",
    )

    def __init__(self, ww_class: WwClass | None = None, *, rt: Runtime | None = None) -> None:
        self.init(ww_class or reservation_ww_class(rt))

    @kernel("ww_acquire_init")
    def init(self, ww_class: WwClass) -> None:
        """Begin, with a stamp younger than all before. Context: process."""
        rt = self.rt = ww_class.rt
        self.ww_class = ww_class
        self.task = rt.current()
        self.acquired = 0
        self.locks: dict[WwMutex, None] = {}
        self.contending: WwMutex | None = None
        self.is_done = False
        self.is_over = False
        rt.step(DRAW, ww_class)
        self.stamp: int = self.task.value

    @kernel("ww_acquire_done")
    def done(self) -> None:
        """Say that all locks are taken: to take another one warns, as does to say it twice."""
        if self.is_done:
            warn_on(self.rt, f"{self.task.name} says twice that it has all locks")
        self.is_done = True

    @kernel("ww_acquire_fini")
    def fini(self) -> None:
        """End it; warns if it still holds locks, or ended before. Context: any."""
        if self.acquired:
            held = ", ".join(self.rt.label(lock) for lock in self.locks)
            warn_on(self.rt, f"{self.task.name} ends an acquire context that holds {held}")
        if self.is_over:
            warn_on(self.rt, f"{self.task.name} ends an acquire context twice")
        self.is_done = self.is_over = True

    @no_kernel("ww_mutex_lock or dma_resv_lock with this context")
    def lock(self, lock: _Lockable) -> None:
        """Take another lock. Context: process, may sleep.

        Raises:
            WouldDeadlock: drop everything (`unlock_all`), then `lock_slow`, then start over.
            AlreadyLocked: this context holds it.
        """
        lock.lock(self)

    @no_kernel("ww_mutex_lock_interruptible or dma_resv_lock_interruptible with this context")
    def lock_interruptible(self, lock: _Lockable) -> None:
        """As `lock`, but a pending signal ends the wait. Raises Interrupted as well."""
        lock.lock_interruptible(self)

    @no_kernel("ww_mutex_lock_slow with the lock that answered -EDEADLK")
    def lock_slow(self) -> WwMutex:
        """Take the lock that `WouldDeadlock` was about, with nothing held. Context: process.

        Returns that lock.
        """
        lock = self.contending
        if lock is None:
            self.rt.report("DF004", f"{self.task.name} takes the slow way without WouldDeadlock")
        assert lock is not None
        lock.lock_slow(self)
        return lock

    @no_kernel("the loop that every driver writes after -EDEADLK and at the end")
    def unlock_all(self) -> None:
        """Unlock whatever it holds, the last one taken first. Context: process."""
        while self.locks:
            next(reversed(self.locks)).unlock()

    @no_kernel("the comparison of stamps")
    def is_younger(self, other: WwAcquire) -> bool:
        """Does it have to give way to `other`?"""
        return self.stamp > other.stamp

    @no_kernel("the checks of ww_mutex_lock_acquired")
    def check(self, lock: WwMutex, *, taken: bool = False) -> None:
        """Warn if this context may not take `lock` now, or just now. Context: any.

        DF204 if it goes on after `WouldDeadlock` without backing off, else DF004.
        """
        rt = self.rt
        who = rt.current()
        wrong, code = "", "DF004"
        if self.task is not who:
            wrong = f"with the acquire context of {self.task.name}"
        elif self.is_done:
            wrong = "after it said that it has all locks"
        elif self.ww_class is not lock.ww_class:
            wrong = f"of {lock.ww_class.name} with a context of {self.ww_class.name}"
        elif self.contending is not None:
            wrong, code = self._not_backed_off(lock, self.contending, taken=taken), "DF204"
        if wrong:
            warn_on(rt, f"{who.name} locks {rt.label(lock)} {wrong}", code=code)

    def _not_backed_off(self, lock: WwMutex, contending: WwMutex, *, taken: bool) -> str:
        """What is wrong with taking `lock` now that `contending` answered `WouldDeadlock`."""
        if self.acquired > taken:
            held = ", ".join(self.rt.label(one) for one in self.locks)
            return f"after WouldDeadlock without having unlocked {held}"
        if contending is not lock:
            return f"after WouldDeadlock, before {self.rt.label(contending)} that it was about"
        return ""

    @no_kernel("ww_acquire_init as a with-block")
    def __enter__(self) -> WwAcquire:
        return self

    @no_kernel("unlocking, and ww_acquire_fini, as the end of a with-block")
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Unwind):
            return  # the run is over wherever the task stood, perhaps between two of our steps
        self.unlock_all()
        if not self.is_over:
            self.fini()

    def __repr__(self) -> str:
        return f"<WwAcquire {self.stamp} of {self.task.name} holds {self.acquired}>"


@no_kernel("ww_acquire_init, unlocking and ww_acquire_fini as a with-block")
def ww_acquire(ww_class: WwClass | None = None, *, rt: Runtime | None = None) -> WwAcquire:
    """A new acquire context, for a with-block. Context: process.

    Args:
        ww_class: the class of its locks; that of reservation objects if not given.
        rt: the runtime, if there is no class to say so.
    """
    return WwAcquire(ww_class, rt=rt)
