"""The CPU's loads and stores: DF601.

The CPU leaves no fence. Brackets say when it is there, and wait for those who leave one.
"""

from __future__ import annotations

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_map import Access, Direction
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.carveout import Carveout
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion

__all__ = ["PAGES"]


def submitted(buf: DmaBuf, *, write: bool) -> Fence:
    """The fence of a job: what every driver does before a device uses a buffer."""
    fence = Timeline("writer" if write else "reader").fence()
    with buf.resv as resv:
        resv.wait(usage_rw(write=write))
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.WRITE if write else Usage.READ)
    return fence


def used(buf: DmaBuf, fence: Fence, *, write: bool) -> None:
    """The device does the job."""
    with buf.accesses.device(write=write):
        pass
    fence.signal()


@design
def loads_without_a_bracket(machine: Machine) -> None:
    """The compositor has the buffer mapped and just looks at it while the GPU draws."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=True)

    def compositor() -> None:
        with frame.accesses.cpu():
            pass

    machine.kthread(lambda: used(frame, fence, write=True), "gpu")
    machine.kthread(compositor)


@design
def stores_in_a_bracket_for_reading(machine: Machine) -> None:
    """The bracket waits for writers only, and what is stored is never taken to memory."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=False)

    def compositor() -> None:
        with frame.cpu_access(Access.READ), frame.accesses.cpu(write=True):
            pass

    machine.kthread(lambda: used(frame, fence, write=False), "display")
    machine.kthread(compositor)


@design
def ends_too_early(machine: Machine) -> None:
    """The bracket is ended before the last load."""
    frame = Carveout("frame").buf

    def compositor() -> None:
        frame.begin_cpu_access(Direction.FROM_DEVICE)
        with frame.accesses.cpu():
            frame.end_cpu_access(Direction.FROM_DEVICE)

    machine.kthread(compositor)


@design
def ends_twice(machine: Machine) -> None:
    """One begin, and an end on each of two paths."""
    frame = Carveout("frame").buf

    def compositor() -> None:
        with frame.cpu_access(Access.READ):
            frame.end_cpu_access(Direction.FROM_DEVICE)

    machine.kthread(compositor)


@design
def never_ends(machine: Machine) -> None:
    """What was stored may never reach memory."""
    frame = Carveout("frame").buf

    def compositor() -> None:
        frame.begin_cpu_access(Direction.TO_DEVICE)
        with frame.accesses.cpu(write=True):
            pass
        frame.put()

    machine.kthread(compositor)


@design
def leaves_it_open(machine: Machine) -> None:
    """The same, with somebody else who keeps the buffer."""
    frame = Carveout("frame").buf

    def compositor() -> None:
        frame.begin_cpu_access(Direction.TO_DEVICE)
        with frame.accesses.cpu(write=True):
            pass

    machine.kthread(compositor)


@design
def one_begins_another_ends(machine: Machine) -> None:
    """A bracket is the buffer's and not a task's."""
    frame = Carveout("frame").buf
    begun = Completion("begun")

    def compositor() -> None:
        frame.begin_cpu_access(Direction.TO_DEVICE)
        begun.complete()

    def painter() -> None:
        begun.wait()
        with frame.accesses.cpu(write=True):
            pass
        frame.end_cpu_access(Direction.TO_DEVICE)

    machine.kthread(compositor)
    machine.kthread(painter)


@design
def loads_inside_a_bracket(machine: Machine) -> None:
    """Beginning the bracket waits for the GPU."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=True)

    def compositor() -> None:
        with frame.cpu_access(Access.READ), frame.accesses.cpu():
            pass

    machine.kthread(lambda: used(frame, fence, write=True), "gpu")
    machine.kthread(compositor)


@design
def loads_beside_a_reader(machine: Machine) -> None:
    """A bracket for reading does not wait for those who read, and need not."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=False)

    def compositor() -> None:
        with frame.cpu_access(Access.READ), frame.accesses.cpu():
            pass

    machine.kthread(lambda: used(frame, fence, write=False), "display")
    machine.kthread(compositor)


@design
def loads_and_stores(machine: Machine) -> None:
    """One bracket for both directions, which waits for readers too."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=False)

    def compositor() -> None:
        with frame.cpu_access(Access.READ | Access.WRITE):
            with frame.accesses.cpu():
                pass
            with frame.accesses.cpu(write=True):
                pass

    machine.kthread(lambda: used(frame, fence, write=False), "display")
    machine.kthread(compositor)


@design
def brackets_inside_each_other(machine: Machine) -> None:
    """A library brackets its part, and its caller the whole."""
    frame = Carveout("frame").buf

    def compositor() -> None:
        with frame.cpu_access(Access.READ), frame.accesses.cpu(), frame.cpu_access(Access.READ):
            pass

    machine.kthread(compositor)


_DF601 = Rule(
    "DF601",
    why="The CPU is the one user of a buffer that leaves no fence, so nobody waits for it and "
    "nobody would notice that it is there. The bracket stands for both halves of what a fence "
    "does. Its begin waits until the devices are done with what the CPU is going to do, and where "
    "caches are not kept coherent by hardware it throws away what the cache holds of the buffer; "
    "its end takes what was stored from the cache to memory, where devices see it. The direction "
    "says which of this is needed, so a wrong one does the wrong half. On the machine of the "
    "developer the caches are coherent and the GPU is quick, and everything works without.",
    sources=(
        Source(
            "drivers/dma-buf/dma-buf.c, the comment on access by the CPU",
            "must: userspace brackets each access through a mapping, with the direction, since "
            "exporters may have to flush or to move storage",
        ),
        Source(
            "include/uapi/linux/dma-buf.h, struct dma_buf_sync",
            "must: start before and end after each access, with the same flags; start waits for "
            "pending fences",
        ),
        Source(
            "drivers/dma-buf/dma-buf.c, dma_buf_begin_cpu_access",
            "must: always followed by the end of the access; waits for the implicit fences of "
            "the direction",
        ),
        Source(
            '002, "preserve the illusion of coherent access"',
            "fact: what implicit synchronisation is there for",
        ),
    ),
    counterexample=loads_without_a_bracket,
    variants=(
        stores_in_a_bracket_for_reading,
        ends_too_early,
        ends_twice,
        never_ends,
        leaves_it_open,
    ),
    fix=loads_inside_a_bracket,
    near_misses=(
        loads_beside_a_reader,
        loads_and_stores,
        brackets_inside_each_other,
        one_begins_another_ends,
    ),
    allowed="Brackets nest, and loading beside a device that reads is fine.",
    checks=(
        Check("run", "dmabuf.core.access.Accesses.cpu", "no bracket of the direction is open"),
        Check("run", "dmabuf.core.access.Accesses.close", "none was begun, or the CPU goes on"),
        Check("explore", "dmabuf.core.access.Accesses.release", "all of it, in every schedule"),
        Check("explore", "dmabuf.core.access.Accesses.left_by", "a task ended with one open"),
    ),
)

PAGES = (_DF601,)
