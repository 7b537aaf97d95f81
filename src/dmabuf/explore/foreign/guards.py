"""What a design must not do while it is explored: sleep, start threads or processes, exit.

Such an act would escape the explorer, so it is recorded as DF005 in the runtime before it is
refused; no `except` of the design can hide it. Audit hooks see most acts; those without an
event on some Python are replaced. Installed in the child process only, for its whole life, and
silent unless a design's own code runs. (`dmabuf.explore.foreign.chance` guards chance and clocks.)
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from dmabuf.explore.strategies.replay import Replay
from dmabuf.machine import Design, Machine
from dmabuf.rt import carriers
from dmabuf.rt.ambient import ambient
from dmabuf.rt.tasks import Tasks

__all__ = ["Guards"]

_THREAD = "starts a real thread; start tasks with machine.kthread"
_PROCESS = "starts a process; a design's tasks are all there is"
_SLEEP = "sleeps in real time; time is virtual here: wait with a timeout"
_EXIT = "ends the process that explores it"
_SIGNAL = "sends a signal to a process"

_EVENTS = {
    "_thread.start_new_thread": _THREAD,
    "_thread.start_joinable_thread": _THREAD,
    "time.sleep": _SLEEP,
    "subprocess.Popen": _PROCESS,
    "os.system": _PROCESS,
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
    "os.posix_spawn": _PROCESS,
    "os.spawn": _PROCESS,
    "os.exec": _PROCESS,
    "pty.spawn": _PROCESS,
    "os.kill": _SIGNAL,
    "os.killpg": _SIGNAL,
    "signal.pthread_kill": _SIGNAL,
    "socket.__new__": "opens a socket; a design has no world outside",
}


class ShowPrints(Protocol):
    """Lets a design's output through, or not."""

    def __call__(self, *, on: bool) -> object:
        """Let it through if `on`."""
        ...


class Guards:
    """Watches the designs of one child process.

    Args:
        show_prints: called before each run of a design's body, on for a replayed schedule.

    Attributes:
        calls: how often a design's body was run: one per execution.
        runtime: the runtime of the present execution.
    """

    def __init__(self, show_prints: ShowPrints | None = None) -> None:
        self.show_prints = show_prints
        self.calls = 0
        self.runtime: Tasks | None = None

    def install(self) -> None:
        """Put the guards up; there is no way to take an audit hook away again."""
        self._replace(time, "sleep", _SLEEP)
        self._replace(os, "_exit", _EXIT)
        if sys.version_info < (3, 12):  # no audit event there
            self._replace(_thread, "start_new_thread", _THREAD)
            threading._start_new_thread = _thread.start_new_thread  # type: ignore[attr-defined]
        try:
            import _posixsubprocess
        except ImportError:
            pass
        else:
            self._replace(_posixsubprocess, "fork_exec", _PROCESS)
        sys.addaudithook(self._heard)

    def _replace(self, module: Any, name: str, says: str) -> None:
        original: Callable[..., object] = getattr(module, name)

        def guarded(*args: Any, **kwargs: Any) -> object:
            self._refuse(says, sys._getframe(1))
            return original(*args, **kwargs)

        guarded.__name__ = guarded.__qualname__ = name
        setattr(module, name, guarded)

    def _heard(self, event: str, _args: tuple[Any, ...]) -> None:
        says = _EVENTS.get(event)
        if says is not None:
            self._refuse(says, sys._getframe(1))

    @staticmethod
    def _refuse(says: str, frame: FrameType) -> None:
        """In a design: record the act and raise, unless it is the carrier's own."""
        rt = ambient()
        if isinstance(rt, Tasks) and not (says is _THREAD and _is_carrier(frame)):
            rt.report("DF005", f"{rt.current().name} {says}")

    def watched(self, design: Design) -> Design:
        """The design, with each run of its body counted."""
        return _Watched(self, design)

    def position(self) -> tuple[int, int]:
        """A pair that changes whenever the search gets on."""
        strategy: Any = getattr(self.runtime, "strategy", None)
        depth: int = getattr(strategy, "_depth", 0) or getattr(strategy, "_next", 0)
        return self.calls, depth


class _Watched:
    """A design that tells its guards of each run; it says where the design's own code is."""

    def __init__(self, guards: Guards, design: Design) -> None:
        self._guards = guards
        self._design = design
        self.__name__ = str(getattr(design, "__name__", "design"))
        self.__code__ = getattr(design, "__code__", None)

    def __call__(self, machine: Machine, /) -> object:
        assert isinstance(machine.rt, Tasks)
        self._guards.calls += 1
        self._guards.runtime = machine.rt
        if self._guards.show_prints is not None:
            self._guards.show_prints(on=isinstance(machine.rt.strategy, Replay))
        return self._design(machine)


def _is_carrier(frame: FrameType | None) -> bool:
    """Did `Baton` start this thread?"""
    while frame is not None and frame.f_code.co_filename in (threading.__file__, __file__):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename == carriers.__file__
