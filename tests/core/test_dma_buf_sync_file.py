"""Fences of a dma-buf as sync files, and the other way round."""

import errno

import pytest

from dmabuf.core.dma_map import Access
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_wait import stub
from dmabuf.core.resv import Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.timeline import Timeline
from tests.core.drivers import pending
from tests.core.exporters import add, exported
from tests.facts import fact

KERNEL, WRITE, READ, BOOKKEEP = Usage
BOTH = Access.READ | Access.WRITE


def slots(buf):
    """The fences and usages of a buffer."""
    entries = buf.resv.fences.entries if buf.resv.fences is not None else []
    return [(fence, usage) for fence, usage in entries]


@fact("F6.42", "F6.43")
@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("access", [Access.READ, Access.WRITE, BOTH])
def test_export_has_what_the_access_waits_for(rt, access, usage):
    """A reader waits for writers, a writer for readers too, and nobody for bookkeeping."""

    def main():
        fence, buf = pending(), exported()
        add(buf, fence, usage)
        file = buf.export_sync_file(access)
        return file.fence is fence, file.fence is stub(), file.poll()

    waits = usage <= (WRITE if access == Access.READ else READ)
    assert (waits, not waits, not waits) == rt.run(main)


@fact("F6.42")
def test_export_is_of_now(rt):
    """Fences that come later are not in it."""

    def main():
        buf = exported()
        file = buf.export_sync_file(Access.WRITE)
        add(buf, pending(), WRITE)
        return file.poll(), buf.export_sync_file(Access.WRITE).poll()

    assert (True, False) == rt.run(main)


@fact("F6.44")
def test_export_of_several_is_an_array(rt):
    """With a context of its own."""

    def main():
        fences, buf = [pending(), pending()], exported()
        for fence in fences:
            add(buf, fence, WRITE)
        made = buf.export_sync_file(Access.READ).fence
        contexts = {fence.context for fence in fences}
        return isinstance(made, FenceArray), list(made.fences) == fences, made.context in contexts

    assert (True, True, False) == rt.run(main)


@fact("F6.44")
def test_export_counts_references(rt):
    """The file has one to the fence; to the stub nobody counts."""

    def main():
        fence, buf = pending(), exported()
        buf.export_sync_file(Access.READ).release()
        add(buf, fence, WRITE)
        with buf.export_sync_file(Access.READ):
            inside = fence._state.references
        return inside, fence._state.references, stub().get() is stub()

    assert (3, 2, True) == rt.run(main)


@fact("F6.45", "F6.47")
@pytest.mark.parametrize(
    ("access", "usage"), [(Access.READ, READ), (Access.WRITE, WRITE), (BOTH, WRITE)]
)
def test_import_adds_the_fence(rt, access, usage):
    """A write if it writes at all."""

    def main():
        fence, buf = pending(), exported()
        buf.import_sync_file(SyncFile(fence), access)
        return slots(buf) == [(fence, usage)], buf.resv.is_locked()

    assert (True, False) == rt.run(main)


@fact("F6.46")
@pytest.mark.parametrize("kind", ["array", "chain"])
def test_import_unpacks(rt, kind):
    """Containers never get into a reservation object."""

    def main():
        fences, buf = [pending(), pending()], exported()
        if kind == "array":
            inside = FenceArray.create(list(fences))
        else:
            inside = FenceChain.create(FenceChain.create(None, fences[1], 1), fences[0], 2)
        buf.import_sync_file(SyncFile(inside), Access.READ)
        return slots(buf) == [(fence, READ) for fence in fences]

    assert rt.run(main) is True


@fact("F6.49")
def test_import_replaces_older_fences_of_the_context(rt):
    """And leaves those of others."""

    def main():
        line, buf = Timeline("gpu"), exported()
        older, newer, other = line.fence(), line.fence(), pending()
        for fence in (older, other, newer):
            buf.import_sync_file(SyncFile(fence), Access.READ)
        return slots(buf) == [(newer, READ), (other, READ)]

    assert rt.run(main) is True


def test_import_of_a_signalled_fence(rt):
    """Fine, and nobody waits."""

    def main():
        fence, buf = pending(), exported()
        fence.signal()
        buf.import_sync_file(SyncFile(fence), Access.WRITE)
        return buf.export_sync_file(Access.WRITE).poll()

    assert rt.run(main) is True


@fact("F6.48")
@pytest.mark.parametrize("what", ["a buffer", "nothing"])
def test_import_of_what_is_no_sync_file(rt, what):
    """EINVAL."""

    def main():
        buf = exported()
        with pytest.raises(OSError, match="no sync file") as caught:
            buf.import_sync_file(buf if what == "a buffer" else None, Access.WRITE)
        return caught.value.errno

    assert errno.EINVAL == rt.run(main)


@fact("F6.47")
@pytest.mark.parametrize("access", [0, 4, 6])
@pytest.mark.parametrize("call", ["export", "import"])
def test_access_of_no_kind(rt, call, access):
    """Checked before all else, so also without a sync file."""

    def main():
        buf = exported()
        with pytest.raises(OSError, match="an access") as caught:
            buf.export_sync_file(access) if call == "export" else buf.import_sync_file(None, access)
        return caught.value.errno

    assert errno.EINVAL == rt.run(main)
