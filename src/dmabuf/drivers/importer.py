"""Dynamic importers: what follows a buffer that moves, and a GPU whose jobs use it.

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
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.timeline import Timeline

__all__ = ["Follower", "GpuImporter", "Job"]


class Job:
    """Work for the device.

    Args:
        attachment: of the device.
        table: the mapping it goes through.
        write: it writes the buffer; else it reads.
        dependencies: what it waits for.
        fence: signals when it is done.
    """

    def __init__(
        self,
        attachment: Attachment,
        table: SgTable,
        dependencies: list[Fence],
        fence: Fence,
        *,
        write: bool,
    ) -> None:
        self.attachment = attachment
        self.table = table
        self.dependencies = dependencies
        self.fence = fence
        self.write = write

    def run(self) -> None:
        """What scheduler and device do: wait, use the memory, signal."""
        for fence in self.dependencies:
            fence.wait()
        with self.attachment.device_access(self.table, write=self.write):
            pass
        self.fence.signal()


class Follower(AttachOps):
    """A device's mapping of one buffer, which is made anew after each move.

    Args:
        buf: the buffer.
        dev: the device.
        direction: of its mappings.
        peer2peer: it can use memory of another device.

    Attributes:
        attachment: of device and buffer.
        table: the valid mapping; None if it has to be made anew. Guarded by the buffer's lock, as
            is the rest.
        last: fence of the last job that is known of; None before the first.
        retired: mappings that are void, each with the last job that goes through it.
    """

    def __init__(
        self, buf: DmaBuf, dev: Device, direction: Direction, *, peer2peer: bool = False
    ) -> None:
        self.allow_peer2peer = peer2peer
        self.direction = direction
        self.table: SgTable | None = None
        self.last: Fence | None = None
        self.retired: list[tuple[SgTable, Fence | None]] = []
        self.attachment = buf.attach(dev, self, self)

    def invalidate_mappings(self, attachment: Attachment) -> None:
        """The mapping is void for jobs to come; those submitted go on. Context: lock held."""
        del attachment
        if self.table is not None:
            self.retired.append((self.table, self.last))
            self.table = None

    def mapping(self) -> SgTable:
        """A mapping to submit with. Context: process, lock held.

        Good when the KERNEL fences are done. Raises OSError as mapping does.
        """
        if self.table is None:
            self.table = self.attachment.map(self.direction)
        return self.table

    def retire(self) -> None:
        """Unmap what is void and used by no job any more. Context: process, lock held.

        Where jobs are not known to it, the move has to be done: it waits for all of them.
        """
        busy: list[tuple[SgTable, Fence | None]] = []
        for table, last in self.retired:
            if last is None or last.is_signaled():
                self.attachment.unmap(table)
            else:
                busy.append((table, last))
        self.retired = busy

    def close(self) -> None:
        """Wait for the last job, unmap and detach. Context: process, may sleep, lock not held."""
        if self.last is not None:
            self.last.wait(interruptible=False)
        with self.attachment.buf.resv:
            self.invalidate_mappings(self.attachment)
            self.retire()
        self.attachment.detach()


class GpuImporter(Follower):
    """One GPU that has attached to one buffer, and its jobs.

    Args:
        buf: the buffer.
        dev: the device.
        peer2peer: it can use memory of another device.
    """

    def __init__(self, buf: DmaBuf, dev: Device, *, peer2peer: bool = False) -> None:
        super().__init__(buf, dev, Direction.BIDIRECTIONAL, peer2peer=peer2peer)
        self.timeline = Timeline(dev.name, rt=buf.rt)

    def mapping(self) -> SgTable:
        """The valid mapping, made if there is none. Context: process, lock held."""
        self.retire()
        return super().mapping()

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
            fence = self.last = self.timeline.fence()
            resv.add_fence(fence, Usage.WRITE if write else Usage.READ)
            return Job(self.attachment, table, dependencies, fence, write=write)
