"""The locking convention of dma-buf, row by row from its table (DF207)."""

import pytest

from dmabuf.core.dma_buf import export
from dmabuf.core.dma_buf_convention import CONVENTION, Side
from dmabuf.core.dma_buf_ops import Vma
from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.resv import Resv
from tests.core.exporters import SIZE, Exporter, Importer, exported, nothing
from tests.facts import fact

GPU = Device("gpu")
WAY = Direction.TO_DEVICE


def everything():
    """An exporter with all hooks."""
    return Exporter(
        attach=nothing,
        detach=nothing,
        pin=nothing,
        unpin=nothing,
        begin_cpu_access=nothing,
        end_cpu_access=nothing,
        mmap=nothing,
        vmap=lambda _buf: b"",
        vunmap=nothing,
    )


class Ready:
    """A buffer with a dynamic attachment, a pin, and what can be undone: mapping, vmap, access."""

    def __init__(self, *, mapped):
        self.ops = everything()
        self.buf = exported(self.ops)
        self.attachment = self.buf.attach(GPU, Importer())
        self.table = self.vmapping = None
        with self.buf.resv:
            self.attachment.pin()
            if mapped:
                self.table = self.attachment.map(WAY)
                self.vmapping = self.buf.vmap()
        if mapped:
            self.buf.begin_cpu_access(WAY)


CALLS = {
    "dma_buf_pin": lambda r: r.attachment.pin(),
    "dma_buf_unpin": lambda r: r.attachment.unpin(),
    "dma_buf_map_attachment": lambda r: r.attachment.map(WAY),
    "dma_buf_unmap_attachment": lambda r: r.attachment.unmap(r.table),
    "dma_buf_vmap": lambda r: r.buf.vmap(),
    "dma_buf_vunmap": lambda r: r.buf.vunmap(r.vmapping),
    "dma_buf_attach": lambda r: r.buf.attach(GPU),
    "dma_buf_dynamic_attach": lambda r: r.buf.attach(GPU, Importer()),
    "dma_buf_detach": lambda r: r.buf.attach(GPU).detach(),
    "dma_buf_put": lambda r: r.buf.put(),
    "dma_buf_mmap": lambda r: r.buf.mmap(Vma(1)),
    "dma_buf_begin_cpu_access": lambda r: r.buf.begin_cpu_access(WAY),
    "dma_buf_end_cpu_access": lambda r: r.buf.end_cpu_access(WAY),
    "dma_buf_map_attachment_unlocked": lambda r: r.attachment.map_unlocked(WAY),
    "dma_buf_unmap_attachment_unlocked": lambda r: r.attachment.unmap_unlocked(r.table),
    "dma_buf_vmap_unlocked": lambda r: r.buf.vmap_unlocked(),
    "dma_buf_vunmap_unlocked": lambda r: r.buf.vunmap_unlocked(r.vmapping),
    "dma_buf_export": lambda r: export(r.ops, SIZE, priv=1, resv=r.buf.resv, name="frame"),
    "dma_buf_invalidate_mappings": lambda r: r.buf.invalidate_mappings(),
}
"""How each row of a call is called."""

UNDONE = ("dma_buf_detach",)
"""Rows whose call needs a lock to be got ready, tested by hand."""

ROWS = [row for row in CONVENTION.values() if row.symbol in CALLS and row.symbol not in UNDONE]
CALLBACKS = [row for row in CONVENTION.values() if row.side is Side.CALLBACK]


def needs_mapping(row):
    """Does the call undo something?"""
    return "unmap" in row.symbol or "end" in row.symbol


def test_convention_rows_are_all_tested():
    """Every row of a call is called below; files have the descriptors."""
    calls = {row.symbol for row in CONVENTION.values() if row.side is not Side.CALLBACK}

    assert {"dma_buf_fd", "dma_buf_get"} == calls - set(CALLS)


@fact("F6.01", "F6.02", "F6.05")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.symbol)
def test_convention_call_otherwise_is_reported(rt, row):
    """Without the lock where it is needed, with it where it is not."""

    def main():
        ready = Ready(mapped=needs_mapping(row))
        if not row.locked:
            ready.buf.resv.lock()
        CALLS[row.symbol](ready)

    how = "without" if row.locked else "with"
    message = f"main calls {row.symbol} of frame {how} its reservation lock held"
    assert ("DF207", message) == rt.reports(main)[0]


@fact("F6.01", "F6.02", "F6.05")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.symbol)
def test_convention_call_as_it_says_is_not_reported(rt, row):
    """With the lock where it is needed, without it where it is not."""

    def main():
        ready = Ready(mapped=needs_mapping(row))
        if row.locked:
            ready.buf.resv.lock()
        if row.symbol == "dma_buf_put":
            ready.buf.get()
        if row.symbol == "dma_buf_end_cpu_access":
            ready.buf.begin_cpu_access(WAY)
        CALLS[row.symbol](ready)
        if row.locked:
            ready.buf.resv.unlock()

    assert [] == rt.reports(main)


@fact("F6.02")
def test_convention_detach_with_the_lock_is_reported(rt):
    """It takes the lock itself, and the exporter's hook may too."""

    def main():
        attachment = exported().attach(GPU)
        attachment.buf.resv.lock()
        attachment.detach()

    message = "main calls dma_buf_detach of frame with its reservation lock held"
    assert ("DF207", message) == rt.reports(main)[0]


def use_all(ops):
    """Call everything that calls a hook."""
    buf = exported(ops)
    attachment = buf.attach(GPU, Importer())
    with buf.resv:
        attachment.pin()
        attachment.unmap(attachment.map(WAY))
        attachment.unpin()
        buf.vunmap(buf.vmap())
    attachment.detach()
    buf.mmap(Vma(1))
    buf.begin_cpu_access(WAY)
    buf.end_cpu_access(WAY)
    buf.put()


@fact("F6.03", "F6.04")
def test_convention_callbacks_are_called_as_it_says(rt):
    """Every hook of an exporter is called, with the lock or without it as its row says."""

    def main():
        ops = everything()
        use_all(ops)
        return dict(ops.calls)

    assert {row.symbol[4:]: row.locked for row in CALLBACKS} == rt.run(main)


@pytest.mark.parametrize("row", CALLBACKS, ids=lambda row: row.symbol)
def test_convention_callback_that_changes_the_lock_is_reported(rt, row):
    """A hook leaves the lock as it found it."""

    def main():
        ops = everything()
        member = row.symbol[4:]
        plainly = getattr(ops, member)

        def hook(first, *rest):
            resv = getattr(first, "resv", None) or first.buf.resv
            answer = plainly(first, *rest)
            if row.locked:
                resv.unlock()
            else:
                resv.lock()
            return answer

        setattr(ops, member, hook)
        use_all(ops)

    did = "unlocks" if row.locked else "returns with"
    message = f"the exporter's {row.symbol[4:]} of frame {did} the reservation lock"
    assert ("DF207", message) == rt.reports(main)[0]


def test_convention_lock_of_another_task_does_not_count(rt):
    """That somebody holds it does not make a call with the lock right."""

    def main():
        buf = exported()
        attachment = buf.attach(GPU, Importer())
        rt.spawn(buf.resv.lock, name="other")
        rt.settle()
        attachment.map(WAY)

    message = "main calls dma_buf_map_attachment of frame without its reservation lock held"
    assert ("DF207", message) in rt.reports(main)


def test_convention_shared_lock_counts_for_each_buffer(rt):
    """Buffers with one reservation object have one lock."""

    def main():
        vm = Resv("vm")
        buf = exported(resv=vm)
        attachment = buf.attach(GPU, Importer())
        with vm:
            attachment.unmap(attachment.map(WAY))
        attachment.detach()

    assert [] == rt.reports(main)
