"""Putting the watcher into `threading`, and taking it out: the one place that replaces anything.

Methods of Python classes (Event, Condition, Semaphore, Barrier, Thread, Queue, Future) are
replaced on the class, so whoever imported the class has them too. What is a builtin (Lock,
RLock, SimpleQueue) is replaced in every module that knows it by its own name. All of it is put
back when nobody watches any more; what somebody else has put over it stays, and only passes on.
"""

from __future__ import annotations

import _queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

from dmabuf.pywatch import threads, waits
from dmabuf.pywatch.ledger import Ledger
from dmabuf.pywatch.locks import (
    REAL_TYPES,
    WatchedLock,
    allocate_lock,
    new_lock,
    new_rlock,
    pass_through,
)
from dmabuf.pywatch.waits import MARK, mark_of

__all__ = ["Session"]

_NAMES = ("Lock", "_Lock", "RLock", "_RLock", "SimpleQueue", "_SimpleQueue")
"""By these names modules know what is replaced in them."""
_REAL_LOCK = threading.Lock
_REAL_RLOCK = threading.RLock


class Session:
    """Whose ledger is on, and what is replaced meanwhile.

    Attributes:
        lock: held while somebody begins or ends to watch.
        ledger: the ledger, while somebody watches and wants new locks watched.
    """

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.ledger: Ledger | None = None
        self._methods: list[tuple[type, str, Any, Any]] = []
        self._factories: dict[Any, Any] = {}

    def now(self) -> Ledger | None:
        """The ledger that new locks tell."""
        return self.ledger

    def install(self, ledger: Ledger) -> None:
        """From now on new locks tell that ledger."""
        self.ledger = ledger
        pass_through(threading.Condition.__enter__)
        for owner, name, wrap in [*waits.methods(self.now), *threads.methods(self.now)]:
            original = owner.__dict__[name]
            replacement = wrap(original)
            setattr(owner, name, replacement)
            self._methods.append((owner, name, original, replacement))
        if not self._factories:
            self._factories = _factories(self)
        for names, name, original in _users(self._factories):
            names[name] = self._factories[original]

    def remove(self) -> None:
        """Put everything back."""
        self.ledger = None
        for owner, name, original, replacement in reversed(self._methods):
            if owner.__dict__.get(name) is replacement:
                setattr(owner, name, original)
        self._methods.clear()
        back = {replacement: original for original, replacement in self._factories.items()}
        for names, name, replacement in _users(back):  # also of modules that came meanwhile
            names[name] = back[replacement]

    def after_fork(self) -> None:
        """In the child: whoever held these locks is not here."""
        self.lock = allocate_lock()
        if self.ledger is not None:
            self.ledger.lock.lock = allocate_lock()


def _users(known: dict[Any, Any]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """The modules that know one of these by its own name: their names, the name, which one."""
    sought = {id(one) for one in known}
    for module in list(sys.modules.values()):
        names: dict[str, Any] = getattr(module, "__dict__", None) or {}
        if type(names) is not dict or names.get("__name__") in _NOT_IN:
            continue
        for name in _NAMES:
            if id(names.get(name)) in sought:
                yield names, name, names[name]


_NOT_IN = {"_thread", "_queue", "_threading_local", __name__}


class _Known(type):
    """A class that knows the real ones as its own, so that `isinstance` answers as before."""

    reals: tuple[type, ...]

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.reals) or type.__instancecheck__(cls, instance)


def _factories(session: Session) -> dict[Any, Any]:
    """What is replaced, and by what."""

    class _Calls(_Known):
        def __call__(cls) -> Any:
            return new_lock(session.ledger)

    class Lock(metaclass=_Calls):
        """`threading.Lock` while somebody watches."""

        reals = (REAL_TYPES[0], WatchedLock)

    def RLock(*args: Any, **kwargs: Any) -> Any:  # noqa: N802
        """`threading.RLock` while somebody watches."""
        if args or kwargs:
            return _REAL_RLOCK(*args, **kwargs)
        return new_rlock(session.ledger)

    return {_REAL_LOCK: Lock, _REAL_RLOCK: RLock, _queue.SimpleQueue: _simple_queue(session)}


def _simple_queue(session: Session) -> type:
    """A `queue.SimpleQueue` that tells of `get` and `put`."""

    class SimpleQueue(_queue.SimpleQueue[Any], metaclass=_Known):
        """`queue.SimpleQueue` while somebody watches."""

        reals = (_queue.SimpleQueue,)

        def __init__(self) -> None:
            super().__init__()
            ledger = session.ledger
            mark = None if ledger is None else ledger.subject("SimpleQueue")
            if mark is not None:
                setattr(self, MARK, mark)

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            mark = mark_of(self)
            if mark is not None and block and (timeout is None or timeout > 0):
                mark.ledger.wait(mark.ledger.here(), mark, timed=timeout is not None)
            return super().get(block, timeout)

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            mark = mark_of(self)
            if mark is not None:
                mark.ledger.set(mark.ledger.here(), mark)
            super().put(item, block, timeout)

        def put_nowait(self, item: Any) -> None:
            self.put(item, block=False)

    return SimpleQueue
