"""Writes to, or closes, descriptors that are not its own."""

import contextlib
import os

from dmabuf import Machine, Mutex, design


@design
def closes_all(machine: Machine) -> None:
    """Closes every descriptor."""
    lock = Mutex("A")

    def close() -> None:
        with lock:
            os.closerange(0, 100)

    machine.kthread(close)


@design
def writes_garbage(machine: Machine) -> None:
    """Writes to every descriptor."""
    lock = Mutex("A")

    def write() -> None:
        with lock:
            for descriptor in range(20):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b'{"is": "verdict"}\n')

    machine.kthread(write)
