"""What forking and the interpreter's exit do to live runtimes.

Forking happens between steps only: the child never starts inside somebody's half-done step. It
has one thread, so nobody is parked there and no helper lives. At exit helpers are told to end
and waited for a moment, the same one for all; they are daemon threads, so exit does not depend
on them.
"""

from __future__ import annotations

import _thread
import atexit
import os
import threading
import weakref
from typing import TYPE_CHECKING

from dmabuf.rt.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from dmabuf.rt.threads import Threads

__all__ = ["look_after", "part_from"]

_PARTING_NS = NS_PER_S // 2
_runtimes: weakref.WeakSet[Threads] = weakref.WeakSet()
_forking = _thread.allocate_lock()
_held_for_fork: list[Threads] = []


def look_after(runtime: Threads) -> None:
    """From now on this runtime is told of forks and of the exit."""
    _runtimes.add(runtime)


def _before_fork() -> None:
    """Fork between steps only; one fork at a time, as two would lock in different orders."""
    _forking.acquire()
    for runtime in list(_runtimes):
        runtime.mutex.acquire()
        _held_for_fork.append(runtime)


def _after_fork_in_parent() -> None:
    while _held_for_fork:
        _held_for_fork.pop().mutex.release()
    _forking.release()


def _after_fork_in_child() -> None:
    _held_for_fork.clear()
    for runtime in list(_runtimes):
        runtime.restart_in_child()
    _forking.release()


def part_from(threads: list[threading.Thread]) -> None:
    """Wait a moment, the same one for all, for threads that were told to end."""
    deadline = monotonic_ns() + _PARTING_NS
    for thread in threads:
        thread.join(max(deadline - monotonic_ns(), 0) / NS_PER_S)


def _at_exit() -> None:
    part_from([thread for runtime in list(_runtimes) for thread in runtime.dismiss()])


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(_at_exit)
