"""CPU access to a dma-buf: brackets, vmap, mmap."""

import errno

import pytest

from dmabuf.core.dma_buf_ops import Vma
from dmabuf.core.dma_map import Access, Direction
from dmabuf.core.resv import Usage
from dmabuf.errors import Interrupted
from tests.core.drivers import pending
from tests.core.exporters import SIZE, Exporter, add, exported, fails, nothing
from tests.facts import fact

WAYS = {
    "read": (Access.READ, Direction.FROM_DEVICE),
    "write": (Access.WRITE, Direction.TO_DEVICE),
    "both": (Access.READ | Access.WRITE, Direction.BIDIRECTIONAL),
}
PAGES = SIZE // 4096


@fact("F6.30", "F6.34")
@pytest.mark.parametrize("way", WAYS)
def test_cpu_access_calls_the_exporter(rt, way):
    """At begin and end, with the direction that the access is for."""

    def main():
        ways = []
        ops = Exporter(
            begin_cpu_access=lambda _buf, way: ways.append(way),
            end_cpu_access=lambda _buf, way: ways.append(way),
        )
        with exported(ops).cpu_access(access) as view:
            inside = list(ops.names)
        return ways, inside, ops.names, view

    access, direction = WAYS[way]
    names = ["begin_cpu_access", "end_cpu_access"]
    assert ([direction] * 2, names[:1], names, None) == rt.run(main)


@fact("F6.31", "F6.32")
@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("way", WAYS)
def test_cpu_access_waits_for_fences(rt, way, usage):
    """For writers in any case, for readers before it writes, never for bookkeeping."""

    def main():
        fence, buf = pending(), exported()
        add(buf, fence, usage)
        rt.spawn(lambda: buf.begin_cpu_access(WAYS[way][1]), name="cpu")
        rt.settle()
        waiting = rt.waiting()
        fence.signal()
        return waiting

    waits = usage <= (Usage.WRITE if way == "read" else Usage.READ)
    assert ({"cpu": "fence.wait"} if waits else {}) == rt.run(main)


@fact("F6.30")
def test_cpu_access_exporter_before_fences(rt):
    """The exporter may know a better way to wait."""

    def main():
        fence = pending()
        buf = exported(Exporter(begin_cpu_access=lambda _buf, _way: fence.signal()))
        add(buf, fence, Usage.WRITE)
        buf.begin_cpu_access(Direction.FROM_DEVICE)
        return fence.is_signaled()

    assert rt.run(main) is True


@pytest.mark.parametrize("hook", ["begin_cpu_access", "end_cpu_access"])
def test_cpu_access_exporter_fails(rt, hook):
    """What it answers is what the caller gets; a begin that failed waits for nothing."""

    def main():
        buf = exported(Exporter(**{hook: fails(errno.EIO)}))
        if hook == "end_cpu_access":
            buf.begin_cpu_access(Direction.FROM_DEVICE)
        add(buf, pending(), Usage.WRITE)
        with pytest.raises(OSError, match="says no") as caught:
            getattr(buf, hook)(Direction.FROM_DEVICE)
        return caught.value.errno

    assert errno.EIO == rt.run(main)


@fact("F6.33")
def test_cpu_access_interrupted(rt):
    """The access has not begun; its end is not called."""

    def main():
        ops = Exporter(end_cpu_access=nothing)
        buf = exported(ops)
        add(buf, pending(), Usage.WRITE)
        rt.interrupt(rt.current())
        with pytest.raises(Interrupted), buf.cpu_access(Access.READ):
            raise AssertionError
        return ops.names

    assert [] == rt.run(main)


@fact("F6.34")
def test_cpu_access_end_waits_for_nothing(rt):
    """Fences added meanwhile are somebody else's business."""

    def main():
        buf = exported()
        with buf.cpu_access(Access.READ):
            add(buf, pending(), Usage.WRITE)
        return "ended"

    assert "ended" == rt.run(main)


@fact("F6.47")
@pytest.mark.parametrize("access", [0, 4, 5, 8])
def test_cpu_access_of_no_kind(rt, access):
    """Neither reading nor writing, or another bit: EINVAL, and the exporter is not called."""

    def main():
        ops = Exporter(begin_cpu_access=nothing)
        with pytest.raises(OSError, match="access") as caught, exported(ops).cpu_access(access):
            raise AssertionError
        return caught.value.errno, ops.names

    assert (errno.EINVAL, []) == rt.run(main)


@fact("F6.35")
def test_vmap_nests(rt):
    """One mapping for all."""

    def main():
        mapping = bytearray(SIZE)
        ops = Exporter(vmap=lambda _buf: mapping, vunmap=nothing)
        buf = exported(ops)
        found = [buf.vmap_unlocked() is mapping for _ in range(2)]
        buf.vunmap_unlocked(mapping)
        once = list(ops.names)
        buf.vunmap_unlocked(mapping)
        return found, once, ops.names, buf.vmap_unlocked() is mapping

    assert ([True, True], ["vmap"], ["vmap", "vunmap"], True) == rt.run(main)


@fact("F6.36")
@pytest.mark.parametrize("case", ["never", "twice", "another"])
def test_vmap_undone_that_is_not_there(rt, case):
    """Somebody else's mapping would be gone."""

    def main():
        mapping = bytearray(1)
        buf = exported(Exporter(vmap=lambda _buf: mapping))
        if case != "never":
            buf.vmap_unlocked()
        if case == "twice":
            buf.vunmap_unlocked(mapping)
        buf.vunmap_unlocked(bytearray(1) if case == "another" else mapping)

    assert [("DF004", "main vunmaps frame, which is not so mapped")] == rt.reports(main)


@fact("F6.39")
@pytest.mark.parametrize("call", ["vmap", "mmap"])
def test_exporter_without_vmap_or_mmap(rt, call):
    """EINVAL, silently."""

    def main():
        buf = exported(exp_name="heap")
        with pytest.raises(OSError, match=f"heap has no {call}") as caught:
            buf.vmap_unlocked() if call == "vmap" else buf.mmap(Vma(1))
        return caught.value.errno

    assert errno.EINVAL == rt.run(main)


def test_vmap_that_fails_warns(rt):
    """The kernel's own code relies on it."""

    def main():
        buf = exported(Exporter(vmap=fails(errno.ENOMEM)), exp_name="heap")
        with pytest.raises(OSError, match="says no") as caught:
            buf.vmap_unlocked()
        assert errno.ENOMEM == caught.value.errno
        assert buf.vmap_count == 0

    message = "heap fails to vmap frame: [Errno 12] the exporter says no"
    assert [("DF004", message)] == rt.reports(main)


@fact("F6.37", "F6.38")
@pytest.mark.parametrize(
    ("pgoff", "pages", "code"),
    [
        (0, PAGES, 0),
        (1, PAGES - 1, 0),
        (PAGES, 0, 0),
        (0, PAGES + 1, errno.EINVAL),
        (1, PAGES, errno.EINVAL),
        (PAGES, 1, errno.EINVAL),
        ((1 << 64) - 2, 1, errno.EINVAL),
        ((1 << 64) - 1, 1, errno.EOVERFLOW),
        (1, (1 << 64) - 1, errno.EOVERFLOW),
        (-1, 1, errno.EINVAL),
    ],
)
def test_mmap_in_bounds(rt, pgoff, pages, code):
    """The exporter is asked for what is there, and for nothing else."""

    def main():
        ops = Exporter(mmap=lambda _buf, vma: (vma.offset, vma.length))
        try:
            return exported(ops).mmap(Vma(pages, pgoff)), ops.names
        except OSError as error:
            return error.errno, ops.names

    expected = (code, []) if code else ((pgoff * 4096, pages * 4096), ["mmap"])
    assert expected == rt.run(main)


def test_mmap_counts_whole_pages(rt):
    """The end of a buffer that is no multiple of a page cannot be mapped."""

    def main():
        buf = exported(Exporter(mmap=nothing))
        buf.size = 4096 + 100
        with pytest.raises(OSError, match="no page 1"):
            buf.mmap(Vma(2))

    rt.run(main)
