"""A thread that may signal early, under a lock that is held across a wait: allowed.

Retiring finished jobs signals fences whose work is done. It takes a lock that others hold while
they wait for those very fences, which looks like the classic deadlock. It is none, because the
interrupt signals every fence in any case: retiring is opportunistic, not needed for progress.

    dmabuf check examples/opportunistic_signaller.py
"""

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.sync.mutex import Mutex


@design
def retire(machine: Machine) -> None:
    """Near-miss: the interrupt signals whatever the retiring thread does."""
    requests = Mutex("request lock")
    fence = Timeline("ring").fence()

    def execute() -> None:
        line.raise_irq()

    def interrupt() -> None:
        fence.check_and_signal()

    def clean_up() -> None:
        with requests:
            fence.check_and_signal()  # maybe the interrupt has not come yet

    def wait_for_idle() -> None:
        with requests:
            fence.wait()

    line = machine.irq(interrupt, "ring done")
    machine.hardware(execute, "ring", hangs=False)
    machine.kthread(clean_up, "retire")
    machine.kthread(wait_for_idle, "idle")


@design
def needed(machine: Machine) -> None:
    """The same without the interrupt's signal: now progress depends on the retiring thread."""
    requests = Mutex("request lock")
    fence = Timeline("ring").fence()

    def clean_up() -> None:
        with requests:
            fence.check_and_signal()

    def wait_for_idle() -> None:
        with requests:
            fence.wait()

    machine.kthread(clean_up, "retire")
    machine.kthread(wait_for_idle, "idle")
