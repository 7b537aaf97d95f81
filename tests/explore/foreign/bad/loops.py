"""Tasks that make steps for ever."""

from dmabuf import Machine, Mutex, Shared, design


@design
def for_ever(machine: Machine) -> None:
    """Two tasks count without end."""
    lock, count = Mutex("A"), Shared(0, "count")

    def loop() -> None:
        while True:
            with lock:
                count.add(1)

    machine.kthread(loop, "one")
    machine.kthread(loop, "two")
