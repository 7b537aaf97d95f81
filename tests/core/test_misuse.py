"""Bad input that no other test of an object shows; and where each named misuse is tested.

unreserved slots: test_resv.py (DF208). Foreign contexts: sync/test_ww_mutex.py. Lock held or not:
test_dma_buf_convention.py (DF207), test_resv.py. Unbalanced pins and maps:
test_dma_buf_attach.py; brackets: test_access.py, test_dma_buf_bracket.py (DF601). Use after
release: test_dma_buf.py, test_memory.py, test_fence_lifetime.py, and here. Wrong sizes:
test_dma_buf.py, test_heap.py, test_memory.py, test_memfd.py, test_udmabuf.py. Timeouts:
test_fence_wait.py, test_resv_iter.py, test_syncobj_wait.py, and here. Names: test_dma_buf.py,
test_sync_file.py. Wrap of numbers: test_fence_order.py (32 and 64 bits), test_sw_sync.py,
test_syncobj.py. No descriptors left: test_memory.py, test_dma_buf_fd.py, test_memfd.py,
test_heap.py, test_udmabuf.py, test_fd_table.py, test_syncobj_handles.py.
"""

import errno
import math

import pytest

from dmabuf.core.resv import Resv, Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj import SyncObj
from dmabuf.drivers.carveout import Carveout
from dmabuf.sync.completion import Completion
from tests.core.drivers import pending

FILE_CALLS = {
    "polls": SyncFile.poll,
    "merges": lambda file: file.merge(SyncFile(pending())),
    "asks about": SyncFile.info,
    "takes the fence of": SyncFile.get_fence,
    "sets a deadline of": lambda file: file.set_deadline(1),
}
OBJECT_CALLS = {
    "looks at": SyncObj.query,
    "puts a fence into": lambda obj: obj.replace_fence(pending()),
}


@pytest.mark.parametrize("does", FILE_CALLS)
def test_misuse_closed_sync_file(rt, does):
    """Whoever goes on with it is told, DF004."""

    def main():
        file = SyncFile(pending())
        file.put()
        FILE_CALLS[does](file)

    assert ("DF004", f"main {does} dmabuf-gpu1-1, which is closed") == _told(rt, main)


def _told(rt, main):
    """The first report, without the context number of the fence's timeline."""
    code, words = rt.reports(main)[0]
    start, found, rest = words.partition("-gpu")
    return code, f"{start}-gpu1{rest[rest.index('-') :]}" if found else words


def test_misuse_merge_with_a_closed_sync_file(rt):
    """The second one is looked at as well as the first."""

    def main():
        file, closed = SyncFile(pending()), SyncFile(pending())
        closed.put()
        file.merge(closed)

    assert "DF004" == rt.reports(main)[0][0]


@pytest.mark.parametrize("does", OBJECT_CALLS)
def test_misuse_freed_sync_object(rt, does):
    """Whoever goes on with it is told, DF004."""

    def main():
        obj = SyncObj("obj")
        obj.put()
        OBJECT_CALLS[does](obj)

    assert ("DF004", f"main {does} obj, which was freed") == rt.reports(main)[0]


def test_misuse_naming_a_released_buffer(rt):
    """DF004."""

    def main():
        buf = Carveout("frame").buf
        buf.put()
        buf.set_name("again")

    assert ("DF004", "main names frame, which was released") == rt.reports(main)[0]


@pytest.mark.parametrize("usage", [-1, 4, "READ"])
@pytest.mark.parametrize("call", ["add_fence", "replace_fences"])
def test_misuse_no_such_usage(rt, usage, call):
    """A usage that there is not is an error, and nothing is added."""

    def main():
        resv = Resv("bo")
        with resv:
            resv.reserve_fences(1)
            before = () if call == "add_fence" else (1,)
            with pytest.raises(ValueError, match="Usage"):
                getattr(resv, call)(*before, pending(), usage)
            return list(resv.fences.entries)

    assert [] == rt.run(main)


def test_misuse_more_slots_than_memory(rt):
    """A list has at most 4 MiB, as what kmalloc gives: ENOMEM, nothing has changed."""

    def main():
        resv, codes = Resv("bo"), []
        with resv:
            for count in (1 << 20, (1 << 19) - 1, 1 << 40):
                try:
                    resv.reserve_fences(count)
                    codes.append(0)
                except OSError as error:
                    codes.append(error.errno)
        return codes

    assert [errno.ENOMEM, 0, errno.ENOMEM] == rt.run(main)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1 << 70])
def test_misuse_timeouts_without_end(rt, timeout):
    """They are as long as a clock goes; what is done is done."""

    def main():
        resv, done = Resv("bo"), Completion("done")
        done.complete()
        return resv.wait(Usage.READ, timeout), done.wait(timeout)

    assert (True, True) == rt.run(main)


@pytest.mark.parametrize("timeout", [-math.inf, -1e300])
def test_misuse_timeouts_long_ago(rt, timeout):
    """A completion takes them for a look."""

    def main():
        done = Completion("done")
        before = done.wait(timeout)
        done.complete()
        return before, done.wait(timeout)

    assert (False, True) == rt.run(main)
