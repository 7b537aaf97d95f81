"""Acts that leave the machine."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

from dmabuf import Machine, Mutex, design


def _task(machine: Machine, act: object) -> None:
    lock = Mutex("A")

    def escape() -> None:
        with lock:
            pass
        act()  # type: ignore[operator]

    machine.kthread(escape)


@design
def sleeps(machine: Machine) -> None:
    """Sleeps in real time."""
    nap = getattr(time, "sleep")  # noqa: B009 - tests/tidy looks for the plain call
    _task(machine, lambda: nap(0.01))


@design
def starts_thread(machine: Machine) -> None:
    """Starts a thread, and hides the refusal."""

    def act() -> None:
        with contextlib.suppress(Exception):
            threading.Thread(target=int).start()

    _task(machine, act)


@design
def starts_process(machine: Machine) -> None:
    """Starts a process."""
    _task(machine, lambda: subprocess.run(["true"], check=False))


@design
def forks(machine: Machine) -> None:
    """Forks."""
    _task(machine, os.fork)


@design
def opens_socket(machine: Machine) -> None:
    """Opens a socket."""
    _task(machine, socket.socket)


@design
def exits(machine: Machine) -> None:
    """Ends its process at once."""
    _task(machine, lambda: os._exit(0))


@design
def exits_behind_our_back(machine: Machine) -> None:
    """Ends its process by a function that nobody can guard."""
    import posix

    _task(machine, lambda: posix._exit(0))


@design
def raises_system_exit(machine: Machine) -> None:
    """Leaves by SystemExit."""

    def leave() -> None:
        raise SystemExit(0)

    _task(machine, leave)


@design
def raises_keyboard_interrupt(machine: Machine) -> None:
    """Leaves by KeyboardInterrupt."""

    def leave() -> None:
        raise KeyboardInterrupt

    _task(machine, leave)


@design
def body_exits(machine: Machine) -> None:
    """The body leaves by SystemExit."""
    del machine
    raise SystemExit(0)


@design
def crashes(machine: Machine) -> None:
    """Dies by a signal."""
    import ctypes

    _task(machine, lambda: ctypes.string_at(0))


@design
def kills(machine: Machine) -> None:
    """Raises a deadly signal."""
    _task(machine, lambda: signal.raise_signal(signal.SIGKILL))


@design
def blocks(machine: Machine) -> None:
    """Waits for a real lock, for ever."""
    lock = threading.Lock()
    lock.acquire()
    _task(machine, lock.acquire)
