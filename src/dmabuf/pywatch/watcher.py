"""`watch()`: everything between its begin and its end is watched, and asked for afterwards.

Watchers may be nested and overlap, in one thread or in several: all of them share one ledger, so
none misses an order that spans two; each tells what was found while it lasted.
"""

from __future__ import annotations

import os
import sys
import threading
from _thread import LockType
from types import TracebackType
from typing import Any

from dmabuf.contract.limits import Limits
from dmabuf.pywatch.describe import finding_of
from dmabuf.pywatch.judge import Conflict
from dmabuf.pywatch.ledger import Ledger, LockOrderError
from dmabuf.pywatch.locks import RealRLock, WatchedLock, WatchedRLock, allocate_lock
from dmabuf.pywatch.patch import Session
from dmabuf.report.finding import Finding
from dmabuf.report.verdict import Status, Verdict

__all__ = ["Watcher", "watch"]

_SESSION = Session()
"""What is replaced in this process: there is one `threading` to replace it in."""
_WATCHERS: list[Watcher] = []
os.register_at_fork(after_in_child=_SESSION.after_fork)


def watch(
    *, patch: bool = True, raise_on_finding: bool = False, limits: Limits | None = None
) -> Watcher:
    """Watch the locks that are made until the end of the `with` statement.

    Args:
        patch: replace what `threading` makes; if not, only locks from `watcher.lock()`,
            `watcher.rlock()` and `watcher.wrap()` are seen.
        raise_on_finding: a thread that is about to wait in a way that makes a certain finding
            gets `LockOrderError` instead, once for each. The watched program is never disturbed
            otherwise.
        limits: how much is kept. Of watchers that overlap the first one decides.

    >>> with watch(patch=False) as watcher:
    ...     a, b = watcher.lock("a"), watcher.lock("b")
    ...     with a, b: pass
    ...     with b, a: pass
    >>> [finding.message[:40] for finding in watcher.suspected]
    ['suspected: MainThread takes b while it h']
    """
    return Watcher(patch=patch, raise_on_finding=raise_on_finding, limits=limits)


class Watcher:
    """What was found between begin and end.

    Attributes:
        subject: what reports call the program.
        strict: for the fixture `lock_watch`: what is suspected fails a test, too.
    """

    def __init__(self, *, patch: bool, raise_on_finding: bool, limits: Limits | None) -> None:
        self.subject = "watched program"
        self.strict = True
        self._patch = patch
        self._raises = raise_on_finding
        self._limits = limits
        self._ledger: Ledger | None = None
        self._found: dict[Any, None] = {}
        self._names: dict[str, Any] = {}

    # -- from begin to end ---------------------------------------------------------------------

    def __enter__(self) -> Watcher:
        if self._ledger is not None:
            raise RuntimeError("a watcher watches once; call watch() again")
        with _SESSION.lock:
            shared = _WATCHERS[0]._ledger if _WATCHERS else None
            self._ledger = shared or Ledger(_found, _stalled, limits=self._limits)
            _WATCHERS.append(self)
            if self._patch and _SESSION.ledger is None:
                _SESSION.install(self._ledger)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with _SESSION.lock:
            _WATCHERS.remove(self)
            if not any(one._patch for one in _WATCHERS) and _SESSION.ledger is not None:
                _SESSION.remove()
            if not _WATCHERS and self._ledger is not None:
                self._ledger.on = False

    # -- locks without patching ----------------------------------------------------------------

    def lock(self, name: str) -> WatchedLock:
        """A new `threading.Lock` that is watched; locks of one name are of one class."""
        return WatchedLock(*self._named(name), allocate_lock())

    def rlock(self, name: str) -> WatchedRLock:
        """A new `threading.RLock` that is watched."""
        return WatchedRLock(*self._named(name), RealRLock())

    def wrap(self, lock: Any, name: str) -> WatchedLock | WatchedRLock:
        """Watch a lock that is there already: what uses the answer instead of it is seen.

        Raises:
            TypeError: it is neither a `threading.Lock` nor an `RLock`.
        """
        if isinstance(lock, LockType):
            return WatchedLock(*self._named(name), lock)
        if isinstance(lock, RealRLock):
            return WatchedRLock(*self._named(name), lock)
        kind = type(lock).__name__
        raise TypeError(f"wrap() takes a threading.Lock or RLock, not {kind}: pass its lock")

    def _named(self, name: str) -> tuple[Ledger, Any]:
        ledger = self._begun()
        cls = ledger.classes.of(("named", name), name)
        if cls is None:
            raise RuntimeError("too many lock classes: watch(limits=Limits(classes=...))")
        return ledger, cls

    def _begun(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("the watcher has not begun: with watch() as watcher: ...")
        return self._ledger

    # -- answers -------------------------------------------------------------------------------

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What was found, as data; the certain ones first."""
        if self._ledger is None:
            return ()
        return tuple(one for one in self._ledger.judge.conflicts() if one.key in self._found)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the certain ones first."""
        return tuple(finding_of(one) for one in self.conflicts)

    @property
    def certain(self) -> tuple[Finding, ...]:
        """Findings whose every part was seen, of the same locks and of different threads."""
        return tuple(finding_of(one) for one in self.conflicts if not one.is_guess)

    @property
    def suspected(self) -> tuple[Finding, ...]:
        """The others. Each says what it rests on."""
        return tuple(finding_of(one) for one in self.conflicts if one.is_guess)

    @property
    def limits(self) -> tuple[str, ...]:
        """What was not looked at, a sentence for each limit that was reached."""
        ledger = self._ledger
        if ledger is None:
            return ()
        judge = ledger.judge
        counts = (
            (judge.full, "dependencies were not kept"),
            (judge.cut, "dependencies were not compared with all others"),
            (judge.lost, "conflicts were not kept"),
            (ledger.unseen, "acquisitions were not looked at, the tables were in use for too long"),
            (ledger.again, "acquisitions of further locks were not compared with the others"),
            (ledger.older, "locks taken long before an event was set were not looked at"),
        )
        told = [f"{count} {text}" for count, text in counts if count]
        return (*ledger.reached.told(), *told)

    def verdict(self) -> Verdict:
        """The same for the renderers of `dmabuf.report`. A run never proves anything."""
        findings = self.findings
        status = Status.VIOLATED if findings else Status.INCONCLUSIVE
        return Verdict(
            self.subject,
            status,
            findings,
            executions=1,
            limit="one run",
            notes=self.limits,
        )

    def headline(self) -> str:
        """The report in one line."""
        certain, suspected = len(self.certain), len(self.suspected)
        if not certain + suspected:
            return f"{self.subject}: nothing found in this run"
        return f"{self.subject}: {certain} certain, {suspected} suspected"

    def text(self) -> str:
        """The report for people."""
        from dmabuf.report.text import finding_text

        parts = [self.headline()]
        parts += [finding_text(finding) for finding in self.findings]
        parts += [f"  note: {told}" for told in self.limits]
        return "\n\n".join(parts)


def _stalled() -> None:
    """Say what was found while that can still be read: this program may never end."""
    for watcher in _WATCHERS[:1]:
        text = f"{threading.current_thread().name} waits for a lock for long.\n{watcher.text()}\n"
        sys.stderr.write(text)


def _found(conflict: Conflict) -> BaseException | None:
    """Tell all that watch now."""
    watchers = list(_WATCHERS)
    for watcher in watchers:
        watcher._found[conflict.key] = None
    if not conflict.is_guess and any(watcher._raises for watcher in watchers):
        return LockOrderError(finding_of(conflict).message)
    return None
