"""A design explored in this process that computes or blocks without a step is found, and ended.

What `dmabuf.explore.foreign.sandbox` is for a child process, this is where there is none, as in a
run of pytest: a thread looks ten times a second whether the search gets on. If not, it has the main
thread look where it is; if that is in the design's code, the search is abandoned there.

    >>> with Watchdog("design", Place("driver.py", 1)) as watchdog:
    ...     watchdog.hang is None
    True
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, process_time
from types import FrameType

from dmabuf.explore.foreign.abandon import abandon
from dmabuf.explore.foreign.guards import Guards
from dmabuf.explore.foreign.stacks import blamed, stuck
from dmabuf.explore.foreign.wire import Limits
from dmabuf.machine import Design
from dmabuf.report.finding import Finding, Place
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rt import carriers

__all__ = ["Hang", "Watchdog"]

DEFAULT = Limits()
"""What a design may use without a step, unless somebody says so."""

_BEAT_S = 0.1
_SIGNAL = signal.SIGURG  # ignored by default, so that one that comes late does no harm
_BLOCKS = "blocks in something that is no step"
_DEBUGGERS = ("pdb.py", "bdb.py", "pydevd.py")


class Hang(BaseException):
    """Raised from a search whose design hangs; `Watchdog.hang` says where."""


class Watchdog:
    """Watches what is explored inside its `with`.

    Leaving by `Hang` is no error: `verdict` has the answer then. Off the main thread nothing can be
    interrupted, so nothing is watched.

    Args:
        subject: what the design is called.
        home: where it begins.
        limits: what it may use without a step.

    Attributes:
        hang: what it did, and where, if it was abandoned.
    """

    def __init__(self, subject: str, home: Place, limits: Limits | None = None) -> None:
        self.subject = subject
        self.home = home
        self.limits = limits or DEFAULT
        self.hang: tuple[str, Place] | None = None
        self._guards = Guards()
        self._over = threading.Event()
        self._hub = threading.main_thread()
        self._is_able = threading.current_thread() is self._hub
        self._suspected = ""
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._position = (0, 0)
        self._moved = 0.0
        self._cpu = 0.0
        self._sleeps = True

    def watched(self, design: Design) -> Design:
        """The design, with its runs counted."""
        return self._guards.watched(design)

    def __enter__(self) -> Watchdog:
        if self._is_able:
            self._before = signal.signal(_SIGNAL, self._look)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> bool:
        if self._is_able:
            self._over.set()
            self._thread.join()
            signal.signal(_SIGNAL, self._before)
        return kind is not None and issubclass(kind, Hang)

    @property
    def verdict(self) -> Verdict:
        """What there is to say of a design that hangs."""
        assert self.hang is not None
        finding = Finding("DF005", stuck(*self.hang), place=self.hang[1])
        return Verdict(
            self.subject,
            Status.VIOLATED,
            (finding,),
            executions=self._guards.calls,
            limit="the design cannot go on",
        )

    # -- the thread --------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._moves()
        while not self._over.wait(_BEAT_S):
            if self._guards.position() != self._position:
                self._moves()
                continue
            self._sleeps = self._sleeps and not self._wants_cpu()
            if does := self._hangs():
                self._suspected = does
                signal.pthread_kill(self._ident, _SIGNAL)

    @property
    def _ident(self) -> int:
        assert self._hub.ident is not None
        return self._hub.ident

    def _moves(self) -> None:
        self._position = self._guards.position()
        self._moved, self._cpu, self._sleeps = monotonic(), process_time(), True

    def _hangs(self) -> str:
        """What it does that is no step, for too long by now; empty if there is no such thing."""
        if process_time() - self._cpu >= self.limits.cpu_seconds:
            return "computes on and on"
        if self._sleeps and monotonic() - self._moved >= self.limits.idle_seconds:
            return _BLOCKS
        return ""

    def _wants_cpu(self) -> bool:
        """Does a thread that carries tasks compute, or want to?"""
        tasks = [self._hub, *(t for t in threading.enumerate() if t.name.startswith("Thread-"))]
        return any(_state(thread.native_id) in "RD" for thread in tasks)

    # -- the main thread ---------------------------------------------------------------------------

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        """Is it the design that does not go on? Then leave it."""
        if self._over.is_set() or self._guards.position() != self._position:
            return
        stacks = [*self._stacks(frame)]
        place = next(filter(None, map(blamed, stacks)), None)
        if place is None and self._suspected != _BLOCKS:
            self._moves()  # it was our own computing; but nothing of ours blocks
        elif not any(map(_is_debugged, stacks)):
            self.hang = (self._suspected, place or self.home)
            self._over.set()
            abandon(Hang())

    def _stacks(self, frame: FrameType | None) -> Iterator[list[Place]]:
        """Frames of the main thread, and of threads that carry tasks; the innermost first."""
        yield [*_places(frame)]
        for ident, other in sys._current_frames().items():
            places = [*_places(other)]
            if ident != self._ident and any(p.file == carriers.__file__ for p in places):
                yield places


def _places(frame: FrameType | None) -> Iterator[Place]:
    while frame is not None:
        yield Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back


def _is_debugged(frames: list[Place]) -> bool:
    """Does somebody look at it in a debugger?"""
    return any(Path(frame.file).name in _DEBUGGERS for frame in frames)


def _state(native_id: int | None) -> str:
    try:
        text = Path(f"/proc/self/task/{native_id}/stat").read_text("ascii", "replace")
    except OSError:
        return "?"
    return text.rpartition(")")[2].split()[0]
