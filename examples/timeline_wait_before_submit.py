"""Waiting for a point of a timeline that nobody has submitted yet.

A sync object may be waited for before there is a fence in it: userspace waits, and userspace owes
the submission. No fence may depend on that. So the submission that gives out a fence comes after
the wait; by then the point has a fence of its own, which the kernel owes. Try

    dmabuf check examples/timeline_wait_before_submit.py
"""

from dmabuf.core.fence import Fence
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_wait import WaitFlags, wait
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import idle
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared


class _Render:
    """A program that submits a frame at point 1 of a timeline, and the ring that renders it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.points = SyncObj("points")
        self.frame = Timeline("render").fence()
        self.commands = Shared("", "commands")
        self.submitted = Completion("frame submitted")
        machine.userspace(self.submit, "renderer")
        machine.kthread(self.ring, "render ring")

    def submit(self) -> None:
        self.commands.write("draw")  # the program's own code: it may stop here for ever
        with self.machine.syscall():
            self.points.add_point(self.frame, 1)
            self.submitted.complete()

    def ring(self) -> None:
        with idle():
            self.submitted.wait()
        self.frame.signal()


@design
def fixed(machine: Machine) -> None:
    """The program waits for the point; its flip, with a fence to show for, comes after that."""
    render = _Render(machine)
    flipped = Timeline("display").fence()
    frame: Shared[Fence | None] = Shared(None, "frame of the flip")
    queued = Completion("flip queued")

    def compositor() -> None:
        with machine.syscall():
            wait([render.points], points=[1], flags=WaitFlags.FOR_SUBMIT | WaitFlags.AVAILABLE)
        with machine.syscall():
            frame.write(render.points.find_fence(1))
            flipped.publish()
            queued.complete()

    def display() -> None:
        with idle():
            queued.wait()
        rendered = frame.read()
        assert rendered is not None
        rendered.wait(interruptible=False)
        flipped.signal()

    machine.userspace(compositor, "compositor")
    machine.kthread(display, "display")


@design
def broken(machine: Machine) -> None:
    """The flip gives out its fence at once, and the kernel waits for the point afterwards."""
    render = _Render(machine)
    flipped = Timeline("display").fence()
    queued = Completion("flip queued")

    def compositor() -> None:
        with machine.syscall():
            flipped.publish()
            queued.complete()

    def display() -> None:
        with idle():
            queued.wait()
        wait([render.points], points=[1], flags=WaitFlags.FOR_SUBMIT)
        flipped.signal()

    machine.userspace(compositor, "compositor")
    machine.kthread(display, "display")


@design
def locked(machine: Machine) -> None:
    """A lock is held while userspace is waited for, so whoever needs it waits for userspace too."""
    render = _Render(machine)
    plane = Mutex("plane")

    def compositor() -> None:
        with machine.syscall(), plane:
            wait([render.points], points=[1], flags=WaitFlags.FOR_SUBMIT)

    machine.userspace(compositor, "compositor")
