"""Storage that moves, and an importer that follows."""

import errno

import pytest

from dmabuf.core.dma_buf_ops import AttachOps
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import PAGE_SIZE, Device, Direction
from dmabuf.core.resv import Usage
from dmabuf.core.timeline import Timeline
from dmabuf.drivers.exporter import MigratingExporter
from dmabuf.drivers.importer import Follower

WAY = Direction.TO_DEVICE


def placed():
    """A buffer that is somewhere."""
    frame = MigratingExporter("frame")
    with frame.buf.resv:
        frame.validate()
    return frame


def follower(frame):
    """A device that maps anew after each move."""
    return Follower(frame.buf, Device("gpu"), WAY)


def test_move_leaves_a_kernel_fence(rt):
    """Everybody has to wait for it; it is done when the copy is."""

    def main():
        frame = placed()
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
        frame, fence = placed(), Timeline("gpu").fence()
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
        frame = placed()
        ops = None if kept_by == "static importer" else AttachOps()
        attachment = frame.buf.attach(Device("display"), ops)
        with frame.buf.resv as resv:
            attachment.pin() if kept_by == "pin" else attachment.map(WAY)
            with pytest.raises(OSError, match=r"is pinned|is mapped by") as caught:
                frame.move()
            return caught.value.errno, frame.storage.moves, resv.test_signaled(Usage.KERNEL)

    assert (errno.EBUSY, 0, True) == rt.run(main)


def test_move_goes_round(rt):
    """From the best kind of memory to the next and back, but not to where it is still mapped."""

    def main():
        frame = placed()
        gpu, seen = follower(frame), []
        for _ in range(3):
            with frame.buf.resv:
                seen.append(gpu.mapping().segments[0].address)
                copy = frame.move()
            copy()
        return seen

    assert [0x8000_0000, 0x1000_0000, 0x8000_1000] == rt.run(main)


def test_follower_keeps_its_mapping_while_nothing_moves(rt):
    """Mapping costs time."""

    def main():
        gpu = follower(placed())
        with gpu.attachment.buf.resv:
            return gpu.mapping() is gpu.mapping()

    assert rt.run(main) is True


def test_follower_gives_earlier_mappings_back_later(rt):
    """Jobs submitted before the move still go through them."""

    def main():
        frame = placed()
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
        gpu.close()
        return counts, frame.buf.attachments

    assert ([2, 1], {}) == rt.run(main)


def test_follower_that_never_mapped_closes(rt):
    """There is nothing to give back."""

    def main():
        gpu = follower(placed())
        gpu.close()
        return gpu.attachment.buf.attachments

    assert {} == rt.run(main)


def test_move_of_what_is_nowhere(rt):
    """There is nothing to copy, and nobody has to wait."""

    def main():
        frame = MigratingExporter("frame")
        with frame.buf.resv as resv:
            copy = frame.move()
            done = resv.test_signaled(Usage.KERNEL)
        copy()
        return done, frame.storage.place

    assert (True, None) == rt.run(main)


def test_move_gives_the_old_memory_back_when_it_is_done(rt):
    """Until the copy both places are taken."""

    def main():
        frame = placed()
        free = [frame.storage.place.kind.free_pages]
        vram = frame.storage.place.kind
        with frame.buf.resv:
            copy = frame.move()
        free.append(vram.free_pages)
        copy()
        free.append(vram.free_pages)
        return free

    assert [1, 1, 2] == rt.run(main)


def test_move_to_where_there_is_no_room(rt):
    """ENOMEM, mappings stay valid, and the buffer is where it was."""

    def main():
        kinds = [MemoryKind("vram", PAGE_SIZE), MemoryKind("system", PAGE_SIZE)]
        frame, other = (MigratingExporter(name, PAGE_SIZE, kinds) for name in "ab")
        with frame.buf.resv:
            frame.validate()
        with other.buf.resv:
            other.validate()
        gpu = follower(frame)
        with frame.buf.resv as resv:
            table = gpu.mapping()
            with pytest.raises(OSError, match="no 1 pages") as caught:
                frame.move()
            return caught.value.errno, gpu.mapping() is table, resv.test_signaled(Usage.KERNEL)

    assert (errno.ENOMEM, True, True) == rt.run(main)
