"""A GPU that imports a buffer: jobs, dependencies, moves."""

from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import PAGE_SIZE, Device
from dmabuf.core.resv import Usage
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.importer import GpuImporter
from tests.core.drivers import pending
from tests.core.exporters import add


def frame():
    """A buffer that can be in two kinds of memory."""
    kinds = [MemoryKind(name, 4 * PAGE_SIZE) for name in ("one", "other")]
    return MigratingExporter("frame", PAGE_SIZE, kinds)


def test_importer_jobs_wait_for_what_they_must(rt):
    """A reader for writers, a writer for readers too."""

    def main():
        gpu = GpuImporter(frame().buf, Device("gpu"))
        fences = {usage: pending() for usage in Usage}
        for usage, fence in fences.items():
            add(gpu.attachment.buf, fence, usage)
        found = []
        for write in (False, True):
            waits = gpu.submit(write=write).dependencies
            found.append([usage for usage, fence in fences.items() if fence in waits])
        return found

    assert [list(Usage)[:2], list(Usage)[:3]] == rt.run(main)


def test_importer_job_publishes_its_fence(rt):
    """A write or a read, for others to wait for."""

    def main():
        gpu = GpuImporter(frame().buf, Device("gpu"))
        resv = gpu.attachment.buf.resv
        reader, writer = gpu.submit(), gpu.submit(write=True)
        found = resv.test_signaled(Usage.KERNEL), resv.test_signaled(Usage.WRITE)
        for job in (reader, writer):
            job.run()
        return found, resv.test_signaled(Usage.BOOKKEEP)

    assert ((True, False), True) == rt.run(main)


def test_importer_maps_anew_after_a_move(rt):
    """Jobs keep one mapping until they are told."""

    def main():
        exporter = frame()
        gpu = GpuImporter(exporter.buf, Device("gpu"))
        tables = []
        for _ in range(2):
            job = gpu.submit()
            job.run()
            tables.append(job.table)
        exporter.evict()
        dropped = gpu.table is None
        last = gpu.submit()
        last.run()
        left = len(gpu.attachment.tables)
        gpu.close()
        same = tables[0] is tables[1]
        where = last.table.priv.kind.name
        return same, dropped, left, where, list(exporter.buf.attachments)

    assert (True, True, 1, "other", []) == rt.run(main)


def test_importer_keeps_what_a_job_goes_through(rt):
    """A void mapping is unmapped when its last job is done; closing waits for that."""

    def main():
        gpu = GpuImporter(frame().buf, Device("gpu"))
        job, resv = gpu.submit(), gpu.attachment.buf.resv
        with resv:
            gpu.attachment.buf.invalidate_mappings()
            gpu.retire()
        kept = list(gpu.attachment.tables) == [job.table]
        rt.spawn(gpu.close, name="close")
        rt.settle()
        waiting = rt.waiting()
        job.run()
        rt.settle()
        return kept, waiting, gpu.attachment.is_attached

    assert (True, {"close": "fence.wait"}, False) == rt.run(main)
