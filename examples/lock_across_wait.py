"""A lock held across a fence wait, and taken on the way to that fence's signal.

The deadlock that the annotations of dma_fence were made for. Try

    dmabuf check examples/lock_across_wait.py
"""

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.sync.mutex import Mutex


@design
def broken(machine: Machine) -> None:
    """Thread B waits under the lock that thread A takes before it signals."""
    lock = Mutex("A")
    fence = Timeline("gpu").fence()

    def signaller() -> None:
        with lock:
            pass
        fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    machine.kthread(signaller, "thread A")
    machine.kthread(waiter, "thread B")


@design
def fixed(machine: Machine) -> None:
    """Thread B drops the lock before it waits."""
    lock = Mutex("A")
    fence = Timeline("gpu").fence()

    def signaller() -> None:
        with lock:
            pass
        fence.signal()

    def waiter() -> None:
        with lock:
            pass
        fence.wait()

    machine.kthread(signaller, "thread A")
    machine.kthread(waiter, "thread B")
