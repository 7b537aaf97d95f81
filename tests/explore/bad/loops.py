"""Tasks that make steps for ever."""

from dmabuf import Machine, Mutex, design


@design
def for_ever(machine: Machine) -> None:
    """Two tasks lock and unlock without end."""
    lock = Mutex("A")

    def loop() -> None:
        while True:
            with lock:
                pass

    machine.kthread(loop, "one")
    machine.kthread(loop, "two")
