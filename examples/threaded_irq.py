"""A threaded interrupt that signals a fence, and the lock that its thread takes.

The hard handler only wakes the line's thread, which may sleep and so may take mutexes. But it is
on the way to the signal: a mutex under which somebody waits for the fence is not for it.

    dmabuf check examples/threaded_irq.py
"""

from dmabuf.core.timeline import Timeline
from dmabuf.machine import IrqReturn, Machine, design
from dmabuf.sync.mutex import Mutex


@design
def broken(machine: Machine) -> None:
    """The thread takes the lock under which a flip waits for the fence that the thread signals."""
    state = Mutex("display state")
    fence = Timeline("flip").fence()

    def acknowledge() -> IrqReturn:
        return IrqReturn.WAKE_THREAD

    def finish() -> None:
        with state:
            fence.signal()

    def flip() -> None:
        fence.publish()
        with state:
            fence.wait()

    line = machine.irq(acknowledge, "vblank", thread_fn=finish, oneshot=True)
    machine.hardware(line.raise_irq, "display", hangs=False)
    machine.kthread(flip, "flip")


@design
def fixed(machine: Machine) -> None:
    """The thread signals first, and takes the lock afterwards for what does not gate the signal."""
    state = Mutex("display state")
    fence = Timeline("flip").fence()

    def acknowledge() -> IrqReturn:
        return IrqReturn.WAKE_THREAD

    def finish() -> None:
        fence.signal()
        with state:
            pass

    def flip() -> None:
        fence.publish()
        with state:
            fence.wait()

    line = machine.irq(acknowledge, "vblank", thread_fn=finish, oneshot=True)
    machine.hardware(line.raise_irq, "display", hangs=False)
    machine.kthread(flip, "flip")
