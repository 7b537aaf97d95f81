"""Devices, what they demand, and tables of segments."""

import errno

import pytest

from dmabuf.core.dma_map import PAGE_SIZE, Access, Device, Direction, Segment, SgTable

PAGE = PAGE_SIZE


def pages(*numbers):
    """Segments of one page each."""
    return [Segment(number * PAGE, PAGE) for number in numbers]


@pytest.mark.parametrize(
    ("limit", "numbers", "lengths"),
    [
        (0, (1, 2, 3), [3]),
        (0, (1, 3, 4), [1, 2]),
        (0, (2, 1), [1, 1]),
        (1, (1, 2, 3), [1, 1, 1]),
        (2, (1, 2, 3, 5), [2, 1, 1]),
        (0, (), []),
    ],
)
def test_device_joins_neighbours(limit, numbers, lengths):
    """As far as its segments may be long, in the order of the buffer."""
    device = Device("gpu", max_segment_size=limit * PAGE)

    joined = device.joined(pages(*numbers))

    assert lengths == [one.length // PAGE for one in joined]
    assert sum(one.length for one in joined) == PAGE * len(numbers)


@pytest.mark.parametrize(
    ("device", "numbers", "why"),
    [
        (Device("d"), (1, 3), ""),
        (Device("d", contiguous=True), (1, 2), ""),
        (Device("d", contiguous=True), (1, 3), "d needs one segment, not 2"),
        (Device("d", max_segments=2), (1, 3), ""),
        (Device("d", max_segments=2), (1, 3, 5), "d takes 2 segments, not 3"),
        (Device("d", max_segments=1, max_segment_size=PAGE), (1, 2), "d takes 1 segments, not 2"),
        (Device("d", dma_bits=14), (3,), ""),
        (Device("d", dma_bits=14), (4,), "d addresses up to 0x3fff, not 0x4fff"),
        (Device("d", reaches=["vram"]), (1,), ""),
        (Device("d", reaches=["system"]), (1,), "d does not reach vram"),
    ],
)
def test_device_refuses(device, numbers, why):
    """Each demand for itself, with its numbers."""
    assert why == device.refuses(pages(*numbers), "vram")


def test_device_maps_what_it_can_use():
    """A table of joined segments; else EIO."""
    device = Device("d", max_segments=1)

    table = device.map(pages(1, 2), Direction.TO_DEVICE)

    assert (Segment(PAGE, 2 * PAGE),) == table.segments
    assert (2 * PAGE, Direction.TO_DEVICE, None) == (table.size, table.direction, table.priv)
    with pytest.raises(OSError, match="1 segments, not 2") as caught:
        device.map(pages(1, 3), Direction.TO_DEVICE)
    assert errno.EIO == caught.value.errno


@pytest.mark.parametrize(
    "demand",
    [{"dma_bits": 0}, {"dma_bits": 65}, {"max_segments": -1}, {"max_segment_size": 100}],
)
def test_device_of_no_kind(demand):
    """Numbers that no device has."""
    with pytest.raises(ValueError, match="a"):
        Device("d", **demand)


@pytest.mark.parametrize(
    ("access", "direction", "writes"),
    [
        (Access.READ, Direction.FROM_DEVICE, False),
        (Access.WRITE, Direction.TO_DEVICE, True),
        (Access.READ | Access.WRITE, Direction.BIDIRECTIONAL, True),
    ],
)
def test_access_has_a_direction(access, direction, writes):
    """The CPU reads what devices wrote, and writes what devices read."""
    assert direction is access.direction
    assert writes is direction.is_cpu_write


def test_sg_table_shows_its_addresses():
    """As a reader of hexadecimal wants them."""
    assert "<SgTable BIDIRECTIONAL 0x1000+0x1000>" == repr(SgTable(pages(1)))
