"""Storage that moves, and an importer that follows."""

import errno

import pytest

from dmabuf.core.dma_buf_ops import AttachOps
from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.resv import Usage
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.movable import Follower, Movable

WAY = Direction.TO_DEVICE


def follower(frame):
    """A device that maps anew after each move."""
    return Follower(frame.buf, Device("gpu"), WAY)


def test_move_leaves_a_kernel_fence(rt):
    """Everybody has to wait for it; it is done when the copy is."""

    def main():
        frame = Movable("frame")
        with frame.buf.resv:
            copy = frame.move()
        before = frame.buf.resv.test_signaled(Usage.KERNEL)
        copy()
        return before, frame.buf.resv.test_signaled(Usage.KERNEL)

    assert (False, True) == rt.run(main)


@pytest.mark.parametrize("usage", Usage)
def test_move_waits_for_all_users(rt, usage):
    """Those for bookkeeping too: they keep the memory in place."""

    def main():
        frame, fence = Movable("frame"), Timeline("gpu").fence()
        with frame.buf.resv as resv:
            resv.reserve_fences(1)
            resv.add_fence(fence, usage)
            copy = frame.move()
        rt.spawn(copy, name="copy")
        rt.settle()
        waiting = rt.waiting()
        fence.signal()
        return waiting

    assert {"copy": "fence.wait"} == rt.run(main)


@pytest.mark.parametrize("kept_by", ["pin", "static importer", "importer that cannot be told"])
def test_move_of_what_has_to_stay(rt, kept_by):
    """EBUSY, and nothing has changed."""

    def main():
        frame = Movable("frame")
        ops = None if kept_by == "static importer" else AttachOps()
        attachment = frame.buf.attach(Device("display"), ops)
        with frame.buf.resv as resv:
            attachment.pin() if kept_by == "pin" else attachment.map(WAY)
            with pytest.raises(OSError, match="cannot move") as caught:
                frame.move()
            return caught.value.errno, frame.at, resv.test_signaled(Usage.KERNEL)

    assert (errno.EBUSY, 0, True) == rt.run(main)


def test_move_goes_round(rt):
    """After the last place comes the first, and mappings say where."""

    def main():
        frame = Movable("frame", places=(0x1000, 0x5000))
        gpu, seen = follower(frame), []
        for _ in range(3):
            with frame.buf.resv:
                seen.append(gpu.mapping().segments[0].address)
                copy = frame.move()
            copy()
        return seen

    assert [0x1000, 0x5000, 0x1000] == rt.run(main)


def test_follower_keeps_its_mapping_while_nothing_moves(rt):
    """Mapping costs time."""

    def main():
        gpu = follower(Movable("frame"))
        with gpu.attachment.buf.resv:
            return gpu.mapping() is gpu.mapping()

    assert rt.run(main) is True


def test_follower_gives_earlier_mappings_back_later(rt):
    """Jobs submitted before the move still go through them."""

    def main():
        frame = Movable("frame")
        gpu, counts = follower(frame), []
        with frame.buf.resv:
            gpu.mapping()
            copy = frame.move()
            gpu.mapping()
            counts.append(len(gpu.attachment.tables))
        copy()
        with frame.buf.resv:
            gpu.retire()
        counts.append(len(gpu.attachment.tables))
        gpu.detach()
        return counts, frame.buf.attachments

    assert ([2, 1], {}) == rt.run(main)


def test_follower_that_never_mapped_detaches(rt):
    """There is nothing to give back."""

    def main():
        gpu = follower(Movable("frame"))
        gpu.detach()
        return gpu.attachment.buf.attachments

    assert {} == rt.run(main)
