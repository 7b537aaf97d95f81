"""Names with control characters."""

from dmabuf import Machine, Mutex, design


@design
def coloured(machine: Machine) -> None:
    """A task's name would clear the screen."""
    lock = Mutex("A\x1b[2J")

    def again() -> None:
        lock.lock()
        lock.lock()

    machine.kthread(again, "task\n\x1b[31mred")
