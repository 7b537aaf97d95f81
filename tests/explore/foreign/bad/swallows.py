"""Catches everything, for ever."""

from dmabuf import Machine, Mutex, design


@design
def all_of_it(machine: Machine) -> None:
    """A bare except in a loop."""
    lock = Mutex("A")

    def stubborn() -> None:
        while True:
            try:
                with lock:
                    pass
            except BaseException:  # noqa: BLE001
                pass

    machine.kthread(stubborn, "one")
    machine.kthread(stubborn, "two")
