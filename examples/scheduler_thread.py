"""A scheduler thread never signals a fence, and yet every signal waits for it.

The job's fence is signalled by the hardware's interrupt, so a reader who looks for whoever calls
`signal` finds nothing wrong with the lock that the scheduler takes. But the hardware only starts
when the scheduler rings its doorbell: the scheduler is on the way to the signal.

    dmabuf check examples/scheduler_thread.py
"""

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex


@design
def broken(machine: Machine) -> None:
    """The scheduler takes the address space's lock, under which an unmap waits for the job."""
    vm = Mutex("vm lock")
    queued, doorbell = Completion("queue"), Completion("doorbell")
    fence = Timeline("ring").fence()

    def submit() -> None:
        fence.publish()
        queued.complete()
        with vm:  # unmapping something waits until the job no longer uses it
            fence.wait()

    def schedule() -> None:
        queued.wait()
        with vm:  # looks up the job's page table
            pass
        doorbell.complete()

    def execute() -> None:
        doorbell.wait()
        fence.signal()

    machine.kthread(submit, "submit")
    machine.kthread(schedule, "scheduler")
    machine.hardware(execute, "ring", hangs=False)


@design
def fixed(machine: Machine) -> None:
    """The page table is looked up before the job is published; the scheduler takes no lock."""
    vm = Mutex("vm lock")
    queued, doorbell = Completion("queue"), Completion("doorbell")
    fence = Timeline("ring").fence()

    def submit() -> None:
        with vm:
            pass  # looks up the job's page table
        fence.publish()
        queued.complete()
        with vm:
            fence.wait()

    def schedule() -> None:
        queued.wait()
        doorbell.complete()

    def execute() -> None:
        doorbell.wait()
        fence.signal()

    machine.kthread(submit, "submit")
    machine.kthread(schedule, "scheduler")
    machine.hardware(execute, "ring", hangs=False)
