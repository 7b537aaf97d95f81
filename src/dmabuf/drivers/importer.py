"""A dynamic importer: a GPU whose jobs use buffers that may move between them.

Mirrors: drivers/gpu/drm/amd/amdgpu/amdgpu_dma_buf.c (amdgpu_dma_buf_attach_ops)

    >>> from dmabuf.drivers.carveout import Carveout
    >>> gpu = GpuImporter(Carveout("frame").buf, Device("gpu"))
    >>> job = gpu.submit(write=True)
    >>> job.run(); job.fence.is_signaled()
    True
    >>> gpu.close()

A job waits for what the buffer's fences say, uses the mapping that was valid when it was
submitted, and signals. A move waits for that signal.
"""

from __future__ import annotations

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_ops import AttachOps
from dmabuf.core.dma_buf_place import Place
from dmabuf.core.dma_buf_storage import device_uses
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.timeline import Timeline

__all__ = ["GpuImporter", "Job"]


class Job:
    """Work for the device.

    Attributes:
        fence: signals when it is done.
        table: the memory it uses.
        dependencies: what it waits for.
    """

    def __init__(self, fence: Fence, table: SgTable, dependencies: list[Fence], who: str) -> None:
        self.fence = fence
        self.table = table
        self.dependencies = dependencies
        self.who = who

    def run(self) -> None:
        """What scheduler and device do: wait, use the memory, signal."""
        for fence in self.dependencies:
            fence.wait()
        if isinstance(self.table.priv, Place):
            device_uses(self.table, self.who)
        self.fence.signal()


class GpuImporter(AttachOps):
    """One GPU that has attached to one buffer.

    Args:
        buf: the buffer.
        dev: the device.
        peer2peer: it can use memory of another device.

    Attributes:
        attachment: of device and buffer.
        table: the valid mapping; None if it has to be made anew. Guarded by the buffer's lock.
    """

    def __init__(self, buf: DmaBuf, dev: Device, *, peer2peer: bool = False) -> None:
        self.allow_peer2peer = peer2peer
        self.timeline = Timeline(dev.name, rt=buf.rt)
        self.table: SgTable | None = None
        self.attachment = buf.attach(dev, self, self)

    def invalidate_mappings(self, attachment: Attachment) -> None:
        """The mapping is void: unmap it; the next job makes a new one. Context: lock held."""
        self.drop_mapping(attachment)

    def drop_mapping(self, attachment: Attachment) -> None:
        """Unmap what is mapped. Context: lock held."""
        if self.table is not None:
            attachment.unmap(self.table)
            self.table = None

    def mapping(self) -> SgTable:
        """The valid mapping, made if there is none. Context: process, lock held."""
        if self.table is None:
            self.table = self.attachment.map(Direction.BIDIRECTIONAL)
        return self.table

    def map_now(self) -> None:
        """Map before there is a job. Context: process, may sleep, lock not held."""
        with self.attachment.buf.resv:
            self.mapping()

    def submit(self, *, write: bool = False) -> Job:
        """A job that reads or writes the buffer; somebody has to `run` it. Context: process.

        Raises:
            OSError: what mapping answers; ENOMEM.
        """
        resv = self.attachment.buf.resv
        with resv:
            table = self.mapping()
            resv.reserve_fences(1)
            dependencies = resv.get_fences(usage_rw(write=write))
            fence = self.timeline.fence()
            resv.add_fence(fence, Usage.WRITE if write else Usage.READ)
            return Job(fence, table, dependencies, self.attachment.dev.name)

    def close(self) -> None:
        """Unmap and detach. Context: process, may sleep, lock not held."""
        with self.attachment.buf.resv:
            self.drop_mapping(self.attachment)
        self.attachment.detach()
