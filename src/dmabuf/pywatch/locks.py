"""`threading.Lock` and `RLock` that tell what becomes of them.

They wrap the real ones and do nothing else to them. Where nobody watches any more they only pass
on. Where nobody watches at all, making one makes a real one.
"""

from __future__ import annotations

import sys
from _thread import LockType, allocate_lock
from _thread import RLock as RealRLock
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Never

from dmabuf.contract.classes import LockClass
from dmabuf.pywatch.here import Here
from dmabuf.pywatch.ledger import TRYLOCK, Ledger
from dmabuf.pywatch.sites import At

__all__ = ["RealRLock", "WatchedLock", "WatchedRLock", "allocate_lock", "new_lock", "new_rlock"]

STALLS = 5.0
"""Seconds after which a wait for a lock seems to be a deadlock, where one is possible."""
_PASSES: set[CodeType] = set()
"""Code of `threading` that only passes a lock's call on, such as `Condition.__enter__`."""


def pass_through(function: Callable[..., Any]) -> None:
    """Whoever calls that function takes the lock, not the function."""
    _PASSES.add(function.__code__)


def _at(frame: FrameType) -> At:
    """Which instruction takes a lock."""
    if frame.f_code in _PASSES and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


class _Watched:
    """What both have in common.

    Attributes:
        ledger: where it tells.
        cls: its class.
        number: tells it from all others.
        at: which instruction took it.
        owner: who holds it, as far as that was put down.
    """

    __module__ = "_thread"
    """Some insist on a lock that is not written in Python (trio): what counts of it is not."""
    __slots__ = ("__weakref__", "_real", "at", "cls", "ledger", "number", "owner")

    def __init__(self, ledger: Ledger, cls: LockClass, real: Any) -> None:
        self.ledger = ledger
        self.cls = cls
        self.number = ledger.number()
        self.owner: Here | None = None
        self.at: At | None = None
        self._real = real

    def _taken(self, here: Here, at: At, flags: int = 0, *, timed: bool = False) -> None:
        """The real lock is held. If that is an error it is freed again."""
        if here.busy or not self.ledger.on:
            return
        ledger = self.ledger
        try:
            if self.cls.role:
                if not flags & TRYLOCK:
                    ledger.wait(here, self, timed=timed)
            elif ledger.take(here, self, at, flags, timed=timed):
                self.owner = here
                self.at = at
        except BaseException:
            ledger.free(here, self)
            self._real.release()
            raise

    def _before(self, here: Here, at: At, *, timed: bool) -> None:
        """The real lock is not free, and the thread is about to wait for it."""
        if here.busy or not self.ledger.on:
            return
        if self.cls.role:
            self.ledger.wait(here, self, timed=timed)
        else:
            self.ledger.ask(here, self, at, timed=timed)

    def _tried(self, here: Here, at: At, blocking: bool, timeout: float) -> bool:
        """Take it if that can be done at once, or refuse what the real lock refuses."""
        got = bool(self._real.acquire(blocking, timeout))
        if got:
            self._taken(here, at, TRYLOCK)
        return got

    def _block(self, timeout: float) -> bool:
        """Wait for the real lock. Where a deadlock was found and this seems to be one, say so."""
        if timeout != -1 or not self.ledger.has_found:
            return bool(self._real.acquire(True, timeout))
        if self._real.acquire(True, STALLS):
            return True
        self.ledger.stalls()
        return bool(self._real.acquire())

    def _freed(self, owner: Here | None) -> None:
        """The real lock was freed."""
        ledger = self.ledger
        here = ledger.here()
        if owner is here:
            ledger.free(here, self)
        elif owner is not None:
            ledger.pass_on(here, owner, self)
        elif self.cls.role:
            ledger.set(here, self)

    def _at_fork_reinit(self) -> None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.gone.append(self)
        self._real._at_fork_reinit()

    def __reduce__(self) -> Never:
        raise TypeError(f"cannot pickle {type(self._real).__name__!r} object")

    def __repr__(self) -> str:
        return f"<watched {self._real!r}>"


class WatchedLock(_Watched):
    """A `threading.Lock`."""

    __module__ = "_thread"
    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As of the real lock."""
        if not self.ledger.on:
            return bool(self._real.acquire(blocking, timeout))
        here = self.ledger.here()
        at = _at(sys._getframe(1))
        if not blocking or not (timeout > 0 or timeout == -1):
            return self._tried(here, at, blocking, timeout)
        return self._waited(here, at, timeout)

    def __enter__(self) -> bool:
        ledger = self.ledger
        if not ledger.on:
            return bool(self._real.acquire())
        try:
            here: Here = ledger.local.here
        except AttributeError:
            here = ledger.here()
        return self._waited(here, _at(sys._getframe(1)), -1)

    def __exit__(self, *_: object) -> None:
        owner = self.owner
        if owner is not None and not owner.busy:
            locks = owner.locks
            if locks and locks[-1] is self and owner is self.ledger.here():
                self.owner = None
                try:
                    self._real.release()  # first: after this an interrupt may come
                finally:
                    locks.pop()
                return
        self.release()

    def _waited(self, here: Here, at: At, timeout: float) -> bool:
        """Take it, and wait if that is needed."""
        timed = timeout > 0
        if self._real.acquire(False):
            self._taken(here, at, timed=timed)
            return True
        if self.owner is here:
            if not timed and not here.busy:
                self.ledger.itself(here, self, at)
        else:
            self._before(here, at, timed=timed)
        if self._block(timeout):
            self._taken(here, at, timed=timed)
            return True
        return False

    def release(self) -> None:
        """As of the real lock."""
        owner = self.owner
        if owner is None and not self.cls.role:
            self._real.release()
            return
        self.owner = None
        try:
            self._real.release()
        finally:
            self._freed(owner)

    def locked(self) -> bool:
        """As of the real lock."""
        return bool(self._real.locked())

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked

    # What a condition asks of its lock; without these it would try to take it.

    def _is_owned(self) -> bool:
        return bool(self._real.locked())

    def _release_save(self) -> None:
        self.release()

    def _acquire_restore(self, _state: object) -> None:
        self._real.acquire()
        if self.ledger.on:
            self._taken(self.ledger.here(), _at(sys._getframe(1)), TRYLOCK)


class WatchedRLock(_Watched):
    """A `threading.RLock`.

    Attributes:
        depth: how often its owner has taken it.
    """

    __module__ = "_thread"
    __slots__ = ("depth",)

    def __init__(self, ledger: Ledger, cls: LockClass, real: Any) -> None:
        super().__init__(ledger, cls, real)
        self.depth = 0

    def __enter__(self) -> bool:
        return self._get(sys._getframe(1), True, -1)

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As of the real lock."""
        return self._get(sys._getframe(1), blocking, timeout)

    def _get(self, frame: FrameType, blocking: bool, timeout: float) -> bool:
        """Take it for whoever stands in that frame."""
        real = self._real
        if not self.ledger.on:
            return bool(real.acquire(blocking, timeout))
        here = self.ledger.here()
        if self.owner is here:
            got = bool(real.acquire(blocking, timeout))
            self.depth += got
            return got
        at = _at(frame)
        timed = timeout > 0
        if not blocking or not (timed or timeout == -1):
            got = self._tried(here, at, blocking, timeout)
            self.depth = 1 if got else self.depth
            return got
        if not real.acquire(False):
            self._before(here, at, timed=timed)
            if not self._block(timeout):
                return False
        self._taken(here, at, timed=timed)
        self.depth = 1
        return True

    def release(self) -> None:
        """As of the real lock."""
        owner = self.owner
        if owner is None or owner is not self.ledger.here():
            self._real.release()
            return
        self.depth -= 1
        if self.depth:
            self._real.release()
            return
        self.owner = None
        try:
            self._real.release()
        finally:
            self._freed(owner)

    def locked(self) -> bool:
        """As of the real lock, where that has it (Python 3.14)."""
        return bool(self._real.locked())

    def _is_owned(self) -> bool:
        return bool(self._real._is_owned())

    def _recursion_count(self) -> int:
        return int(self._real._recursion_count())

    def _release_save(self) -> object:
        depth, owner = self.depth, self.owner
        if owner is None or owner is not self.ledger.here():
            return depth, self._real._release_save()
        self.owner = None
        try:
            return depth, self._real._release_save()
        finally:
            self._freed(owner)

    def _acquire_restore(self, state: tuple[int, Any]) -> None:
        depth, real = state
        self._real._acquire_restore(real)
        here = self.ledger.here()
        self._taken(here, _at(sys._getframe(1)), TRYLOCK)  # the wait was judged before
        self.depth = depth or 1


def new_lock(ledger: Ledger | None) -> Any:
    """What `threading.Lock()` makes while that ledger is on."""
    return _new(ledger, "Lock", WatchedLock, allocate_lock)


def new_rlock(ledger: Ledger | None) -> Any:
    """What `threading.RLock()` makes while that ledger is on."""
    return _new(ledger, "RLock", WatchedRLock, RealRLock)


def _new(ledger: Ledger | None, kind: str, watched: type[_Watched], real: Callable[[], Any]) -> Any:
    if ledger is None or not ledger.on:
        return real()
    here = ledger.here()
    if here.busy:
        return real()
    here.busy = True
    try:
        cls = ledger.sites.class_here(kind)
        return real() if cls is None else watched(ledger, cls, real())
    finally:
        here.busy = False


REAL_TYPES = (LockType, type(RealRLock()))
