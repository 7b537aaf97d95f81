"""What waits and what sets: the methods of `threading`, `queue` and futures that are replaced.

Each method stays what it was: the replacement tells the ledger and calls it. Objects that were
made while nobody watched have no mark and are passed on at once. A wait that cannot last
(`timeout=0`, `blocking=False`) is none.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from dmabuf.pywatch.ledger import TRYLOCK, Ledger, Subject, own_at
from dmabuf.pywatch.locks import WatchedLock, WatchedRLock

__all__ = ["MARK", "mark_of", "methods"]

MARK = "_dmabuf_pywatch"
"""The attribute of watched objects."""

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
Session = Callable[[], Ledger | None]


def mark_of(thing: Any) -> Subject | None:
    """What stands for an object in the ledger, if it is watched and somebody watches."""
    try:
        mark: Subject | None = thing.__dict__.get(MARK)
    except AttributeError:  # somebody else's queue or future
        return None
    return mark if mark is not None and mark.ledger.on else None


def methods(session: Session) -> list[tuple[type, str, Wrap]]:
    """Every method to replace, with what makes the replacement."""
    import queue

    found: list[tuple[type, str, Wrap]] = [
        (threading.Condition, "__init__", _made(session, "Condition")),
        (threading.Condition, "wait", _condition_wait),
        (threading.Condition, "notify", _sets),
        (threading.Event, "__init__", _made(session, "Event", quiet=True)),
        (threading.Event, "wait", _waits),
        (threading.Event, "set", _sets),
        (threading.Semaphore, "__init__", _semaphore_made(session)),
        (threading.Semaphore, "acquire", _semaphore_acquire),
        (threading.Semaphore, "__enter__", _semaphore_acquire),
        (threading.Semaphore, "release", _semaphore_release),
        (threading.BoundedSemaphore, "release", _semaphore_release),
        (threading.Barrier, "__init__", _made(session, "Barrier", quiet=True)),
        (threading.Barrier, "wait", _barrier_wait),
        (queue.Queue, "get", _queue_waits("not_empty")),
        (queue.Queue, "put", _queue_waits("not_full")),
        (queue.Queue, "join", _queue_waits("all_tasks_done")),
    ]
    futures = sys.modules.get("concurrent.futures._base")
    if futures is not None:
        found += [(futures.Future, "result", _result), (futures.Future, "exception", _result)]
    return found


def quietly(ledger: Ledger, call: Callable[[], Any]) -> Any:
    """Do what the watcher does not look at: what is made in it is not watched."""
    here = ledger.here()
    before, here.busy = here.busy, True
    try:
        return call()
    finally:
        here.busy = before


def _may_last(blocking: object, timeout: object) -> bool:
    """Can it be a wait at all?"""
    if not blocking:
        return False
    return timeout is None or (isinstance(timeout, int | float) and timeout > 0)


# -- making --------------------------------------------------------------------------------------


def _made(session: Session, kind: str, *, quiet: bool = False) -> Wrap:
    """A constructor: what it makes is watched; what that has inside is not, if `quiet`."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            ledger = session()
            if ledger is None:
                original(self, *args, **kwargs)
                return
            mark = ledger.subject(kind)
            if quiet:
                quietly(ledger, lambda: original(self, *args, **kwargs))
            else:
                original(self, *args, **kwargs)
            if mark is not None:
                self.__dict__[MARK] = mark

        return __init__

    return wrap


def _semaphore_made(session: Session) -> Wrap:
    """A semaphore of one unit works as a lock until somebody else releases it."""
    plain = _made(session, "Semaphore", quiet=True)
    lock = _made(session, "Semaphore of 1", quiet=True)

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        one, many = lock(original), plain(original)

        @functools.wraps(original)
        def __init__(self: Any, value: int = 1) -> None:  # noqa: N807
            (one if value == 1 else many)(self, value)
            mark = mark_of(self)
            if mark is not None:
                mark.is_lock = value == 1

        return __init__

    return wrap


# -- waiting and setting -------------------------------------------------------------------------


def _waits(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Event.wait`."""

    @functools.wraps(original)
    def wait(self: Any, timeout: float | None = None) -> Any:
        mark = mark_of(self)
        if mark is not None and _may_last(True, timeout):
            mark.ledger.wait(mark.ledger.here(), mark, timed=timeout is not None)
        return original(self, timeout)

    return wait


def _sets(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Event.set`, `Condition.notify`."""

    @functools.wraps(original)
    def set_(self: Any, *args: Any, **kwargs: Any) -> Any:
        mark = mark_of(self)
        if mark is not None:
            mark.ledger.set(mark.ledger.here(), mark)
        return original(self, *args, **kwargs)

    return set_


def _condition_wait(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Condition.wait`: its own lock is free meanwhile, and taken again at the end."""

    @functools.wraps(original)
    def wait(self: Any, timeout: float | None = None) -> Any:
        mark = mark_of(self)
        if mark is not None and _may_last(True, timeout):
            _wait_without(mark, self._lock, timed=timeout is not None)
        return original(self, timeout)

    return wait


def _wait_without(mark: Subject, lock: Any, *, timed: bool) -> None:
    """Wait for something with a lock freed, if it is held and watched."""
    ledger = mark.ledger
    here = ledger.here()
    if not isinstance(lock, WatchedLock | WatchedRLock) or lock.owner is not here or here.busy:
        ledger.wait(here, mark, timed=timed)
        return
    ledger.free(here, lock)
    try:
        ledger.wait(here, mark, timed=timed)
    finally:
        ledger.take(here, lock, lock.at or own_at(sys._getframe(1)))


def _barrier_wait(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Barrier.wait`: whoever arrives sets it for the others, and waits for them."""

    @functools.wraps(original)
    def wait(self: Any, timeout: float | None = None) -> Any:
        mark = mark_of(self)
        if mark is not None and self.parties > 1:
            here = mark.ledger.here()
            mark.ledger.set(here, mark)
            limit = self._timeout if timeout is None else timeout
            if _may_last(True, limit):
                mark.ledger.wait(here, mark, timed=limit is not None)
        return original(self, timeout)

    return wait


def _queue_waits(condition: str) -> Wrap:
    """`Queue.get`, `put`, `join`: they may wait, whether they have to this time or not."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            mark = mark_of(getattr(self, condition, None))
            if mark is not None and (condition != "not_full" or self.maxsize > 0):
                rest = args[1:] if condition == "not_full" else args
                blocking = kwargs.get("block", rest[0] if rest else True)
                timeout = kwargs.get("timeout", rest[1] if len(rest) > 1 else None)
                if _may_last(blocking, timeout):
                    here = mark.ledger.here()
                    mark.ledger.wait(here, mark, timed=timeout is not None)
            return original(self, *args, **kwargs)

        return call

    return wrap


def _result(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Future.result`, `Future.exception`: the same for a future that may be done already."""

    @functools.wraps(original)
    def result(self: Any, timeout: float | None = None) -> Any:
        mark = mark_of(getattr(self, "_condition", None))
        if mark is not None and _may_last(True, timeout):
            mark.ledger.wait(mark.ledger.here(), mark, timed=timeout is not None)
        return original(self, timeout)

    return result


# -- semaphores ----------------------------------------------------------------------------------


def _semaphore_acquire(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Semaphore.acquire`: one that works as a lock is held then."""

    @functools.wraps(original)
    def acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> Any:
        mark = mark_of(self)
        if mark is None:
            return original(self, blocking, timeout)
        ledger = mark.ledger
        here = ledger.here()
        may_last = _may_last(blocking, timeout)
        is_lock = mark.is_lock and not mark.cls.role
        at = own_at(sys._getframe(1))
        if may_last and is_lock:
            ledger.ask(here, mark, at, timed=timeout is not None)
        elif may_last:
            ledger.wait(here, mark, timed=timeout is not None)
        got = original(self, blocking, timeout)
        if got and is_lock and not here.busy and ledger.take(here, mark, at, TRYLOCK):
            mark.owner, mark.at = here, at
        return got

    return acquire


def _semaphore_release(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Semaphore.release`: frees it, or gives a unit to whoever waits."""

    @functools.wraps(original)
    def release(self: Any, *args: Any, **kwargs: Any) -> Any:
        mark = mark_of(self)
        if mark is not None:
            ledger = mark.ledger
            here = ledger.here()
            owner, mark.owner = mark.owner, None
            if owner is here:
                ledger.free(here, mark)
            elif owner is not None:
                ledger.pass_on(here, owner, mark)
            else:
                ledger.set(here, mark)
        return original(self, *args, **kwargs)

    return release
