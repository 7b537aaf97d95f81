"""Kinds of memory and places in them."""

import errno

import pytest

from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import PAGE_SIZE, Segment

BASE = 0x1000_0000


def kind(pages, **how):
    """Memory of so many pages."""
    return MemoryKind("vram", pages * PAGE_SIZE, **how)


def at(page, pages=1):
    """So many pages from that one on."""
    return Segment(BASE + page * PAGE_SIZE, pages * PAGE_SIZE)


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2)])
def test_place_has_whole_pages(rt, size, pages):
    """One at least."""

    def main():
        vram = kind(4)
        return vram.place(size).segments, vram.free_pages

    assert ((at(0, pages),), 4 - pages) == rt.run(main)


def test_place_of_scattered_memory_has_gaps(rt):
    """No page follows the one before."""

    def main():
        return kind(4, contiguous=False).place(3 * PAGE_SIZE).segments

    assert (at(0), at(2), at(4)) == rt.run(main)


def test_place_is_given_back_with_its_last_user(rt):
    """The buffer and each mapping are one."""

    def main():
        vram = kind(2)
        place = vram.place(2 * PAGE_SIZE)
        place.use()
        free = [vram.free_pages]
        for _ in range(2):
            place.drop()
            free.append(vram.free_pages)
        return free, vram.place(2 * PAGE_SIZE).segments == place.segments

    assert ([0, 0, 2], True) == rt.run(main)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)])
def test_place_free_memory_joins(rt, order):
    """Pages given back in any order are one run again."""

    def main():
        vram = kind(4)
        places = [vram.place(PAGE_SIZE) for _ in range(4)]
        for index in order:
            places[index].drop()
        return vram.runs

    assert [(0, 4)] == rt.run(main)


@pytest.mark.parametrize("contiguous", [True, False])
def test_place_between_others(rt, contiguous):
    """In one piece it needs one run; scattered it takes what there is."""

    def main():
        vram = kind(5, contiguous=contiguous)
        places = [vram.place(PAGE_SIZE) for _ in range(5)]
        for index in (1, 3, 4):
            places[index].drop()
        taken = vram.place(2 * PAGE_SIZE).runs
        return taken, vram.runs

    expected = (((3, 2),), [(1, 1)]) if contiguous else (((1, 1), (3, 1)), [(4, 1)])
    assert expected == rt.run(main)


@pytest.mark.parametrize("contiguous", [True, False])
def test_place_that_is_not_there(rt, contiguous):
    """ENOMEM, and nothing was taken."""

    def main():
        vram = kind(3, contiguous=contiguous)
        middle = [vram.place(PAGE_SIZE) for _ in range(2)]
        middle[0].drop()
        with pytest.raises(OSError, match="no") as caught:
            vram.place((2 if contiguous else 3) * PAGE_SIZE)
        return caught.value.errno, vram.free_pages

    assert (errno.ENOMEM, 2) == rt.run(main)


def test_place_dropped_too_often(rt):
    """The memory may be somebody else's by now."""

    def main():
        place = kind(1).place(1)
        place.drop()
        place.drop()

    message = "main lets go of place in vram, which is free already"
    assert [("DF004", message)] == rt.reports(main)


def test_place_waits_for_unmapping(rt):
    """Until the buffer alone has it."""

    def main():
        place, order = kind(1).place(1), []
        place.use()
        place.use()
        rt.spawn(lambda: (place.wait_unmapped(), order.append("unmapped")), name="revoke")
        for _ in range(2):
            rt.settle()
            order.append(rt.waiting().get("revoke"))
            place.drop()
        rt.settle()
        return order

    assert ["place.wait", "place.wait", "unmapped"] == rt.run(main)


@pytest.mark.parametrize("size", [0, -PAGE_SIZE, 100])
def test_memory_kind_has_whole_pages(size):
    """Nothing else is memory."""
    with pytest.raises(ValueError, match="whole pages"):
        MemoryKind("vram", size)
