"""Mistakes with locks that the search finds."""

from dmabuf import Machine, Mutex, design


@design
def waits_for_itself(machine: Machine) -> None:
    """Takes its own lock again."""
    lock = Mutex("A")

    def again() -> None:
        lock.lock()
        lock.lock()

    machine.kthread(again)


@design
def unlocks_unlocked(machine: Machine) -> None:
    """Unlocks what it does not hold."""
    lock = Mutex("A")

    machine.kthread(lock.unlock, "careless")
