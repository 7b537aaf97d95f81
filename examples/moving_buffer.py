"""A buffer that moves while two devices use it: who is told, who waits, who maps anew.

The exporter evicts the buffer from its card's memory. It tells the importers that their mappings
are void, waits for the fences of the jobs that still use them, and only then moves. An importer
that keeps its old mapping writes into memory that is somebody else's by now.

    dmabuf check examples/moving_buffer.py
"""

from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import PAGE_SIZE, Device
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.importer import GpuImporter
from dmabuf.machine import Machine, design


def _frame() -> MigratingExporter:
    """A buffer whose first choice is the card's memory."""
    vram = MemoryKind("vram", 4 * PAGE_SIZE, peer=True)
    system = MemoryKind("system", 4 * PAGE_SIZE, base=1 << 32)
    return MigratingExporter("frame", PAGE_SIZE, [vram, system])


class _Forgetful(GpuImporter):
    """An importer that is told and does nothing about it."""

    def invalidate_mappings(self, attachment: Attachment) -> None:
        """Keep using the mapping."""


@design
def two_importers_and_a_move(machine: Machine) -> None:
    """One GPU draws, another shows what was drawn, and the exporter evicts the buffer."""
    frame = _frame()
    render = GpuImporter(frame.buf, Device("render"), peer2peer=True)
    display = GpuImporter(frame.buf, Device("display"), peer2peer=True)

    def draw() -> None:
        machine.hardware(render.submit(write=True).run, "render", hangs=False)

    def show() -> None:
        machine.hardware(display.submit().run, "display", hangs=False)

    display.map_now()
    machine.kthread(draw)
    machine.kthread(show)
    machine.kthread(frame.evict, "evict")


@design
def keeps_old_addresses(machine: Machine) -> None:
    """The second job uses the mapping of the first, though the buffer has moved between them."""
    frame = _frame()
    render = _Forgetful(frame.buf, Device("render"), peer2peer=True)

    def draw() -> None:
        for _ in range(2):
            job = render.submit(write=True)
            machine.hardware(job.run, "render", hangs=False)
            job.fence.wait()

    machine.kthread(draw)
    machine.kthread(frame.evict, "evict")


@design
def pipeline(machine: Machine) -> None:
    """A decoder fills one buffer, a GPU copies it to that of another exporter."""
    decoded, shown = _frame(), _frame()
    decoder = GpuImporter(decoded.buf, Device("decoder"), peer2peer=True)
    source = GpuImporter(decoded.buf, Device("gpu"), peer2peer=True)
    target = GpuImporter(shown.buf, Device("gpu"), peer2peer=True)

    def submit() -> None:
        fill = decoder.submit(write=True)
        machine.hardware(fill.run, "decoder", hangs=False)
        read, write = source.submit(), target.submit(write=True)

        def blit() -> None:
            read.run()
            write.run()

        machine.hardware(blit, "gpu", hangs=False)

    decoder.map_now()
    machine.kthread(submit)
    machine.kthread(decoded.evict, "evict")
