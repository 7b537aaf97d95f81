"""A camera's queue: a static importer that holds mappings for long and knows no fences."""

import errno
from types import SimpleNamespace

import pytest

from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import PAGE_SIZE, Access, Device
from dmabuf.drivers.carveout import Carveout
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.v4l2 import VideoQueue

CAMERA = Device("camera")


def buffers(count):
    """So many plain buffers."""
    return [Carveout(f"b{n}", base=0x8000_0000 + n * PAGE_SIZE).buf for n in range(count)]


def test_queue_fills_buffers_in_order(rt):
    """First queued, first filled, first dequeued."""

    def main():
        queue = VideoQueue(CAMERA)
        for index, buf in enumerate(buffers(3)):
            queue.qbuf(2 - index, buf)
        rt.spawn(lambda: [queue.capture() for _ in range(3)], name="camera")
        rt.settle()
        before = rt.waiting()
        queue.streamon()
        frames = [queue.dqbuf() for _ in range(3)]
        queue.streamoff()
        return before, frames

    assert ({"camera": "completion.wait"}, [2, 1, 0]) == rt.run(main)


def test_queue_holds_its_mapping_and_puts_no_fence(rt):
    """From the first use of a slot to its last, dequeued or not."""

    def main():
        queue, [buf] = VideoQueue(CAMERA), buffers(1)
        held = []

        def look():
            [attachment] = buf.attachments or [None]
            held.append(len(attachment.tables) if attachment else None)

        for _ in range(2):
            queue.qbuf(0, buf)
            queue.streamon()
            queue.capture()
            queue.dqbuf()
            queue.streamoff()
            look()
        queue.reqbufs_none()
        look()
        return held, buf.file.count, buf.resv.fences, buf.export_sync_file(Access.WRITE).poll()

    assert ([1, 1, None], 1, None, True) == rt.run(main)


def test_queue_slot_with_another_buffer(rt):
    """The one before is unmapped, detached and put."""

    def main():
        queue, [one, other] = VideoQueue(CAMERA), buffers(2)
        for buf in (one, other):
            queue.qbuf(0, buf)
            queue.streamon()
            queue.capture()
            queue.dqbuf()
            queue.streamoff()
        return [(len(buf.attachments), buf.file.count) for buf in (one, other)]

    assert [(0, 1), (1, 2)] == rt.run(main)


def test_queue_keeps_storage_where_it_is(rt):
    """A mapping that cannot be made anew: eviction is EBUSY until the queue lets go."""

    def main():
        kinds = [MemoryKind(name, 4 * PAGE_SIZE) for name in ("one", "other")]
        frame, queue = MigratingExporter("frame", PAGE_SIZE, kinds), VideoQueue(CAMERA)
        queue.qbuf(0, frame.buf)
        with pytest.raises(OSError, match="pinned") as caught:
            frame.evict()
        queue.reqbufs_none()
        frame.evict()
        return caught.value.errno, frame.storage.place.kind.name

    assert (errno.EBUSY, "other") == rt.run(main)


@pytest.mark.parametrize("case", ["too small", "queued", "being filled", "cannot map"])
def test_queue_refuses_a_buffer(rt, case):
    """EINVAL, or what mapping answers; no reference and no attachment is left."""

    def main():
        device = Device("camera", dma_bits=16) if case == "cannot map" else CAMERA
        queue, [buf] = VideoQueue(device, frame_size=4096), buffers(1)
        if case == "too small":
            queue.frame_size = 4097
        if case == "queued":
            queue.qbuf(0, buf)
        if case == "being filled":
            queue.active = 0
        with pytest.raises(OSError, match=r".") as caught:
            queue.qbuf(0, buf)
        left = case == "queued"
        return caught.value.errno, len(buf.attachments) - left, buf.file.count - left

    code = errno.EIO if case == "cannot map" else errno.EINVAL
    assert (code, 0, 1) == rt.run(main)


def test_queue_streamoff_takes_buffers_back(rt):
    """What was queued or filled is neither; a frame under way is waited for."""

    def main():
        queue, bufs = VideoQueue(CAMERA), buffers(2)
        for index, buf in enumerate(bufs):
            queue.qbuf(index, buf)
        queue.streamon()
        queue.capture()
        queue.active = 1
        rt.spawn(queue.streamoff, name="off")
        rt.settle()
        waiting = list(rt.waiting())
        queue.active = None
        queue.idle.wake_up_all()
        rt.settle()
        for index, buf in enumerate(bufs):
            queue.qbuf(index, buf)
        return waiting, list(queue.queued), list(queue.filled), queue.capture()

    assert (["off"], [0, 1], [], False) == rt.run(main)


def test_queue_frame_under_way_at_streamoff_is_nobodys(rt):
    """It is neither filled nor done."""

    def main():
        queue, [buf] = VideoQueue(CAMERA), buffers(1)
        queue.qbuf(0, buf)
        queue.streamon()
        slot = queue.slots[0]
        plainly = slot.attachment.device_access

        def ends(table, *, write):
            queue.is_streaming = False
            return plainly(table, write=write)

        slot.attachment = SimpleNamespace(device_access=ends)
        return queue.capture(), queue.done.done, list(queue.filled), queue.active

    assert (False, 0, [], None) == rt.run(main)


def test_queue_reqbufs_while_streaming(rt):
    """EBUSY."""

    def main():
        queue = VideoQueue(CAMERA)
        queue.streamon()
        with pytest.raises(OSError, match="streaming") as caught:
            queue.reqbufs_none()
        return caught.value.errno

    assert errno.EBUSY == rt.run(main)
