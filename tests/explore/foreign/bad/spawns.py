"""Spawns tasks without end."""

from dmabuf import Machine, design


@design
def bomb(machine: Machine) -> None:
    """Each task starts two."""

    def task() -> None:
        machine.kthread(task)
        machine.kthread(task)

    machine.kthread(task)
