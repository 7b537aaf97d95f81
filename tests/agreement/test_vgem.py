"""Rows of section 10: fences that userspace signals, on buffers without hardware."""

import os
import select
from errno import EBUSY, EINVAL, ENOENT, ETIMEDOUT

import pytest

from dmabuf.abi.vgem_drm import VGEM_FENCE_WRITE
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, RW, buffer, fence, is_signaled

WRITE_FENCE = VGEM_FENCE_WRITE
EXPIRY_MS = 10_000


def _dumb(system):
    drm = system.vgem()
    return drm, system.dumb_create(drm, 8, 8)[0]


@row("A10.01")
@pytest.mark.parametrize(("flags", "pad"), [(2, 0), (3, 0), (0, 1), (1 << 31, 0)])
def test_attach_refuses_flags_and_pad(system, flags, pad):
    """WRITE or nothing."""
    drm, handle = _dumb(system)

    assert EINVAL == errno_of(system.vgem_attach, drm, handle, flags, pad)


@row("A10.02")
@pytest.mark.parametrize("handle", [0, 99])
def test_attach_to_an_unknown_handle(system, handle):
    """ENOENT."""
    assert ENOENT == errno_of(system.vgem_attach, system.vgem(), handle)


@row("A10.03")
def test_numbers(system):
    """They count from 1, and a free one is not given at once again."""
    drm, handle = _dumb(system)

    assert [1, 2, 3] == [system.vgem_attach(drm, handle) for _ in range(3)]


@row("A10.04")
@pytest.mark.parametrize("flags", [0, WRITE_FENCE])
def test_attach_over_a_write_fence(system, flags):
    """Everybody waits for a writer."""
    drm, handle = _dumb(system)

    system.vgem_attach(drm, handle, WRITE_FENCE)

    assert EBUSY == errno_of(system.vgem_attach, drm, handle, flags)


@row("A10.05")
def test_attach_over_a_read_fence(system):
    """Readers do not wait for readers, writers do."""
    drm, handle = _dumb(system)

    system.vgem_attach(drm, handle)
    read = errno_of(system.vgem_attach, drm, handle)
    write = errno_of(system.vgem_attach, drm, handle, WRITE_FENCE)

    assert (0, EBUSY) == (read, write)


@row("A10.06")
def test_signal_refuses(system):
    """Flags, numbers never given, and a second time."""
    drm, handle = _dumb(system)
    number = system.vgem_attach(drm, handle)

    flags = errno_of(system.vgem_signal, drm, number, 1)
    unknown = [errno_of(system.vgem_signal, drm, one) for one in (0, 99)]
    first = errno_of(system.vgem_signal, drm, number)
    second = errno_of(system.vgem_signal, drm, number)

    assert (EINVAL, [ENOENT, ENOENT], 0, ENOENT) == (flags, unknown, first, second)


@row("A10.07")
def test_signalled_is_out_of_the_way(system):
    """The next writer may come."""
    drm, handle = _dumb(system)

    for _ in range(3):
        system.vgem_signal(drm, system.vgem_attach(drm, handle, WRITE_FENCE))


@pytest.mark.slow
@row("A10.08", "A10.09")
def test_expiry(system):
    """After ten seconds it has signalled without error; SIGNAL says so, once."""
    drm, handle = _dumb(system)
    number = system.vgem_attach(drm, handle, WRITE_FENCE)
    file = system.export_sync_file(system.prime_export(drm, handle), RW)

    early = system.poll(file, select.POLLIN, EXPIRY_MS // 2)
    late = system.poll(file, select.POLLIN, EXPIRY_MS)
    status = system.file_info(file).status
    first, second = (errno_of(system.vgem_signal, drm, number) for _ in range(2))

    assert (0, select.POLLIN, 1) == (early, late, status)
    assert (ETIMEDOUT, ENOENT) == (first, second)


@row("A10.10")
def test_close_signals(system):
    """Nobody waits for who has gone."""
    drm, handle = _dumb(system)
    system.vgem_attach(drm, handle, WRITE_FENCE)
    file = system.export_sync_file(system.prime_export(drm, handle), RW)

    before = is_signaled(system, file)
    system.close(drm)

    assert (False, True, 1) == (before, is_signaled(system, file), system.file_info(file).status)


@row("A10.11")
def test_contexts_of_their_own(system):
    """Two read fences of one file are two fences for a writer."""
    drm, handle = _dumb(system)
    system.vgem_attach(drm, handle)
    system.vgem_attach(drm, handle)

    file = system.export_sync_file(system.prime_export(drm, handle), RW)

    assert 2 == system.file_info(file).num_fences


@row("A10.12")
def test_fence_on_an_imported_buffer(system):
    """Whoever has the buffer sees the fence."""
    drm, buf = system.vgem(), buffer(system)

    handle = system.prime_import(drm, buf)
    number = system.vgem_attach(drm, handle, WRITE_FENCE)
    before = system.poll(buf, select.POLLIN)
    system.vgem_signal(drm, number)

    assert (0, select.POLLIN) == (before, system.poll(buf, select.POLLIN))


@row("A10.13")
def test_import_twice(system):
    """One buffer has one handle, also one of its own."""
    drm, handle = _dumb(system)
    other = buffer(system)

    own = system.prime_import(drm, system.prime_export(drm, handle))
    foreign = [system.prime_import(drm, other) for _ in range(2)]

    assert (handle, 1) == (own, len(set(foreign)))


@row("A10.14")
def test_export_refuses(system):
    """A handle that is not there, flags that are not known."""
    drm, handle = _dumb(system)

    found = [
        errno_of(system.prime_export, drm, handle + 1),
        errno_of(system.prime_export, drm, 0),
        errno_of(system.prime_export, drm, handle, os.O_NONBLOCK),
        errno_of(system.prime_export, drm, handle, 0),
    ]

    assert [ENOENT, ENOENT, EINVAL, 0] == found


@row("A10.15")
def test_import_of_what_is_no_buffer(system):
    """A sync_file is EINVAL."""
    assert EINVAL == errno_of(system.prime_import, system.vgem(), fence(system).fd)


@row("A10.16")
def test_dumb_sizes(system):
    """Nothing is EINVAL, a pixel a page."""
    drm = system.vgem()

    found = [errno_of(system.dumb_create, drm, *size) for size in ((0, 0), (0, 1), (1, 0))]

    assert ([EINVAL] * 3, PAGE) == (found, system.dumb_create(drm, 1, 1)[1])
