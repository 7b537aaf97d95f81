"""dma_buf by its C names."""

import errno
import os
import re

import pytest

from dmabuf import kapi
from dmabuf.core.dma_buf_ops import Vma
from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.resv import Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.kapi.files import files
from tests.core.drivers import no_memory, pending
from tests.core.exporters import SIZE, Exporter, Importer, add, exported, fails, nothing
from tests.facts import fact
from tests.kernel_source import needs_source, source

WAY = Direction.TO_DEVICE
GPU = Device("gpu")


def test_export_from_a_struct(rt):
    """The buffer; without memory -ENOMEM."""

    def main():
        info = kapi.dma_buf_export_info(exp_name="heap", ops=Exporter(), size=SIZE, priv=1)
        buf = kapi.dma_buf_export(info)
        no_memory(rt)
        return buf.exp_name, buf.size, kapi.dma_buf_export(info)

    assert ("heap", SIZE, -errno.ENOMEM) == rt.run(main)


def test_export_of_nothing_warns(rt):
    """A warning, and -EINVAL live."""

    def main():
        assert -errno.EINVAL == kapi.dma_buf_export(kapi.dma_buf_export_info())

    assert ["DF004"] == [code for code, _message in rt.reports(main)]


@fact("F6.15")
def test_references_and_descriptors(rt):
    """Lowest number first; -EBADF, -EINVAL; the table puts its reference."""

    def main():
        ops, other = Exporter(), SyncFile(pending())
        buf = exported(ops)
        kapi.get_dma_buf(buf)
        number = kapi.dma_buf_fd(buf, os.O_CLOEXEC)
        same = kapi.dma_buf_get(number)
        answers = [number, same is buf, kapi.dma_buf_get(7)]
        spare = kapi.get_unused_fd_flags(0)
        answers += [spare, kapi.dma_buf_get(spare), kapi.fget(spare)]
        kapi.fd_install(spare, other)
        answers += [kapi.dma_buf_get(spare), kapi.close_fd(spare)]
        kapi.put_unused_fd(kapi.get_unused_fd_flags(0))
        answers += [kapi.close_fd(number), kapi.close_fd(number), ops.names]
        kapi.dma_buf_put(same)
        kapi.dma_buf_put(buf)
        return answers, ops.names

    bad = -errno.EBADF
    answers = [0, True, bad, 1, bad, None, -errno.EINVAL, 0, 0, bad, []]
    assert (answers, ["release"]) == rt.run(main)


def test_descriptors_exhausted(rt):
    """-EMFILE, and the reference is still the caller's."""

    def main():
        buf = exported()
        kapi.dma_buf_fd(buf.get(), 0)
        files().limit = 1
        return kapi.dma_buf_fd(buf, 0), buf.file.count

    assert (-errno.EMFILE, 2) == rt.run(main)


def test_attachments_answer_with_errno(rt):
    """The attachment, or what the exporter says."""

    def main():
        buf = exported(Exporter(attach=fails(errno.EBUSY)))
        ops = Exporter(pin=nothing, unpin=nothing)
        other = exported(ops)
        attach = kapi.dma_buf_dynamic_attach(other, GPU, Importer(), "priv")
        kapi.dma_resv_lock(other.resv, None)
        answers = [kapi.dma_buf_pin(attach)]
        table = kapi.dma_buf_map_attachment(attach, WAY)
        kapi.dma_buf_unmap_attachment(attach, table, WAY)
        kapi.dma_buf_unpin(attach)
        kapi.dma_buf_invalidate_mappings(other)
        kapi.dma_buf_move_notify(other)
        kapi.dma_resv_unlock(other.resv)
        told = len(attach.importer_ops.told)
        kapi.dma_buf_detach(other, attach)
        return kapi.dma_buf_attach(buf, GPU), answers, told, ops.names

    names = ["pin", "map_dma_buf", "unmap_dma_buf", "unpin"]
    assert (-errno.EBUSY, [0], 2, names) == rt.run(main)


def test_detach_from_another_buffer_warns(rt):
    """And does nothing."""

    def main():
        attach = exported().attach(GPU)
        kapi.dma_buf_detach(exported(name="other"), attach)

    message = "main detaches from other what is of frame"
    assert [("DF004", message)] == rt.reports(main)


def test_unlocked_twins(rt):
    """They take the lock."""

    def main():
        ops = Exporter(vmap=lambda _buf: b"bytes", vunmap=nothing)
        buf = exported(ops)
        attach = buf.attach(GPU)
        table = kapi.dma_buf_map_attachment_unlocked(attach, WAY)
        kapi.dma_buf_unmap_attachment_unlocked(attach, table, WAY)
        mapping = []
        answer = kapi.dma_buf_vmap_unlocked(buf, mapping)
        kapi.dma_buf_vunmap_unlocked(buf, mapping)
        kapi.dma_resv_lock(buf.resv, None)
        again = kapi.dma_buf_vmap(buf, mapping), mapping
        kapi.dma_buf_vunmap(buf, mapping)
        kapi.dma_resv_unlock(buf.resv)
        return answer, again, ops.names

    vmaps = ["vmap", "vunmap"] * 2
    assert (0, (0, [b"bytes"]), ["map_dma_buf", "unmap_dma_buf", *vmaps]) == rt.run(main)


def test_cpu_access_answers(rt):
    """0, -ERESTARTSYS, -EINVAL, -EOVERFLOW; a vmap that fails clears the map."""

    def main():
        buf = exported(Exporter(mmap=nothing))
        fence, mapping = pending(), ["old"]
        add(buf, fence, Usage.WRITE)
        rt.interrupt(rt.current())
        interrupted = kapi.dma_buf_begin_cpu_access(buf, WAY)
        fence.signal()
        return [
            interrupted,
            kapi.dma_buf_begin_cpu_access(buf, WAY),
            kapi.dma_buf_end_cpu_access(buf, WAY),
            kapi.dma_buf_mmap(buf, Vma(1), 0),
            kapi.dma_buf_mmap(buf, Vma(1), 4),
            kapi.dma_buf_mmap(buf, Vma(2), (1 << 64) - 1),
            kapi.dma_buf_vmap_unlocked(buf, mapping),
            mapping,
        ]

    errors = [-errno.EINVAL, -errno.EOVERFLOW, -errno.EINVAL]
    assert [-kapi.ERESTARTSYS, 0, 0, 0, *errors, [None]] == rt.run(main)


@needs_source
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kapi_has_all_of_the_header():
    """Every function of include/linux/dma-buf.h is here."""
    declared = r"^(?:static inline )?(?:struct \w+ \*|int |void |bool )?\n?(\w*dma_buf\w*)\("
    theirs = set(re.findall(declared, source("include/linux/dma-buf.h"), re.MULTILINE))

    assert len(theirs) > 20
    assert set() == theirs - set(kapi.functions())
