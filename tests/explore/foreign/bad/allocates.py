"""Allocates without end.

Zeroed memory that nobody writes costs no time, so the limit of memory is met before that of time.
"""

from dmabuf import Machine, Mutex, design


@design
def in_task(machine: Machine) -> None:
    """A task does."""
    lock = Mutex("A")

    def grow() -> None:
        kept = []
        while True:
            with lock:
                kept.append(bytes(1 << 26))

    machine.kthread(grow)


@design
def in_body(machine: Machine) -> None:
    """The body does."""
    del machine
    kept = []
    while True:
        kept.append(bytes(1 << 26))
