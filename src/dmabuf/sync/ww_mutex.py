"""Sleeping lock that an acquire context may take together with others of its class, in any order.

Mirrors: include/linux/ww_mutex.h, kernel/locking/ww_mutex.h

    >>> from dmabuf.sync.ww_acquire import WwAcquire
    >>> lock = WwMutex("A")
    >>> with WwAcquire() as ctx:
    ...     lock.lock(ctx)
    ...     lock.is_locked()
    True

Waiters with a context queue in the order of stamps, those without one in order of arrival. A
context that holds other locks does not wait for an older one, be it the holder or a waiter, but
dies (`WouldDeadlock`); if an older one arrives while it waits, it dies then. A context that
holds nothing never dies. The lock is handed over to the first waiter. The kernel may let a
running task overtake it, which is explored as an order in which the overtaken came later.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import AlreadyLocked, Interrupted, WouldDeadlock
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Scope, Task
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.lockdep import assert_held, unlocks_unheld
from dmabuf.sync.ww_acquire import WwClass, reservation_ww_class

if TYPE_CHECKING:
    from dmabuf.sync.ww_acquire import WwAcquire

__all__ = ["WwMutex"]


# --- what the steps do ---------------------------------------------------------------------------
#
# How many locks a context holds is read by others only while its task waits, when nobody but they
# change it. So a context is in no footprint: who queues and who holds it says the lock.


class Verdict(enum.Enum):
    """What becomes of one who asks for the lock."""

    TAKE = "take"
    QUEUE = "queue"
    DIE = "die"
    GONE = "gone"


def _verdict(lock: WwMutex, ctx: WwAcquire | None) -> Verdict:
    if lock.is_destroyed:
        return Verdict.GONE
    if lock.owner is None:
        return Verdict.TAKE
    if ctx is None or not ctx.acquired:
        return Verdict.QUEUE
    others = (lock.ctx, *(waiting for _task, waiting in lock.queue))
    gives_way = any(other is not None and ctx.is_younger(other) for other in others)
    return Verdict.DIE if gives_way else Verdict.QUEUE


def _own(lock: WwMutex, task: Task, ctx: WwAcquire | None) -> None:
    """Make `task` the holder; its own list of locks is its own step's business."""
    assert lock.owner is None
    lock.owner = task
    lock.ctx = ctx
    lock.acquisitions += 1
    if ctx is not None:
        ctx.acquired += 1


def _free(lock: WwMutex) -> None:
    """Hand the lock over to the first waiter."""
    if lock.ctx is not None:
        lock.ctx.acquired -= 1
    lock.owner = lock.ctx = None
    if lock.queue:
        _own(lock, *lock.queue.pop(0))


def _ask(lock: WwMutex, task: Task) -> Verdict:
    """Take the lock, queue, or neither; `arg`: the context or None."""
    ctx: WwAcquire | None = task.arg
    verdict = _verdict(lock, ctx)
    if verdict is Verdict.TAKE:
        _own(lock, task, ctx)
        task.held[lock] = 1
    elif verdict is Verdict.QUEUE:
        _enqueue(lock, task, ctx)
    return verdict


def _enqueue(lock: WwMutex, task: Task, ctx: WwAcquire | None) -> None:
    """Queue in the order of stamps; younger waiters that hold something leave the queue and die."""
    queue = lock.queue
    place = len(queue)
    if ctx is not None:
        for index in range(len(queue) - 1, -1, -1):
            other = queue[index][1]
            if other is None:
                continue
            if ctx.is_younger(other):
                break
            place = index
        queue[place:] = [w for w in queue[place:] if w[1] is None or not w[1].acquired]
    queue.insert(place, (task, ctx))


def _ask_touches(lock: WwMutex, task: Task) -> tuple[tuple[Any, int], ...]:
    changes = _verdict(lock, task.arg) in (Verdict.TAKE, Verdict.QUEUE)
    return ((lock, WRITE if changes else READ),)


def _is_queued(lock: WwMutex, task: Task) -> bool:
    return any(waiter is task for waiter, _ctx in lock.queue)


def _is_decided(lock: WwMutex, task: Task) -> bool:
    return not _is_queued(lock, task)


def _enter(lock: WwMutex, task: Task) -> bool:
    """Was the lock handed over (or did an older context come)?"""
    if lock.owner is not task:
        return False
    task.held[lock] = 1
    return True


def _leave(lock: WwMutex, task: Task) -> None:
    lock.queue[:] = [waiter for waiter in lock.queue if waiter[0] is not task]


def _cancel(lock: WwMutex, task: Task) -> bool:
    """Leave the queue, unless the lock was handed over before: then the task has it."""
    _leave(lock, task)
    return _enter(lock, task)


def _abandon(lock: WwMutex, task: Task) -> None:
    """An exception ended the wait: neither queued nor holding what was just asked for."""
    _leave(lock, task)
    if lock.owner is task:
        if lock in task.held:
            del task.held[lock]
        _free(lock)


def _try(lock: WwMutex, task: Task) -> bool:
    if _verdict(lock, None) is not Verdict.TAKE:
        return False
    _own(lock, task, task.arg)
    task.held[lock] = 1
    return True


def _try_touches(lock: WwMutex, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((lock, WRITE if _verdict(lock, None) is Verdict.TAKE else READ),)


def _release(lock: WwMutex, task: Task) -> tuple[Task, ...] | None:
    """None if `task` held it and does no more; else who holds it."""
    if lock.owner is not task:
        return () if lock.owner is None else (lock.owner,)
    del task.held[lock]
    _free(lock)
    return None


def _destroy(lock: WwMutex, _task: Task) -> Task | None:
    lock.is_destroyed = True
    return lock.owner


LOCK = Op("ww_mutex.lock", action=_ask, touches=_ask_touches, says="asks for {}")
# Nobody else reads what the waiter's own step changes.
WAIT = Op("ww_mutex.wait", guard=_is_decided, action=_enter, access=READ, says="waits for {}")
CANCEL = Op("ww_mutex.cancel", action=_cancel, says="no longer waits for {}")
ABANDON = Op("ww_mutex.abandon", action=_abandon, says="gives {} up")
TRYLOCK = Op("ww_mutex.trylock", action=_try, touches=_try_touches, says="tries to lock {}")
UNLOCK = Op("ww_mutex.unlock", action=_release, says="unlocks {}")
DESTROY = Op("ww_mutex.destroy", action=_destroy, says="destroys {}")
IS_LOCKED = Op(
    "ww_mutex.is_locked",
    action=lambda lock, _task: lock.owner is not None,
    access=READ,
    says="asks whether {} is locked",
)


# --- the lock ------------------------------------------------------------------------------------


@kernel("struct ww_mutex", "ww_mutex_init")
class WwMutex:
    """A sleeping lock of a wait-die class; never used in atomic context.

    Args:
        name: for reports.
        ww_class: its class; that of reservation objects if not given.
        rt: the runtime it belongs to; that of the class if not given.

    Attributes:
        owner: who holds it.
        ctx: with which context, if with one.
        queue: who waits, in the order in which they get it, and with which context.
        acquisitions: how many times it was taken.
    """

    __slots__ = (
        "__weakref__",
        "acquisitions",
        "ctx",
        "is_destroyed",
        "name",
        "owner",
        "queue",
        "rt",
        "ww_class",
    )

    is_lock = True
    is_spinning = False

    def __init__(
        self, name: str = "", ww_class: WwClass | None = None, *, rt: Runtime | None = None
    ) -> None:
        self.name = name or "ww_mutex"
        self.rt = rt or (ww_class.rt if ww_class is not None else ambient())
        self.ww_class = ww_class or reservation_ww_class(self.rt)
        self.owner: Task | None = None
        self.ctx: WwAcquire | None = None
        self.queue: list[tuple[Task, WwAcquire | None]] = []
        self.acquisitions = 0
        self.is_destroyed = False
        self.rt.adopt(self, name)

    @kernel("ww_mutex_lock", context="process")
    def lock(self, ctx: WwAcquire | None = None) -> None:
        """Wait until it is free and take it. Context: process, may sleep.

        Args:
            ctx: the acquire context; None to take just this one lock of the class.

        Raises:
            WouldDeadlock: the context holds other locks and an older one is in the way; unlock
                all of them, then `lock_slow`.
            AlreadyLocked: the context holds it.
            ContractViolation: DF004, the task holds it otherwise; DF003, it may not sleep.
        """
        self._lock("ww_mutex_lock", ctx, interruptible=False)

    @kernel("ww_mutex_lock_interruptible", context="process")
    def lock_interruptible(self, ctx: WwAcquire | None = None) -> None:
        """As `lock`, but a pending signal ends the wait. Raises Interrupted as well."""
        self._lock("ww_mutex_lock_interruptible", ctx, interruptible=True)

    @kernel("ww_mutex_lock_slow", context="process")
    def lock_slow(self, ctx: WwAcquire) -> None:
        """Take the lock that raised `WouldDeadlock`, with nothing held. Context: process.

        Warns (DF004) unless it was that lock, and unless the context dropped all others.
        """
        self._check_slow(ctx)
        self._lock("ww_mutex_lock_slow", ctx, interruptible=False)

    @kernel("ww_mutex_lock_slow_interruptible", context="process")
    def lock_slow_interruptible(self, ctx: WwAcquire) -> None:
        """As `lock_slow`, but a pending signal ends the wait. Raises Interrupted."""
        self._check_slow(ctx)
        self._lock("ww_mutex_lock_slow_interruptible", ctx, interruptible=True)

    @kernel("ww_mutex_trylock", context="process")
    def trylock(self, ctx: WwAcquire | None = None) -> bool:
        """Take it if it is free; never waits, never dies. Context: process."""
        rt = self.rt
        rt.step(TRYLOCK, self, ctx)
        if not rt.current().value:
            return False
        if ctx is not None:
            ctx.check(self, taken=True)
            self._joined(ctx)
        return True

    @kernel("ww_mutex_unlock", context="process")
    def unlock(self) -> None:
        """Free the lock. Raises ContractViolation (DF004) unless the task owns it."""
        rt = self.rt
        task = rt.current()
        ctx = self.ctx if self.owner is task else None
        if ctx is not None:
            del ctx.locks[self]
        rt.step(UNLOCK, self)
        if task.value is not None:
            rt.report("DF004", unlocks_unheld(self, task, task.value))

    @kernel("ww_mutex_is_locked")
    def is_locked(self) -> bool:
        """Does anybody hold it? Stale as soon as it is answered. Context: any."""
        self.rt.step(IS_LOCKED, self)
        return bool(self.rt.current().value)

    @kernel("ww_mutex_destroy")
    def destroy(self) -> None:
        """Say that nobody uses it any more; warns if it is locked. Context: any."""
        rt = self.rt
        rt.step(DESTROY, self)
        owner = rt.current().value
        if owner is not None:
            message = f"{rt.current().name} destroys {rt.label(self)}, which {owner.name} holds"
            warn_on(rt, message)

    @no_kernel("lockdep.assert_held, as a method")
    def assert_held(self) -> None:
        """Warn (DF004) unless the calling task holds the lock."""
        assert_held(self)

    @no_kernel("with-statement for ww_mutex_lock without a context")
    def __enter__(self) -> WwMutex:
        self.lock()
        return self

    @no_kernel("with-statement for ww_mutex_unlock")
    def __exit__(self, *_: object) -> None:
        self.unlock()

    def _lock(self, call: str, ctx: WwAcquire | None, *, interruptible: bool) -> None:
        rt = self.rt
        task = rt.current()
        if task.is_atomic:
            might_sleep(f"{call} of {rt.label(self)}", runtime=rt)
        if ctx is not None:
            if self.ctx is ctx:
                raise AlreadyLocked(self.name)
            ctx.check(self)
        if task.scope & Scope.RECLAIM:
            self._check_reclaim(task)
        if self.owner is task:
            rt.report("DF004", f"{task.name} locks {rt.label(self)}, which it holds already")
        if task.held:
            self._check_others(task, ctx)
        if not self._won(ctx, interruptible=interruptible):
            assert ctx is not None
            ctx.contending = self
            raise WouldDeadlock(self.name)
        if ctx is not None:
            self._joined(ctx)

    def _won(self, ctx: WwAcquire | None, *, interruptible: bool) -> bool:
        """Ask for it and wait; False if the context has to die."""
        rt = self.rt
        rt.step(LOCK, self, ctx)
        verdict = rt.current().value
        if verdict is Verdict.GONE:
            rt.report("DF004", f"{rt.current().name} locks {rt.label(self)}, which was destroyed")
        if verdict is not Verdict.QUEUE:
            return verdict is Verdict.TAKE
        try:
            outcome = rt.step(WAIT, self, interruptible=interruptible)
        except BaseException:
            rt.step(ABANDON, self)
            raise
        if outcome is Outcome.INTERRUPTED:
            rt.step(CANCEL, self)
            if not rt.current().value:
                raise Interrupted(f"lock of {self.name}")
            return True
        return bool(rt.current().value)

    def _joined(self, ctx: WwAcquire) -> None:
        """One more lock of the context."""
        ctx.contending = None
        ctx.locks[self] = None

    def _check_others(self, task: Task, ctx: WwAcquire | None) -> None:
        """Warn (DF204) about locks of the class that nobody can tell this task to drop.

        What lies below a lock of the same context was looked at when that one was taken.
        """
        rt = self.rt
        for other in reversed(task.held):
            if not isinstance(other, WwMutex) or other.ww_class is not self.ww_class:
                continue
            if ctx is None or other.ctx is not ctx:
                what = f"{task.name} locks {rt.label(self)} while it holds {rt.label(other)}"
                warn_on(rt, f"{what}, without one acquire context for both", code="DF204")
            return

    def _check_reclaim(self, task: Task) -> None:
        """Warn (DF304): whoever is short of memory may hold any lock of the class."""
        rt = self.rt
        if self.ww_class is reservation_ww_class(rt):
            what = f"{task.name} asks for {rt.label(self)} while it reclaims memory"
            warn_on(rt, f"{what}, where only trylock is allowed", code="DF304")

    def _check_slow(self, ctx: WwAcquire) -> None:
        if ctx.contending is None:
            label = self.rt.label(self)
            message = f"{ctx.task.name} takes the slow way to {label} without WouldDeadlock"
            warn_on(self.rt, message)

    def __repr__(self) -> str:
        owner = f"held by {self.owner.name}" if self.owner is not None else "free"
        return f"<WwMutex {self.name} {owner}>"
