"""struct dma_buf: exporting, references, release, names."""

import errno

import pytest

from dmabuf.core.dma_buf import export
from dmabuf.core.dma_buf_ops import DmaBufOps
from dmabuf.core.dma_map import Device
from dmabuf.core.resv import Resv
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import no_memory, pending
from tests.core.exporters import SIZE, Exporter, exported, nothing
from tests.facts import fact


def test_dma_buf_is_what_was_exported(rt):
    """Size, exporter and private data are those given; it has a lock of its own."""

    def main():
        ops, priv = Exporter(), object()
        buf = export(ops, SIZE, priv=priv, exp_name="heap")
        return buf.ops is ops, buf.size, buf.exp_name, buf.priv is priv, buf.resv.held(), buf.name

    assert (True, SIZE, "heap", True, False, "") == rt.run(main)


@fact("F6.10")
@pytest.mark.parametrize("missing", ["map_dma_buf", "unmap_dma_buf", "release", "private data"])
def test_dma_buf_export_without_what_is_mandatory(rt, missing):
    """The warning names exporter and hook."""

    def main():
        ops = Exporter() if missing == "private data" else Exporter(**{missing: None})
        with pytest.raises(OSError, match=missing) as caught:
            export(ops, SIZE, priv=None if missing == "private data" else 1, exp_name="heap")
        assert errno.EINVAL == caught.value.errno

    message = f"main exports a buffer of heap, which lacks {missing}"
    assert [("DF004", message)] == rt.reports(main)


@fact("F6.11")
@pytest.mark.parametrize("hook", ["pin", "unpin"])
def test_dma_buf_export_with_only_one_of_pin_and_unpin(rt, hook):
    """A buffer that can be pinned must be unpinned some time."""

    def main():
        with pytest.raises(OSError, match="only one of pin and unpin") as caught:
            exported(Exporter(**{hook: nothing}), exp_name="heap")
        assert errno.EINVAL == caught.value.errno

    message = "main exports a buffer of heap, which has only one of pin and unpin"
    assert [("DF004", message)] == rt.reports(main)


@pytest.mark.parametrize("size", [-1, 1 << 63])
def test_dma_buf_export_of_no_size(rt, size):
    """A size fits into what lseek can answer."""

    def main():
        with pytest.raises(OSError, match="no size") as caught:
            export(Exporter(), size, priv=1)
        return caught.value.errno

    assert errno.EINVAL == rt.run(main)


def test_dma_buf_export_without_memory(rt):
    """ENOMEM, and the exporter is not called."""

    def main():
        ops = Exporter()
        no_memory(rt)
        with pytest.raises(OSError, match="dma_buf") as caught:
            exported(ops)
        return caught.value.errno, ops.calls

    assert (errno.ENOMEM, []) == rt.run(main)


@fact("F6.12", "F6.13")
def test_dma_buf_last_put_releases(rt):
    """The last of several puts calls the exporter; then the buffer's own lock is gone."""

    def main():
        ops = Exporter()
        buf = exported(ops)
        same = buf.get() is buf
        buf.put()
        before = list(ops.calls)
        with buf.resv:
            buf.resv.reserve_fences(1)
        buf.put()
        return same, before, ops.calls, buf.resv.fences

    assert (True, [], [("release", False)], None) == rt.run(main)


def test_dma_buf_last_put_in_atomic_context(rt):
    """A worker releases it, who may sleep."""

    def main():
        ops, lock = Exporter(release=lambda buf: seen.append(rt.current().is_atomic)), SpinLock("L")
        seen = []
        buf = exported(ops)
        with lock:
            buf.put()
            at_once = list(seen)
        rt.settle()
        return at_once, seen

    assert ([], [False]) == rt.run(main)


@fact("F6.12")
def test_dma_buf_is_off_the_list_when_the_exporter_releases(rt):
    """What is being released cannot be found any more."""

    def main():
        found = []
        ops = Exporter(release=lambda buf: found.append(list(buf.buffers.buffers)))
        buf = exported(ops)
        listed = list(buf.buffers.buffers.values()) == [buf]
        buf.put()
        return listed, found

    assert (True, [[]]) == rt.run(main)


@fact("F6.13")
def test_dma_buf_shared_reservation_object_stays(rt):
    """Its fences stay, and its lock can be taken."""

    def main():
        resv = Resv("vm")
        with resv:
            resv.reserve_fences(1)
        buf = exported(resv=resv)
        buf.put()
        return buf.resv is resv, resv.fences is not None, resv.trylock()

    assert (True, True, True) == rt.run(main)


@fact("F6.13")
def test_dma_buf_own_reservation_object_puts_its_fences(rt):
    """Fences do not outlive the buffer because of it."""

    def main():
        fence, buf = pending(), exported()
        with buf.resv:
            buf.resv.reserve_fences(1)
            buf.resv.add_fence(fence, 1)
        buf.put()
        return fence._state.references

    assert 1 == rt.run(main)


@fact("F6.14")
def test_dma_buf_released_while_attached_warns(rt):
    """The devices are named."""

    def main():
        buf = exported()
        buf.attach(Device("camera"))
        buf.put()

    assert [("DF004", "frame is released while camera is attached")] == rt.reports(main)


@fact("F6.14")
def test_dma_buf_released_while_vmapped_is_a_bug(rt):
    """Whoever uses that mapping writes into freed memory."""

    def main():
        buf = exported(Exporter(vmap=lambda _buf: b""))
        buf.vmap_unlocked()
        buf.put()

    assert [("DF004", "frame is released with 1 vmaps")] == rt.reports(main)


@pytest.mark.parametrize(
    ("call", "does"),
    [
        pytest.param(lambda buf, _one: buf.put(), "puts", id="put"),
        pytest.param(lambda buf, _one: buf.get(), "takes a reference to", id="get"),
        pytest.param(lambda buf, _one: buf.attach(Device("gpu")), "attaches to", id="attach"),
        pytest.param(lambda buf, _one: buf.begin_cpu_access(1), "begins CPU access to", id="begin"),
        pytest.param(lambda buf, _one: buf.export_sync_file(1), "exports the fences of", id="file"),
    ],
)
def test_dma_buf_use_after_release_is_reported(rt, call, does):
    """A put too many, and every call by somebody who has no reference."""

    def main():
        buf = exported()
        buf.put()
        call(buf, None)

    assert [("DF004", f"main {does} frame, which was released")] == rt.reports(main)


@fact("F6.40")
@pytest.mark.parametrize("name", ["x" * 32, "ä" * 16, "a\0b"])
def test_dma_buf_name_that_does_not_fit(rt, name):
    """Bytes count, and a NUL would end it; the name before stays."""

    def main():
        buf = exported()
        with pytest.raises(OSError, match="name") as caught:
            buf.set_name(name)
        return caught.value.errno, buf.name

    assert (errno.EINVAL, "frame") == rt.run(main)


@fact("F6.41")
def test_dma_buf_name_again_and_again(rt):
    """Attached or not, 31 bytes, none at all, or with a slash and a newline."""

    def main():
        buf = exported(name="")
        buf.attach(Device("gpu"))
        names = [buf.name]
        for name in ("x" * 31, "", "a/b\n"):
            buf.set_name(name)
            names.append(buf.name)
        return names

    assert ["", "x" * 31, "", "a/b\n"] == rt.run(main)


def test_dma_buf_control_characters_are_escaped_in_reports(rt):
    """A name given by userspace does not write on the reader's terminal."""

    def main():
        buf = exported(name="a\x1b[2J\n")
        buf.put()
        buf.put()

    message = "main puts a\\x1b[2J\\n, which was released"
    assert [("DF004", message)] == rt.reports(main)


def test_dma_buf_hooks_of_the_base_class_are_none():
    """A class that lacks a hook leaves it None, as a kernel table does."""
    hooks = [name for name in vars(DmaBufOps) if not name.startswith("_")]

    assert 12 == len(hooks)
    assert {None} == {getattr(DmaBufOps(), name) for name in hooks}
