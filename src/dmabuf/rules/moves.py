"""Storage that moves: DF603.

A mapping says where a buffer is. What an exporter may change, an importer has to look at again.
"""

from __future__ import annotations

from contextlib import suppress

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_ops import AttachOps
from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.importer import Follower
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source

__all__ = ["PAGES"]


def placed(name: str) -> MigratingExporter:
    """A buffer that is somewhere."""
    frame = MigratingExporter(name)
    with frame.buf.resv:
        frame.validate()
    return frame


def submitted(buf: DmaBuf) -> Fence:
    """The fence of a job that reads: what every driver does before a device uses a buffer."""
    fence = Timeline("reader").fence()
    with buf.resv as resv:
        resv.wait(usage_rw(write=False))
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.READ)
    return fence


def added(buf: DmaBuf) -> Fence:
    """The fence of a job that reads and waits for nobody."""
    fence = Timeline("job").fence()
    with buf.resv as resv:
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.READ)
    return fence


@design
def does_not_wait_for_the_move(machine: Machine) -> None:
    """A dynamic importer maps where the buffer will be, and uses it before it is there."""
    frame = placed("frame")
    gpu = Follower(frame.buf, Device("gpu"), Direction.TO_DEVICE)
    with frame.buf.resv:
        copy = frame.move()

    def render() -> None:
        with frame.buf.resv:
            table = gpu.mapping()
        fence = added(frame.buf)
        with gpu.attachment.device_access(table):
            pass
        fence.signal()

    machine.kthread(copy, "copy engine")
    machine.kthread(render)


@design
def keeps_the_old_mapping(machine: Machine) -> None:
    """A dynamic importer waits for all it should, but does not heed that its mapping is void."""
    frame = placed("frame")

    def goes_on(_attachment: Attachment) -> None:
        """Nothing is done about it."""

    ops = AttachOps()
    ops.invalidate_mappings = goes_on
    gpu = frame.buf.attach(Device("gpu"), ops)
    table = gpu.map_unlocked(Direction.TO_DEVICE)

    def render() -> None:
        fence = submitted(frame.buf)
        with gpu.device_access(table):
            pass
        fence.signal()

    def evict() -> None:
        with frame.buf.resv:
            copy = frame.move()
        copy()

    machine.kthread(render)
    machine.kthread(evict)


@design
def maps_before_it_waits(machine: Machine) -> None:
    """The mapping is taken under the lock, then the lock is dropped and a move comes between."""
    frame = placed("frame")
    gpu = Follower(frame.buf, Device("gpu"), Direction.TO_DEVICE)

    def render() -> None:
        with frame.buf.resv:
            table = gpu.mapping()
        fence = submitted(frame.buf)
        with gpu.attachment.device_access(table):
            pass
        fence.signal()

    def evict() -> None:
        with frame.buf.resv:
            copy = frame.move()
        copy()

    machine.kthread(render)
    machine.kthread(evict)


@design
def maps_anew_and_waits(machine: Machine) -> None:
    """Mapping, waiting and leaving a fence in one locked section, for each job."""
    frame = placed("frame")
    gpu = Follower(frame.buf, Device("gpu"), Direction.TO_DEVICE)
    fence = Timeline("gpu").fence()

    def render() -> None:
        with frame.buf.resv as resv:
            table = gpu.mapping()
            resv.wait(Usage.KERNEL)
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.READ)
        with gpu.attachment.device_access(table):
            pass
        fence.signal()

    def evict() -> None:
        with frame.buf.resv:
            copy = frame.move()
        copy()

    machine.kthread(render)
    machine.kthread(evict)


@design
def static_importer_maps(machine: Machine) -> None:
    """For a static importer mapping pins the storage and waits, so it may be used at once."""
    frame = placed("frame")
    camera = frame.buf.attach(Device("camera"))
    with frame.buf.resv:
        copy = frame.move()

    def capture() -> None:
        table = camera.map_unlocked(Direction.FROM_DEVICE)
        with camera.device_access(table, write=True):
            pass
        camera.unmap_unlocked(table)

    machine.kthread(copy, "copy engine")
    machine.kthread(capture)


@design
def pinned_for_scanout(machine: Machine) -> None:
    """What is pinned does not move any more; the display waits once and keeps its mapping."""
    frame = placed("frame")
    display = frame.buf.attach(Device("display"), AttachOps())

    def scanout() -> None:
        with frame.buf.resv as resv:
            display.pin()
            resv.wait(Usage.KERNEL)
            table = display.map(Direction.TO_DEVICE)
        with display.device_access(table):
            pass
        with frame.buf.resv:
            display.unmap(table)
            display.unpin()

    def evict() -> None:
        with suppress(OSError):
            with frame.buf.resv:
                copy = frame.move()
            copy()

    machine.kthread(scanout)
    machine.kthread(evict)


@design
def moves_after_the_last_job(machine: Machine) -> None:
    """A job that was submitted before the move goes through the old mapping: the move waits."""
    frame = placed("frame")
    gpu = Follower(frame.buf, Device("gpu"), Direction.TO_DEVICE)
    with frame.buf.resv:
        table = gpu.mapping()
    fence = submitted(frame.buf)
    with frame.buf.resv:
        copy = frame.move()

    def render() -> None:
        with gpu.attachment.device_access(table):
            pass
        fence.signal()

    machine.kthread(render)
    machine.kthread(copy, "copy engine")


_DF603 = Rule(
    "DF603",
    why="Whoever exports a buffer decides where it is, and may change that: device memory is "
    "scarce, and what nobody uses has to go. A move is done by a copy engine and takes time, so "
    "it leaves a fence like any job, but of a kind that nobody may ignore, since before it is "
    "done there is nothing at the new place but what somebody else left there. An importer that "
    "does not want to hear of this is static: its mappings are pinned, and the core waits on its "
    "behalf. One that asked to be told gets rid of that cost and takes over the duty. It maps "
    "anew after each move, waits before it uses the mapping, and leaves its own fence in the same "
    "breath, since the next move waits for nothing else.",
    sources=(
        Source(
            "include/linux/dma-resv.h, enum dma_resv_usage",
            "must: a KERNEL fence stands for moving or clearing memory, and everybody waits for "
            "it before touching the memory",
        ),
        Source(
            "include/linux/dma-buf.h, struct dma_buf_attach_ops",
            "must: when told, a dynamic importer stops using the mapping and makes a new one "
            "before the next use; old ones last until its fences are done",
        ),
        Source(
            "drivers/dma-buf/dma-buf.c, dma_buf_map_attachment",
            "fact: for a static importer the core pins the storage and waits for KERNEL fences; "
            "a dynamic one waits itself",
        ),
        Source(
            '002, "takes care of any migration of scatterlist"',
            "fact: the exporter moves the storage for all who share it",
        ),
    ),
    counterexample=does_not_wait_for_the_move,
    variants=(keeps_the_old_mapping, maps_before_it_waits),
    fix=maps_anew_and_waits,
    near_misses=(static_importer_maps, pinned_for_scanout, moves_after_the_last_job),
    allowed="A job submitted before the move goes on through its old mapping until its fence "
    "signals.",
    checks=(
        Check(
            "run",
            "dmabuf.core.dma_buf_attach.Attachment.device_access",
            "the mapping is of where the buffer was, or is not yet, or the move is going on",
        ),
        Check("explore", "dmabuf.core.access.Accesses.device", "the same, in every schedule"),
    ),
)

PAGES = (_DF603,)
