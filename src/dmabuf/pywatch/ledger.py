"""What the locks of a watched program tell, put down: who takes, waits, sets.

One ledger lasts as long as anybody watches. It must never be the reason why a program stops: its
own lock is waited for no longer than `_PATIENCE`, and what a finaliser or a signal handler does
while a thread is in here is not looked at. Both are counted.
"""

from __future__ import annotations

import itertools
import sys
import threading
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from types import FrameType
from typing import Any

from dmabuf.contract.classes import Classes
from dmabuf.contract.graph import Graph
from dmabuf.contract.limits import Limits, Reached
from dmabuf.contract.modes import EXCLUSIVE
from dmabuf.contract.stacks import frames_here
from dmabuf.pywatch.dependency import HELD, PASSED, TAKES, WAITS, Dependency
from dmabuf.pywatch.here import Here, Taken
from dmabuf.pywatch.judge import PASSED_ON, Conflict, Judge
from dmabuf.pywatch.sites import At, Sites, is_maker, is_ours

__all__ = ["TRYLOCK", "Ledger", "LockOrderError", "Subject", "own_at"]

_PATIENCE = 0.2
"""Seconds: longer is the ledger's lock not waited for."""
_WAYS = 256
"""So many times a chain of classes is looked at again, for other locks, threads or times."""
_SINCE = 32
"""So many locks taken before an event is set are looked at."""
TRYLOCK = 1
"""A flag of an acquisition: it did not wait."""


class LockOrderError(RuntimeError):
    """A lock or an event would be waited for that makes a deadlock possible; only on request."""


class _Busy(Exception):
    """The ledger's lock was not free for too long."""


class _Patient:
    """A lock that gives up: `_Busy`."""

    def __init__(self) -> None:
        self.lock = allocate_lock()

    def __enter__(self) -> None:
        if not self.lock.acquire(True, _PATIENCE):
            raise _Busy

    def __exit__(self, *_: object) -> None:
        self.lock.release()


class Subject:
    """Something of the program that is watched and is no lock: an event, a condition, a thread.

    Attributes:
        ledger: where it is watched.
        cls: its class.
        number: tells it from all others.
        owner: who holds it, where it is a semaphore that works as a lock.
        at: where that was taken.
        is_lock: it is a semaphore that works as a lock.
    """

    __slots__ = ("at", "cls", "is_lock", "ledger", "number", "owner")

    def __init__(self, ledger: Ledger, cls: Any, number: int) -> None:
        self.ledger = ledger
        self.cls = cls
        self.number = number
        self.owner: Here | None = None
        self.at: At | None = None
        self.is_lock = False


class _Share:
    """A lock class that setters of an event class need: always, or now and then?"""

    __slots__ = ("needed", "seen", "sets")

    def __init__(self, sets: list[int]) -> None:
        self.sets = sets
        self.needed = 0
        self.seen = 0

    @property
    def always(self) -> bool:
        return self.needed >= self.sets[0]


class Ledger:
    """What is known of the locks made while it is on.

    Args:
        limits: how much is kept.
        found: called with each new conflict, in the thread that closed it, before it waits; it
            does not raise. What it returns is raised if the thread is about to wait.
        stalled: called once, in a thread that waits for long where a deadlock was found.

    Attributes:
        on: somebody watches.
        has_found: there is a conflict.
        stalled_once: `stalled` was called.
        reached: limits that were reached.
        classes: of locks and events.
        graph: their order.
        local: where each thread keeps its `Here`.
        number: makes a number that nothing else has.
        judge: dependencies and conflicts.
        unseen: acquisitions that were not looked at, as the tables were in use for too long.
        again: acquisitions that were not compared, as such a chain came too often.
        older: locks that were taken too long before an event was set to be remembered.
    """

    def __init__(
        self,
        found: Callable[[Conflict], BaseException | None],
        stalled: Callable[[], None],
        *,
        limits: Limits | None = None,
    ) -> None:
        self.on = True
        self.found = found
        self.stalled = stalled
        self.has_found = False
        self.stalled_once = False
        self.lock = _Patient()
        self.reached = Reached(limits or Limits())
        self.classes = Classes(self.reached)
        self.graph = Graph()
        self.sites = Sites(self.classes)
        self.judge = Judge()
        self.unseen = 0
        self.again = 0
        self.older = 0
        self.local = threading.local()
        self.number = itertools.count(1).__next__
        self._seen: set[Any] = set()
        self._ways: dict[Any, int] = {}
        self._totals: dict[Any, list[int]] = {}
        self._shares: dict[Any, _Share] = {}

    # -- threads and things --------------------------------------------------------------------

    def here(self) -> Here:
        """The calling thread."""
        try:
            here: Here = self.local.here
        except AttributeError:
            here = self.local.here = Here(_name_of_thread())
        return here

    def begin(self, here: Here) -> None:
        """The calling thread is that one."""
        self.local.here = here

    def subject(self, kind: str) -> Subject | None:
        """Watch something that is being made; None inside the watcher or if there is no room."""
        here = self.here()
        if here.busy:
            return None
        here.busy = True
        try:
            cls = self.sites.class_here(kind)
            return None if cls is None else Subject(self, cls, self.number())
        finally:
            here.busy = False

    # -- what happens --------------------------------------------------------------------------

    def take(self, here: Here, lock: Any, at: At, flags: int = 0, *, timed: bool = False) -> bool:
        """A lock was taken, or is about to be. False if the thread holds too many."""
        here.busy = True
        try:
            if here.gone:
                self._forget(here)
            locks = here.locks
            cls = lock.cls
            since = here.since
            if cls not in since and len(since) >= _SINCE:
                del since[next(iter(since))]
                self.older += 1
            since[cls] = (lock, at, here.epoch, here.clock)
            if not locks:
                locks.append(lock)
                return True
            if len(locks) >= self.reached.limits.depth:
                self.reached.note("depth")
                return False
            locks.append(lock)
            if not flags & TRYLOCK:
                self._compare(here, lock, at, timed, TAKES)
        except _Busy:
            self.unseen += 1
        finally:
            here.busy = False
        return True

    def free(self, here: Here, lock: Any) -> None:
        """The thread that took it frees it."""
        locks = here.locks
        if here.busy:
            here.gone.append(lock)
        elif locks and locks[-1] is lock:
            locks.pop()
        else:
            _take_out(locks, lock)

    def ask(self, here: Here, lock: Any, at: At, *, timed: bool = False) -> None:
        """A lock is not free, and the thread is about to wait for it."""
        try:
            self.take(here, lock, at, timed=timed)
        finally:
            if _is_last(here, lock):
                self.free(here, lock)

    def pass_on(self, here: Here, owner: Here, lock: Any) -> None:
        """A lock is freed by another thread than took it: from now on its class is an event's."""
        lock.cls.role = PASSED_ON
        owner.gone.append(lock)
        self.set(here, lock)

    def wait(self, here: Here, event: Any, *, timed: bool = False) -> None:
        """A thread is about to wait for an event. With no lock held it stands idle."""
        if here.busy:
            return
        if here.gone:
            self._forget(here)
        if not here.locks:
            here.since.clear()
            return
        here.busy = True
        here.locks.append(event)
        try:
            self._compare(here, event, own_at(sys._getframe(1)), timed, WAITS)
        except _Busy:
            self.unseen += 1
        finally:
            here.locks.pop()
            here.busy = False

    def set(self, here: Here, event: Any) -> None:
        """A thread sets an event, or gives what others may wait for."""
        if here.busy:
            return
        if here.gone:
            self._forget(here)
        here.busy = True
        try:
            total = self._totals.get(event.cls)
            if total is None:
                total = self._totals.setdefault(event.cls, [0])
            total[0] += 1
            for taken, kind in _on_the_way(here, event):
                self._needs(here, event, total, taken, kind)
        except _Busy:
            self.unseen += 1
        finally:
            here.busy = False

    # -- what is new ---------------------------------------------------------------------------

    def _compare(self, here: Here, lock: Any, at: At, timed: bool, kind: str) -> None:
        """Has this been seen of these locks, in this thread, at such a time?"""
        locks = here.locks
        key: Any
        if len(locks) == 2:
            key = (here.segment, locks[0].number, lock.number, timed)
        else:
            key = (here.segment, timed, *[one.number for one in locks])
        if key in self._seen or not self._is_room(tuple([one.cls for one in locks])):
            return
        self._seen.add(key)
        frames = frames_here(self.reached.limits.frames)
        has = frozenset(one.number for one in locks[:-1])
        new = [
            Dependency(
                kind, held.cls, lock.cls, held.number, lock.number, has, here.number, here.name,
                here.epoch, here.clock, held.at, at, frames, timed,
            )
            for held in locks[:-1]
        ]  # fmt: skip
        self._add(new)

    def _is_room(self, chain: object) -> bool:
        """May one more way of doing that be looked at?"""
        ways = self._ways.get(chain, 0)
        if ways >= _WAYS:
            self.again += 1
        elif len(self._seen) >= self.reached.limits.chains:
            self.reached.note("chains")
        else:
            self._ways[chain] = ways + 1
            return True
        return False

    def _needs(self, here: Here, event: Any, total: list[int], taken: Taken, kind: str) -> None:
        """Whoever sets the event needed that lock; it would have stood where it took it."""
        lock, at, epoch, clock = taken
        share = self._shares.get((event.cls, lock.cls))
        if share is None:
            share = self._shares.setdefault((event.cls, lock.cls), _Share(total))
        if share.seen != total[0]:
            share.seen = total[0]
            share.needed += 1
        key = (here.segment, lock.number, event.number, kind)
        if key in self._seen or not self._is_room(share):
            return
        self._seen.add(key)
        frames = frames_here(self.reached.limits.frames)
        new = Dependency(
            kind, event.cls, lock.cls, event.number, lock.number, frozenset((event.number,)),
            here.number, here.name, epoch, clock, own_at(sys._getframe(1)), at, frames,
            share=share,
        )  # fmt: skip
        self._add([new])

    def _add(self, new: list[Dependency]) -> None:
        """Let new dependencies be judged, and tell what they make."""
        conflicts: list[Conflict] = []
        with self.lock:
            for one in new:
                conflicts += self.judge.add(one, self._closes(one))
        self._tell(conflicts, waits=new[0].kind in (TAKES, WAITS))

    def _tell(self, conflicts: list[Conflict], *, waits: bool) -> None:
        if conflicts:
            self.has_found = True
        errors = [error for error in map(self.found, conflicts) if error is not None]
        if errors and waits:
            raise errors[0]

    def _closes(self, one: Dependency) -> bool:
        """Is there a way back, from the class that was asked for to the one that was held?"""
        if one.before is one.after:
            return True
        graph, before, after = self.graph, one.before.number, one.after.number
        if not graph.has(before, after, EXCLUSIVE):
            graph.add(before, after, EXCLUSIVE, one)
        return bool(graph.backs) and graph.path((after, EXCLUSIVE), before, 0) is not None

    def itself(self, here: Here, lock: Any, at: At) -> None:
        """A thread is about to wait for a lock that it holds."""
        here.busy = True
        try:
            frames = frames_here(self.reached.limits.frames)
            link = Dependency(
                TAKES, lock.cls, lock.cls, lock.number, lock.number, frozenset((lock.number,)),
                here.number, here.name, here.epoch, here.clock, lock.at, at, frames,
            )  # fmt: skip
            conflict = Conflict((link,), exact=True, itself=True)
            with self.lock:
                is_new = self.judge.keep(conflict)
            if is_new:
                self._tell([conflict], waits=True)
        except _Busy:
            self.unseen += 1
        finally:
            here.busy = False

    def stalls(self) -> None:
        """A thread waits for long."""
        here = self.here()
        if self.stalled_once or here.busy:
            return
        self.stalled_once = here.busy = True
        try:
            self.stalled()
        finally:
            here.busy = False

    def _forget(self, here: Here) -> None:
        """Locks that others have freed, or that were freed while the watcher was busy."""
        while here.gone:
            _take_out(here.locks, here.gone.popleft())


def _on_the_way(here: Here, event: Any) -> list[tuple[Taken, str]]:
    """What a thread has needed to come to the set of an event, each once."""
    held = [lock for lock in here.locks if lock.cls is not event.cls]
    found: list[tuple[Taken, str]] = []
    for cls, taken in here.since.items():
        if cls is not event.cls:
            found.append((taken, HELD if taken[0] in held else PASSED))
    for lock in held:
        last = here.since.get(lock.cls)
        if last is None or last[0] is not lock:
            found.append(((lock, lock.at, here.epoch, here.clock), HELD))
    return found


def _is_last(here: Here, lock: Any) -> bool:
    """Is that what was put down last?"""
    return bool(here.locks) and here.locks[-1] is lock


def _take_out(locks: list[Any], lock: Any) -> None:
    """Free a lock that is not the last one taken; nothing if it is not there."""
    for index in range(len(locks) - 1, -1, -1):
        if locks[index] is lock:
            del locks[index]
            return


def own_at(frame: FrameType | None) -> At:
    """The program's own instruction that leads here."""
    assert frame is not None
    while (is_ours(frame.f_code) or is_maker(frame.f_code)) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def _name_of_thread() -> str:
    active: dict[int, threading.Thread] = vars(threading)["_active"]
    thread = active.get(get_ident())
    return f"thread {get_ident()}" if thread is None else thread.name
