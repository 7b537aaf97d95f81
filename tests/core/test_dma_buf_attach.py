"""struct dma_buf_attachment: attaching, mapping, pinning, invalidating."""

import errno

import pytest

from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.resv import Usage
from dmabuf.errors import Interrupted
from tests.core.drivers import no_memory, pending
from tests.core.exporters import Exporter, Importer, add, exported, fails, nothing, table_of
from tests.facts import fact

GPU = Device("gpu")
WAY = Direction.TO_DEVICE


def pinning(**hooks):
    """An exporter that can be pinned."""
    return Exporter(**{"pin": nothing, "unpin": nothing, **hooks})


def test_attachment_is_what_was_attached(rt):
    """Device, buffer and the importer's own."""

    def main():
        buf = exported()
        static, dynamic = buf.attach(GPU), buf.attach(GPU, Importer(), "mine")
        known = [(one.dev is GPU, one.buf is buf, one.is_dynamic) for one in (static, dynamic)]
        return known, dynamic.importer_priv, dynamic.peer2peer, list(buf.attachments)

    known, priv, peer2peer, attachments = rt.run(main)
    assert [(True, True, False), (True, True, True)] == known
    assert ("mine", False) == (priv, peer2peer)
    assert [False, True] == [one.is_dynamic for one in attachments]


@fact("F6.20")
def test_attachment_maps_when_asked(rt):
    """Neither attaching nor a second mapping saves a call."""

    def main():
        ops = Exporter()
        attachment = exported(ops).attach(GPU)
        before = list(ops.names)
        tables = [attachment.map_unlocked(WAY) for _ in range(2)]
        for table in tables:
            attachment.unmap_unlocked(table)
        return before, tables[0] is tables[1], ops.names, attachment.tables

    calls = ["map_dma_buf", "map_dma_buf", "unmap_dma_buf", "unmap_dma_buf"]
    assert ([], False, calls, []) == rt.run(main)


@fact("F6.21")
@pytest.mark.parametrize("code", [errno.EBUSY, errno.EOPNOTSUPP])
def test_attachment_refused_by_the_exporter(rt, code):
    """The exporter's errno, no attachment, and detach is not called."""

    def main():
        ops = Exporter(attach=fails(code), detach=nothing)
        buf = exported(ops)
        with pytest.raises(OSError, match="says no") as caught:
            buf.attach(GPU)
        return caught.value.errno, list(buf.attachments), ops.names

    assert (code, [], ["attach"]) == rt.run(main)


def test_attachment_without_memory(rt):
    """ENOMEM before the exporter is asked."""

    def main():
        ops = Exporter(attach=nothing)
        buf = exported(ops)
        no_memory(rt)
        with pytest.raises(OSError, match="attachment") as caught:
            buf.attach(GPU)
        return caught.value.errno, ops.calls

    assert (errno.ENOMEM, []) == rt.run(main)


@fact("F6.22")
@pytest.mark.parametrize("usage", Usage)
def test_attachment_static_waits_for_kernel_fences(rt, usage):
    """A buffer being moved is not used before it has arrived; who writes it does not matter."""

    def main():
        fence, buf = pending(), exported()
        add(buf, fence, usage)
        rt.spawn(lambda: buf.attach(GPU).map_unlocked(WAY), name="v4l2")
        rt.settle()
        waiting = rt.waiting()
        fence.signal()
        return waiting

    expected = {"v4l2": "fence.wait"} if usage is Usage.KERNEL else {}
    assert expected == rt.run(main)


@fact("F6.23")
def test_attachment_static_wait_interrupted(rt):
    """What the exporter mapped is unmapped and unpinned, and the lock is free."""

    def main():
        fence, ops = pending(), pinning()
        buf = exported(ops)
        attachment = buf.attach(GPU)
        add(buf, fence, Usage.KERNEL)
        rt.interrupt(rt.current())
        with pytest.raises(Interrupted):
            attachment.map_unlocked(WAY)
        return ops.names, attachment.tables, buf.resv.trylock()

    assert (["pin", "map_dma_buf", "unmap_dma_buf", "unpin"], [], True) == rt.run(main)


@fact("F6.24")
def test_attachment_dynamic_does_not_wait(rt):
    """It waits itself, or lets its job depend on the fences."""

    def main():
        buf = exported()
        attachment = buf.attach(GPU, Importer())
        add(buf, pending(), Usage.KERNEL)
        return attachment.map_unlocked(WAY).direction

    assert WAY == rt.run(main)


@fact("F6.25")
@pytest.mark.parametrize("importer", [None, Importer], ids=["static", "dynamic"])
def test_attachment_pins_around_static_mappings(rt, importer):
    """A static importer's mapping cannot be made anew; a dynamic one's can."""

    def main():
        ops = pinning()
        attachment = exported(ops).attach(GPU, importer and importer())
        attachment.unmap_unlocked(attachment.map_unlocked(WAY))
        return ops.names, attachment.pins

    mapped = ["map_dma_buf", "unmap_dma_buf"]
    expected = mapped if importer else ["pin", *mapped, "unpin"]
    assert (expected, 0) == rt.run(main)


@fact("F6.26")
@pytest.mark.parametrize(
    ("hooks", "code", "calls"),
    [
        pytest.param({"pin": fails(errno.EBUSY)}, errno.EBUSY, ["pin"], id="pin fails"),
        pytest.param(
            {"map_dma_buf": fails(errno.EIO)},
            errno.EIO,
            ["pin", "map_dma_buf", "unpin"],
            id="fails",
        ),
        pytest.param(
            {"map_dma_buf": nothing}, errno.ENOMEM, ["pin", "map_dma_buf", "unpin"], id="nothing"
        ),
    ],
)
def test_attachment_map_fails(rt, hooks, code, calls):
    """The storage may move again, and no mapping is left."""

    def main():
        ops = pinning(**hooks)
        attachment = exported(ops).attach(GPU)
        with pytest.raises(OSError, match=r".") as caught:
            attachment.map_unlocked(WAY)
        return caught.value.errno, ops.names, attachment.tables

    assert (code, calls, []) == rt.run(main)


def test_attachment_pins_by_count(rt):
    """Each pin is the exporter's, and so is each unpin."""

    def main():
        ops = pinning()
        attachment = exported(ops).attach(GPU, Importer())
        with attachment.buf.resv:
            attachment.pin()
            attachment.pin()
            attachment.unpin()
        return ops.names, attachment.pins

    assert (["pin", "pin", "unpin"], 1) == rt.run(main)


def test_attachment_pin_of_an_exporter_that_never_moves(rt):
    """There is nothing to call, and nothing fails."""

    def main():
        ops = Exporter()
        attachment = exported(ops).attach(GPU, Importer())
        with attachment.buf.resv:
            attachment.pin()
            attachment.unpin()
        return ops.names, attachment.pins

    assert ([], 0) == rt.run(main)


@pytest.mark.parametrize("call", ["unpin", "unmap", "unmap other", "unmap twice"])
def test_attachment_undoing_what_was_not_done(rt, call):
    """Every unpin has its pin, every unmap its own table."""

    def main():
        attachment = exported(pinning()).attach(GPU, Importer())
        with attachment.buf.resv:
            table = attachment.map(WAY)
            calls = {
                "unpin": attachment.unpin,
                "unmap": lambda: attachment.unmap(table_of(attachment)),
                "unmap other": lambda: other(attachment).unmap(table),
                "unmap twice": lambda: (attachment.unmap(table), attachment.unmap(table)),
            }
            calls[call]()

    def other(attachment):
        buf = attachment.buf
        buf.resv.unlock()
        made = buf.attach(GPU, Importer())
        buf.resv.lock()
        return made

    what = "unpins" if call == "unpin" else "unmaps"
    why = "which it has not pinned" if call == "unpin" else "which it has not mapped so"
    assert ("DF004", f"main for gpu {what} frame, {why}") == rt.reports(main)[0]


@fact("F6.27")
@pytest.mark.parametrize("call", ["pin", "unpin"])
def test_attachment_static_pin_warns(rt, call):
    """A static importer's mappings are pinned already."""

    def main():
        attachment = exported(pinning()).attach(GPU)
        with attachment.buf.resv:
            attachment.pins = 1
            getattr(attachment, call)()
            attachment.pins = 0

    message = f"main {call}s frame through a static attachment"
    assert [("DF004", message)] == rt.reports(main)


@fact("F6.28")
def test_attachment_invalidated(rt):
    """Dynamic importers are told with the lock held, the one that came last first."""

    def main():
        told, buf = [], exported()
        for name in ("one", "two", "three"):
            buf.attach(Device(name), Importer(told))
        buf.attach(Device("static"))
        deaf = Importer(told)
        deaf.invalidate_mappings = None
        buf.attach(Device("deaf"), deaf)
        with buf.resv:
            buf.invalidate_mappings()
        return told

    assert [("three", True), ("two", True), ("one", True)] == rt.run(main)


@fact("F6.29")
def test_attachment_detached(rt):
    """The exporter's hook finds it off the list."""

    def main():
        seen = []
        ops = Exporter(
            detach=lambda buf, one: seen.append((one is attachment, list(buf.attachments)))
        )
        attachment = exported(ops).attach(GPU)
        attachment.detach()
        return seen

    assert [(True, [])] == rt.run(main)


@pytest.mark.parametrize(
    ("left", "words"),
    [("table", "1 mappings"), ("pin", "1 pins"), ("both", "1 mappings and 1 pins")],
)
def test_attachment_detached_with_something_left(rt, left, words):
    """A device must not use a table of an attachment that is gone."""

    def main():
        attachment = exported(pinning()).attach(GPU, Importer())
        with attachment.buf.resv:
            if left != "pin":
                attachment.map(WAY)
            if left != "table":
                attachment.pin()
        attachment.detach()

    message = f"main detaches gpu from frame, which it has {words} of"
    assert [("DF004", message)] == rt.reports(main)


@pytest.mark.parametrize("call", ["map_unlocked", "detach"])
def test_attachment_used_after_detach(rt, call):
    """It is gone."""

    def main():
        attachment = exported().attach(GPU)
        attachment.detach()
        attachment.map_unlocked(WAY) if call == "map_unlocked" else attachment.detach()

    message = "main for gpu uses its attachment to frame, from which it was detached"
    assert [("DF004", message)] == rt.reports(main)
