"""Rows of section 4: a buffer and its implicit fences."""

import select
import threading
from errno import EINVAL

import pytest

from dmabuf.abi.dma_buf import DMA_BUF_SYNC_END, DMA_BUF_SYNC_START
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, READ, RW, WRITE, buffer, fence, is_signaled, signaled

START, END = DMA_BUF_SYNC_START, DMA_BUF_SYNC_END
POLLIN, POLLOUT, POLLPRI = select.POLLIN, select.POLLOUT, select.POLLPRI
BOTH = POLLIN | POLLOUT
GLANCE_S = 0.2
PATIENCE_S = 20


@row("A4.01")
@pytest.mark.parametrize("pages", [1, 2, 300])
def test_size(system, pages):
    """A buffer is as long as it was made."""
    assert pages * PAGE == system.size(system.heap_alloc(pages * PAGE))


@row("A4.02")
@pytest.mark.parametrize("flags", [0, END, 8, 8 | READ, 1 << 63, (1 << 63) | RW, 1 << 32])
def test_sync_refuses_flags(system, flags):
    """Neither READ nor WRITE, or more than is known."""
    assert EINVAL == errno_of(system.sync, buffer(system), flags)


@row("A4.03")
@pytest.mark.parametrize("access", [READ, WRITE, RW])
def test_sync_end_without_start(system, access):
    """The core keeps no count."""
    system.sync(buffer(system), END | access)


@row("A4.04")
@pytest.mark.parametrize("access", [READ, WRITE, RW])
def test_sync_start_and_end(system, access):
    """A bracket, and one inside it."""
    buf = buffer(system)

    for step in (START, START, END, END):
        system.sync(buf, step | access)


@row("A4.05")
def test_name_length(system):
    """31 bytes fit; 32 do not, and change nothing."""
    buf = buffer(system)

    system.set_name(buf, b"x" * 31)
    refused = errno_of(system.set_name, buf, b"y" * 32)

    assert (EINVAL, b"x" * 31) == (refused, system.get_name(buf))


@row("A4.06")
def test_name_is_any_text_and_may_change(system):
    """No name, a name, an odd one, none again."""
    buf = buffer(system)

    found = [system.get_name(buf)]
    for name in (b"frame", b"a/b\n", b""):
        system.set_name(buf, name)
        found.append(system.get_name(buf))

    assert [b"", b"frame", b"a/b\n", b""] == found


@row("A4.07", "A4.08")
def test_poll_without_fences(system):
    """What of IN and OUT was asked for, and nothing else."""
    buf = buffer(system)

    found = [system.poll(buf, one) for one in (BOTH | POLLPRI, POLLIN, POLLOUT, POLLPRI, 0)]

    assert [BOTH, POLLIN, POLLOUT, 0, 0] == found


@pytest.mark.parametrize("flags", [WRITE, RW])
@row("A4.09", "A4.18")
def test_poll_with_a_write_fence(system, flags):
    """Neither reading nor writing until it signals."""
    buf, one = buffer(system), fence(system)

    system.import_sync_file(buf, one.fd, flags)
    before = system.poll(buf, BOTH)
    one.signal()

    assert (0, BOTH) == (before, system.poll(buf, BOTH, 1000))


@row("A4.10", "A4.17")
def test_poll_with_a_read_fence(system):
    """Reading goes on, writing waits until it signals."""
    buf, one = buffer(system), fence(system)

    system.import_sync_file(buf, one.fd, READ)
    before = system.poll(buf, BOTH)
    one.signal()

    assert (POLLIN, BOTH) == (before, system.poll(buf, BOTH))


@row("A4.11")
@pytest.mark.parametrize("flags", [0, END, END | RW, 8, 8 | READ, 1 << 31])
def test_export_refuses_flags(system, flags):
    """READ, WRITE or both."""
    assert EINVAL == errno_of(system.export_sync_file, buffer(system), flags)


@row("A4.12")
@pytest.mark.parametrize("flags", [READ, WRITE, RW])
def test_export_without_fences(system, flags):
    """Nothing is pending: a signalled fence."""
    info = system.file_info(system.export_sync_file(buffer(system), flags))

    assert (1, 1) == (info.status, info.num_fences)


@row("A4.13")
def test_export_chooses_by_access(system):
    """A reader waits for the writer, a writer for all."""
    buf, reader, writer = buffer(system), fence(system), fence(system)
    system.import_sync_file(buf, writer.fd, WRITE)
    system.import_sync_file(buf, reader.fd, READ)

    files = [system.export_sync_file(buf, flags) for flags in (READ, WRITE, RW)]

    assert [1, 2, 2] == [system.file_info(one).num_fences for one in files]


@row("A4.13")
def test_export_is_a_snapshot(system):
    """What comes later is not in it."""
    buf, first, later = buffer(system), fence(system), fence(system)
    system.import_sync_file(buf, first.fd, WRITE)

    file = system.export_sync_file(buf, READ)
    system.import_sync_file(buf, later.fd, WRITE)
    first.signal()

    assert (True, False) == (
        is_signaled(system, file),
        is_signaled(system, system.export_sync_file(buf, READ)),
    )


@row("A4.14")
def test_export_of_one_and_of_several(system):
    """One is itself, by its name; several are an array, by its name."""
    buf, one = buffer(system), fence(system)
    system.import_sync_file(buf, one.fd, WRITE)

    single = system.file_info(system.export_sync_file(buf, RW)).name
    system.import_sync_file(buf, fence(system).fd, READ)
    several = system.file_info(system.export_sync_file(buf, RW)).name

    assert (system.file_info(one.fd).name, b"dma_fence_array-unbound") == (single, several[:23])


@row("A4.15")
@pytest.mark.parametrize("flags", [0, END, END | RW, 8, 1 << 31])
def test_import_refuses_flags(system, flags):
    """READ, WRITE or both."""
    assert EINVAL == errno_of(system.import_sync_file, buffer(system), fence(system).fd, flags)


@row("A4.16")
def test_import_of_what_is_no_sync_file(system):
    """A buffer, no descriptor, one that is not open."""
    buf = buffer(system)

    found = [errno_of(system.import_sync_file, buf, one, READ) for one in (buf, -1, 1000)]

    assert [EINVAL] * 3 == found


@row("A4.19")
def test_import_of_a_signalled_fence(system):
    """Nobody waits for it."""
    buf = buffer(system)

    system.import_sync_file(buf, signaled(system), WRITE)

    assert BOTH == system.poll(buf, BOTH)


@row("A4.20")
def test_import_unpacks(system):
    """Two merged fences are two in the buffer: one signals, one is left."""
    buf, one, two = buffer(system), fence(system), fence(system)
    both = system.merge(one.fd, two.fd)

    system.import_sync_file(buf, both, READ)
    before = system.file_info(system.export_sync_file(buf, RW)).num_fences
    one.signal()
    after = system.file_info(system.export_sync_file(buf, RW))

    assert (2, 1, system.file_info(two.fd).name) == (before, after.num_fences, after.name)


@row("A4.21")
def test_import_twice_is_once(system):
    """The same fence for READ and then for WRITE is one fence that readers wait for."""
    buf, one = buffer(system), fence(system)

    system.import_sync_file(buf, one.fd, READ)
    before = system.poll(buf, BOTH)
    system.import_sync_file(buf, one.fd, WRITE)
    count = system.file_info(system.export_sync_file(buf, RW)).num_fences

    assert (POLLIN, 0, 1) == (before, system.poll(buf, BOTH), count)


@row("A4.22")
def test_exports_of_one_handle_are_one_buffer(system):
    """A fence and a name put in through one is seen through the other."""
    drm = system.vgem()
    handle, _ = system.dumb_create(drm, 8, 8)
    one, two = system.prime_export(drm, handle), system.prime_export(drm, handle)

    system.import_sync_file(one, fence(system).fd, WRITE)
    system.set_name(one, b"shared")

    assert (0, b"shared") == (system.poll(two, BOTH), system.get_name(two))


def _begins_at_once(system, buf, access):
    """Does SYNC START return while the fences are as they are? Also the thread that calls it."""
    caller = threading.Thread(target=system.sync, args=(buf, START | access))
    caller.start()
    caller.join(GLANCE_S)
    return not caller.is_alive(), caller


@row("A4.24")
@pytest.mark.parametrize("access", [READ, WRITE, RW])
def test_sync_waits_for_a_writer(system, access):
    """Reader and writer alike; they go on when it signals."""
    buf, one = buffer(system), fence(system)
    system.import_sync_file(buf, one.fd, WRITE)

    at_once, caller = _begins_at_once(system, buf, access)
    one.signal()
    caller.join(PATIENCE_S)

    assert (False, False) == (at_once, caller.is_alive())


@row("A4.25")
@pytest.mark.parametrize(("access", "expected"), [(READ, True), (WRITE, False), (RW, False)])
def test_sync_and_a_reader(system, access, expected):
    """Readers do not wait for each other, a writer waits for them."""
    buf, one = buffer(system), fence(system)
    system.import_sync_file(buf, one.fd, READ)

    at_once, caller = _begins_at_once(system, buf, access)
    one.signal()
    caller.join(PATIENCE_S)

    assert (expected, False) == (at_once, caller.is_alive())


@row("A4.26")
def test_sync_end_never_waits(system):
    """A fence that came during the access is nothing to its end."""
    buf, one = buffer(system), fence(system)

    system.sync(buf, START | RW)
    system.import_sync_file(buf, one.fd, WRITE)
    system.sync(buf, END | RW)

    assert not is_signaled(system, one.fd)


@row("A4.23")
def test_sync_does_not_wait_for_what_has_signalled(system):
    """A bracket begins at once."""
    buf, one = buffer(system), fence(system)
    system.import_sync_file(buf, one.fd, WRITE)

    one.signal()
    system.sync(buf, START | RW)
    system.sync(buf, END | RW)
