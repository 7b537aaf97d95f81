"""Implicit synchronisation: DF604.

Fences do not keep anybody from the bytes. They only say when it is right to use them, and a
driver that does not ask gets a picture that is wrong now and then.
"""

from __future__ import annotations

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.carveout import Carveout
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source

__all__ = ["PAGES"]


def submitted(buf: DmaBuf, *, write: bool) -> Fence:
    """The fence of a job: what every driver does before a device uses a buffer."""
    fence = Timeline("writer" if write else "reader").fence()
    with buf.resv as resv:
        resv.wait(usage_rw(write=write))
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.WRITE if write else Usage.READ)
    return fence


def added(buf: DmaBuf, usage: Usage) -> Fence:
    """The fence of a job that waits for nobody."""
    fence = Timeline("job").fence()
    with buf.resv as resv:
        resv.reserve_fences(1)
        resv.add_fence(fence, usage)
    return fence


def used(buf: DmaBuf, fence: Fence, *, write: bool) -> None:
    """The device does the job."""
    with buf.accesses.device(write=write):
        pass
    fence.signal()


@design
def reader_does_not_wait(machine: Machine) -> None:
    """The display leaves its fence, but shows the frame without asking whether it is drawn."""
    frame = Carveout("frame").buf

    def render() -> None:
        used(frame, submitted(frame, write=True), write=True)

    def scanout() -> None:
        used(frame, added(frame, Usage.READ), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def writer_overtakes_readers(machine: Machine) -> None:
    """The GPU waits for other writers only, and draws into what is being shown."""
    frame = Carveout("frame").buf
    fence = Timeline("gpu").fence()

    def render() -> None:
        with frame.resv as resv:
            resv.wait(Usage.WRITE)
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.WRITE)
        used(frame, fence, write=True)

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def adds_its_fence_too_late(machine: Machine) -> None:
    """Between the wait and the fence the lock is dropped, and somebody else sees nothing."""
    frame = Carveout("frame").buf

    def render() -> None:
        with frame.resv as resv:
            resv.wait(usage_rw(write=True))
        used(frame, added(frame, Usage.WRITE), write=True)

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def leaves_a_read_for_a_write(machine: Machine) -> None:
    """The GPU says READ of what it writes, which no reader waits for."""
    frame = Carveout("frame").buf
    fence = Timeline("gpu").fence()

    def render() -> None:
        with frame.resv as resv:
            resv.wait(usage_rw(write=True))
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.READ)
        used(frame, fence, write=True)

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def keeps_books_on_a_write(machine: Machine) -> None:
    """A fence for bookkeeping is one that implicit synchronisation leaves alone."""
    frame = Carveout("frame").buf

    def render() -> None:
        used(frame, added(frame, Usage.BOOKKEEP), write=True)

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def both_wait_and_leave_a_fence(machine: Machine) -> None:
    """Whoever comes second waits for the first, whichever that is."""
    frame = Carveout("frame").buf

    def render() -> None:
        used(frame, submitted(frame, write=True), write=True)

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(render)
    machine.kthread(scanout)


@design
def readers_side_by_side(machine: Machine) -> None:
    """Readers do not wait for each other."""
    frame = Carveout("frame").buf

    def scanout() -> None:
        used(frame, submitted(frame, write=False), write=False)

    machine.kthread(scanout, "display")
    machine.kthread(scanout, "encoder")


@design
def bookkeeping_is_not_waited_for(machine: Machine) -> None:
    """A fence that only keeps the memory in place: its job does not touch these bytes."""
    frame = Carveout("frame").buf
    fence = added(frame, Usage.BOOKKEEP)

    def render() -> None:
        used(frame, submitted(frame, write=True), write=True)

    machine.kthread(render)
    machine.kthread(fence.signal, "page tables")


@design
def reader_without_the_lock(machine: Machine) -> None:
    """Waiting needs no lock: whoever reads what is written once waits, and reads."""
    frame = Carveout("frame").buf
    fence = submitted(frame, write=True)

    def inspect() -> None:
        frame.resv.wait(usage_rw(write=False))
        with frame.accesses.device():
            pass

    machine.kthread(lambda: used(frame, fence, write=True), "gpu")
    machine.kthread(inspect)


@design
def halves(machine: Machine) -> None:
    """Two engines that write different bytes need not wait for each other."""
    frame = Carveout("frame").buf

    def render(offset: int) -> None:
        fence = added(frame, Usage.WRITE)
        with frame.accesses.device(write=True, offset=offset, length=2048):
            pass
        fence.signal()

    machine.kthread(lambda: render(0), "left")
    machine.kthread(lambda: render(2048), "right")


_DF604 = Rule(
    "DF604",
    why="Applications hand buffers on without a word about when the GPU will be done with them, "
    "and the drivers underneath make it look as if it were done. That is a deal between drivers "
    "that do not know each other: each leaves a fence that says until when it reads or writes, "
    "and each looks for those that are in its way. It takes all of it. Who does not wait sees "
    "half a picture; who leaves no fence, or one that says less than what it does, lets somebody "
    "else see one; and who drops the lock between looking and leaving has two drivers that each "
    "found nobody there. Readers stay out of each other's way by themselves, which is why the two "
    "kinds are kept apart at all.",
    sources=(
        Source(
            "include/linux/dma-resv.h, enum dma_resv_usage",
            "must: implicit synchronisation waits for WRITE before reading and for READ before "
            "writing, on top of KERNEL",
        ),
        Source(
            "include/linux/dma-resv.h, dma_resv_usage_rw",
            "fact: which usage a reader and a writer ask for",
        ),
        Source(
            "include/linux/dma-buf.h, struct dma_buf",
            "must: with implicit synchronisation every driver adds fences of its reads and "
            "writes, and waits for those of others",
        ),
        Source(
            '002, "preserve the illusion of coherent access"',
            "fact: reservation objects hold the fences of work that the kernel puts in order",
        ),
    ),
    counterexample=reader_does_not_wait,
    variants=(
        writer_overtakes_readers,
        adds_its_fence_too_late,
        leaves_a_read_for_a_write,
        keeps_books_on_a_write,
    ),
    fix=both_wait_and_leave_a_fence,
    near_misses=(
        readers_side_by_side,
        bookkeeping_is_not_waited_for,
        reader_without_the_lock,
        halves,
    ),
    allowed="Fences for bookkeeping are not waited for, and waiting needs no lock.",
    checks=(
        Check("run", "dmabuf.core.access.Accesses.device", "a write meets another access"),
        Check(
            "explore",
            "dmabuf.core.access.Span.conflicts",
            "there is a schedule in which the two overlap",
        ),
    ),
)

PAGES = (_DF604,)
