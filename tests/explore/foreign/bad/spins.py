"""Tasks and bodies that compute for ever without making a step."""

from dmabuf import Machine, Mutex, design


@design
def in_task(machine: Machine) -> None:
    """A task spins in Python."""

    def spin() -> None:
        with Mutex("A"):
            while True:
                pass

    machine.kthread(spin)


@design
def in_c(machine: Machine) -> None:
    """A task spins inside one call into C, where no signal handler of Python runs."""

    def spin() -> None:
        with Mutex("A"):
            sum(iter(int, 1))

    machine.kthread(spin)


@design
def in_body(machine: Machine) -> None:
    """The body spins."""
    del machine
    while True:
        pass


@design
def in_property(machine: Machine) -> None:
    """A task spins calling something of ours that is no step."""
    lock = Mutex("A")

    def spin() -> None:
        while lock.name:
            pass

    machine.kthread(spin)


@design
def fine(machine: Machine) -> None:
    """Comes after the bad ones and is explored all the same."""
    lock = Mutex("A")

    def locks() -> None:
        with lock:
            pass

    machine.kthread(locks)
