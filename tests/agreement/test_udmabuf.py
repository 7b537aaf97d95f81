"""Rows of section 7: buffers made of memfds."""

import fcntl
from errno import EBADFD, EBUSY, EINVAL

import pytest

from dmabuf.abi.dma_buf import DMA_BUF_SYNC_END
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, RW

MEBI = 1 << 20
SHRINK, WRITE_SEAL = fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_WRITE
FUTURE_WRITE = 0x10  # F_SEAL_FUTURE_WRITE, which fcntl of 3.11 has not


@row("A7.01")
@pytest.mark.parametrize(("offset", "size"), [(1, PAGE), (0, 1), (0, PAGE + 1), (PAGE - 1, PAGE)])
def test_unaligned(system, offset, size):
    """Whole pages from a whole page on."""
    assert EINVAL == errno_of(system.udmabuf_create, system.memfd(4 * PAGE), offset, size)


@row("A7.02")
def test_size_0(system):
    """There is no empty buffer."""
    assert EINVAL == errno_of(system.udmabuf_create, system.memfd(PAGE), 0, 0)


@row("A7.03")
def test_empty_list(system):
    """Nor one of no items."""
    assert EINVAL == errno_of(system.udmabuf_create_list, [])


@row("A7.04")
def test_memfd_not_open(system):
    """A number that is not open is EBADFD."""
    assert EBADFD == errno_of(system.udmabuf_create, 1000, 0, PAGE)


@row("A7.05")
def test_no_memfd(system):
    """So is a buffer, or an eventfd."""
    others = [system.heap_alloc(PAGE), system.eventfd()]

    assert [EBADFD] * 2 == [errno_of(system.udmabuf_create, one, 0, PAGE) for one in others]


@row("A7.06")
def test_sealing_not_allowed(system):
    """A memfd of the ordinary kind."""
    assert EINVAL == errno_of(system.udmabuf_create, system.memfd(PAGE, sealing=False), 0, PAGE)


@row("A7.07")
def test_may_shrink(system):
    """Pages could go away below the buffer."""
    assert EINVAL == errno_of(system.udmabuf_create, system.memfd(PAGE, 0), 0, PAGE)


@row("A7.08")
@pytest.mark.parametrize("seal", [WRITE_SEAL, FUTURE_WRITE])
def test_sealed_against_writing(system, seal):
    """A buffer is always writable."""
    memfd = system.memfd(PAGE, SHRINK | seal)

    assert EINVAL == errno_of(system.udmabuf_create, memfd, 0, PAGE)


@row("A7.09")
@pytest.mark.parametrize(("offset", "size"), [(0, 3 * PAGE), (PAGE, 2 * PAGE), (8 * PAGE, PAGE)])
def test_past_the_end(system, offset, size):
    """The memfd has two pages."""
    assert EINVAL == errno_of(system.udmabuf_create, system.memfd(2 * PAGE), offset, size)


@row("A7.10")
def test_size_limit(system):
    """64 MiB are fine, a page more is not."""
    memfd = system.memfd(65 * MEBI)

    fine = errno_of(system.udmabuf_create, memfd, 0, 64 * MEBI)
    more = errno_of(system.udmabuf_create, memfd, 0, 64 * MEBI + PAGE)

    assert (0, EINVAL) == (fine, more)


@row("A7.11")
def test_list_limit(system):
    """1024 items are fine, one more is not."""
    memfd = system.memfd(PAGE)

    found = [
        errno_of(system.udmabuf_create_list, [(memfd, 0, PAGE)] * count) for count in (1024, 1025)
    ]

    assert [0, EINVAL] == found


@row("A7.12")
@pytest.mark.parametrize("flags", [0, 1, 2, 1 << 31])
def test_flags_are_not_checked(system, flags):
    """Unknown ones are ignored."""
    assert PAGE == system.size(system.udmabuf_create(system.memfd(PAGE), 0, PAGE, flags))


@row("A7.13")
def test_memory_is_shared(system):
    """What either side writes, the other reads."""
    memfd = system.memfd(3 * PAGE)
    system.memfd_bytes(memfd, 2 * PAGE, b"before")
    buf = system.udmabuf_create(memfd, PAGE, 2 * PAGE)

    before = system.bytes_of(buf, PAGE, 6)
    system.bytes_of(buf, 0, b"buffer")
    system.memfd_bytes(memfd, PAGE + 100, b"memfd")

    assert (b"before", b"buffer", b"memfd") == (
        before,
        system.memfd_bytes(memfd, PAGE, 6),
        system.bytes_of(buf, 100, 5),
    )


@row("A7.14")
def test_list_order(system):
    """Two memfds, turned round, and one page twice."""
    one, two = system.memfd(2 * PAGE), system.memfd(PAGE)
    system.memfd_bytes(one, 0, b"1a")
    system.memfd_bytes(one, PAGE, b"1b")
    system.memfd_bytes(two, 0, b"2a")

    ranges = [(two, 0, PAGE), (one, PAGE, PAGE), (one, 0, 2 * PAGE)]
    buf = system.udmabuf_create_list(ranges)
    found = [system.bytes_of(buf, page * PAGE, 2) for page in range(4)]
    system.bytes_of(buf, PAGE, b"xx")

    assert ([b"2a", b"1b", b"1a", b"1b"], b"xx") == (found, system.bytes_of(buf, 3 * PAGE, 2))


@row("A7.15")
def test_order_of_checks(system):
    """A bad size anywhere is told before a bad descriptor."""
    good = system.memfd(PAGE)

    found = [
        errno_of(system.udmabuf_create_list, [(1000, 0, PAGE), (good, 1, PAGE)]),
        errno_of(system.udmabuf_create_list, [(good, 0, PAGE), (1000, 0, PAGE)]),
    ]

    assert [EINVAL, EBADFD] == found


@row("A7.16")
def test_seal_afterwards(system):
    """The buffer's pages are pinned for writing."""
    memfd = system.memfd(PAGE)

    system.udmabuf_create(memfd, 0, PAGE)

    assert EBUSY == errno_of(system.add_seals, memfd, WRITE_SEAL)


@row("A7.17")
def test_end_before_start(system):
    """This exporter keeps count of the first."""
    buf = system.udmabuf_create(system.memfd(PAGE), 0, PAGE)

    before = errno_of(system.sync, buf, DMA_BUF_SYNC_END | RW)
    system.sync(buf, RW)
    after = errno_of(system.sync, buf, DMA_BUF_SYNC_END | RW)

    assert (EINVAL, 0) == (before, after)
