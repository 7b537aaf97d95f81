"""A decoder fills a buffer, a GPU copies it to another, a display shows that; one buffer moves.

Two exporters (the decoder's card and the GPU's), two importers (the GPU of the decoded picture,
the display of the finished one), and one migration in between. Every access of a device is in the
design, so PROVED says that in no schedule anybody reads a half-written picture, overtakes a
reader, or uses memory from which the picture has moved away. Try

    dmabuf check examples/pipeline_with_migration.py
"""

from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.carveout import Carveout
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.importer import Follower
from dmabuf.machine import Machine, design
from dmabuf.sync.ww_acquire import ww_acquire


def publish(resv: Resv, fence: Fence, *, write: bool) -> None:
    """With the lock held: wait for what is in the way of a job, and leave its fence for others."""
    resv.wait(usage_rw(write=write))
    resv.reserve_fences(1)
    resv.add_fence(fence, Usage.WRITE if write else Usage.READ)


class Pipeline:
    """The buffers, and what is done with them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.decoder = MigratingExporter("decoded")
        self.decoded = self.decoder.buf
        self.shown = Carveout("shown").buf
        self.gpu = Follower(self.decoded, Device("gpu"), Direction.TO_DEVICE)
        self.display = self.shown.attach(Device("display"))
        self.scanned = self.display.map_unlocked(Direction.TO_DEVICE)
        self.decoding = Timeline("decoder").fence()
        self.blitted = Timeline("gpu").fence()
        self.flipped = Timeline("display").fence()
        with self.decoded.resv as resv:
            self.decoder.validate()
            publish(resv, self.decoding, write=True)

    def start(self) -> None:
        """Everything at once; the GPU's task has its picture shown as well."""
        self.machine.hardware(self.decode, "decoder", hangs=False)
        self.machine.kthread(self.blit, "gpu")
        self.machine.kthread(self.evict)

    def decode(self) -> None:
        """The decoder's job, in its own memory."""
        with self.decoded.accesses.device(write=True):
            pass
        self.decoding.signal()

    def blit(self) -> None:
        """The GPU's job: from the decoded picture to the one that is shown."""
        with ww_acquire() as ctx:
            ctx.lock(self.decoded.resv)
            ctx.lock(self.shown.resv)
            table = self.mapping()
            publish(self.decoded.resv, self.blitted, write=False)
            publish(self.shown.resv, self.blitted, write=True)
            pending = self.flip()
        self.machine.hardware(lambda: self.scanout(pending), "display", hangs=False)
        with (
            self.gpu.attachment.device_access(table),
            self.shown.accesses.device(write=True),
        ):
            pass
        self.blitted.signal()

    def mapping(self) -> SgTable:
        """Where the decoded picture is, or will be when it has moved."""
        return self.gpu.mapping()

    def flip(self) -> list[Fence]:
        """With the lock held: leave the fence of the display's job; what it has to wait for."""
        resv = self.shown.resv
        resv.reserve_fences(1)
        pending = resv.get_fences(usage_rw(write=False))
        resv.add_fence(self.flipped, Usage.READ)
        return pending

    def scanout(self, pending: list[Fence]) -> None:
        """The display's job."""
        for fence in pending:
            fence.wait()
        with self.display.device_access(self.scanned):
            pass
        self.flipped.signal()

    def evict(self) -> None:
        """The decoder's card needs its memory for something else."""
        with self.decoded.resv:
            copy = self.decoder.move()
        copy()


@design
def pipeline(machine: Machine) -> None:
    """Each job waits for what is in its way and leaves a fence, and the GPU maps anew."""
    Pipeline(machine).start()


class _Keeps(Pipeline):
    """The GPU's driver maps once and for all."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        with self.decoded.resv:
            self.first = self.gpu.mapping()

    def mapping(self) -> SgTable:
        """Where the picture was in the beginning."""
        return self.first


@design
def keeps_its_mapping(machine: Machine) -> None:
    """The GPU waits for the move as it should, and reads from where the picture was before."""
    _Keeps(machine).start()


class _Hurries(Pipeline):
    """The display's driver leaves its fence, but does not look for others."""

    def scanout(self, pending: list[Fence]) -> None:
        """Show what is there."""
        del pending
        super().scanout([])


@design
def does_not_wait(machine: Machine) -> None:
    """The display shows the picture while the GPU is still at it."""
    _Hurries(machine).start()
