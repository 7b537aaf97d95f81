"""Rows of section 4 that the file layer decides: the real kernel only, open for `files/`."""

import errno
import fcntl
import mmap
import os
import resource
import select
import struct
from contextlib import contextmanager
from pathlib import Path

import pytest

from dmabuf.abi import dma_buf as abi
from dmabuf.abi.magic import DMA_BUF_MAGIC
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, READ, RW, WRITE, buffer, fence
from tests.support import open_descriptors

SEEK_DATA, SEEK_HOLE = 3, 4
BAD_ADDRESS = 1
UNKNOWN = 0x40086263  # magic "b", number 99
BUFFER_PAGES = 4


@contextmanager
def no_free_descriptor():
    """As many descriptors as are open, and no more."""
    used = [int(one.name) for one in Path("/proc/self/fd").iterdir()]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fillers = []
    while True:  # holes below the highest one count as free
        new = os.dup(0)
        fillers.append(new)
        if new > max(used):
            break
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(used) + 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in fillers:
            os.close(one)


@row("A4.40")
def test_seek_for_the_size(system):
    """The end is the size, the start is 0."""
    fd = system.heap_alloc(3 * PAGE)

    found = [os.lseek(fd, 0, os.SEEK_END), os.lseek(fd, 0, os.SEEK_SET)]

    assert [3 * PAGE, 0] == found


@row("A4.41")
@pytest.mark.parametrize(
    ("offset", "whence"),
    [
        (1, os.SEEK_SET),
        (PAGE, os.SEEK_SET),
        (-1, os.SEEK_END),
        (1, os.SEEK_END),
        (0, os.SEEK_CUR),
        (0, SEEK_DATA),
        (0, SEEK_HOLE),
    ],
)
def test_seek_elsewhere(system, offset, whence):
    """There is no position."""
    assert errno.EINVAL == errno_of(os.lseek, buffer(system), offset, whence)


@row("A4.42")
def test_no_file_operations(system):
    """What files can do and buffers cannot."""
    fd = buffer(system)

    found = [
        errno_of(os.read, fd, 1),
        errno_of(os.write, fd, b"x"),
        errno_of(os.fsync, fd),
        errno_of(os.ftruncate, fd, PAGE),
        errno_of(os.pread, fd, 1, 0),
        errno_of(os.posix_fallocate, fd, 0, PAGE),
    ]

    e = errno
    assert [e.EINVAL, e.EINVAL, e.EINVAL, e.EINVAL, e.ESPIPE, e.ENODEV] == found


@row("A4.43")
def test_unknown_ioctl(system):
    """ENOTTY, of its own magic and of another."""
    fd = buffer(system)

    found = [errno_of(fcntl.ioctl, fd, number, bytes(64)) for number in (UNKNOWN, 0x5401)]

    assert [errno.ENOTTY] * 2 == found


@row("A4.44")
def test_map_within_the_buffer(system):
    """A part is fine, more than there is is not."""
    fd = system.heap_alloc(BUFFER_PAGES * PAGE)

    fine = [(PAGE, 0), (BUFFER_PAGES * PAGE, 0), ((BUFFER_PAGES - 1) * PAGE, PAGE)]
    over = [
        ((BUFFER_PAGES + 1) * PAGE, 0),
        (BUFFER_PAGES * PAGE, PAGE),
        (PAGE, BUFFER_PAGES * PAGE),
    ]

    assert [0] * 3 == [errno_of(_map, fd, *one) for one in fine]
    assert [errno.EINVAL] * 3 == [errno_of(_map, fd, *one) for one in over]


def _map(fd, length, offset, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_SHARED):
    # Python looks at the size of the file before it asks the kernel, so C asks.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    got = libc.mmap(None, length, prot, flags, fd, offset)
    if got == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    libc.munmap(got, length)


@row("A4.45")
def test_map_of_a_descriptor_for_reading(system):
    """Its access mode counts as for any file."""
    fd = system.heap_alloc(PAGE, os.O_RDONLY)

    found = [errno_of(_map, fd, PAGE, 0), errno_of(_map, fd, PAGE, 0, mmap.PROT_READ)]

    assert [errno.EACCES, 0] == found
    system.sync(fd, RW)


@row("A4.46")
def test_bad_addresses(system):
    """EFAULT, and no descriptor is left behind."""
    fd = buffer(system)
    numbers = [
        abi.DMA_BUF_IOCTL_SYNC,
        abi.DMA_BUF_SET_NAME_B,
        abi.DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
        abi.DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
    ]
    before = open_descriptors()

    found = [errno_of(fcntl.ioctl, fd, number, BAD_ADDRESS) for number in numbers]

    assert ([errno.EFAULT] * 4, before) == (found, open_descriptors())


@row("A4.47")
def test_fdinfo(system):
    """Size, exporter, references (a copy is one more); a name once there is one."""
    fd = system.heap_alloc(2 * PAGE)

    before = _fdinfo(fd)
    system.set_name(fd, b"frame")
    copy = os.dup(fd)
    after = _fdinfo(fd)
    os.close(copy)

    assert (str(2 * PAGE), "system", False) == (
        before["size"],
        before["exp_name"],
        "name" in before,
    )
    assert ("frame", 1) == (after["name"], int(after["count"]) - int(before["count"]))


def _fdinfo(fd):
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


@row("A4.48")
def test_link(system):
    """A path that names the buffer."""
    fd = buffer(system)

    link = Path(f"/proc/self/fd/{fd}")

    before = str(link.readlink())
    system.set_name(fd, b"a/b")

    assert ("/dmabuf:", "/dmabuf:a/b") == (before, str(link.readlink()))


@row("A4.49")
def test_stat(system):
    """Size, mode and blocks."""
    found = os.fstat(system.heap_alloc(3 * PAGE))

    assert (3 * PAGE, 0o600, 3 * PAGE // 512) == (
        found.st_size,
        found.st_mode & 0o7777,
        found.st_blocks,
    )


@row("A4.50")
def test_exported_files_close_on_exec(system):
    """A sync_file is not passed on by accident."""
    fd = system.export_sync_file(buffer(system), READ)

    assert fcntl.FD_CLOEXEC == fcntl.fcntl(fd, fcntl.F_GETFD)


@row("A4.51")
def test_export_without_a_free_descriptor(system):
    """EMFILE; flags are looked at first."""
    fd = buffer(system)

    with no_free_descriptor():
        found = [errno_of(system.export_sync_file, fd, flags) for flags in (READ, 0)]

    assert [errno.EMFILE, errno.EINVAL] == found


@row("A4.52")
@pytest.mark.parametrize("number", [abi.DMA_BUF_SET_NAME_A, abi.DMA_BUF_SET_NAME_B])
def test_both_numbers_of_set_name(system, number):
    """The 32-bit spelling is the same call."""
    fd = buffer(system)

    fcntl.ioctl(fd, number, b"both\0")

    assert b"both" == system.get_name(fd)


@row("A4.53")
def test_magic(system):
    """By statfs a buffer is told from other files."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(256)

    assert 0 == libc.fstatfs(buffer(system), answer)
    assert DMA_BUF_MAGIC == struct.unpack_from("l", answer.raw)[0]


@row("A4.54")
def test_one_inode(system):
    """Several exports are one buffer, two buffers are two."""
    drm = system.vgem()
    handle, _ = system.dumb_create(drm, 8, 8)

    one, two = (os.fstat(system.prime_export(drm, handle)).st_ino for _ in range(2))
    other = os.fstat(buffer(system)).st_ino

    assert (True, False) == (one == two, one == other)


@row("A4.55")
def test_armed_poll_keeps_the_buffer(system):
    """A buffer that poll waits for is not released before the fence signals."""
    drm, memfd, one = system.vgem(), system.memfd(PAGE), fence(system)
    fd = system.udmabuf_create(memfd, 0, PAGE)
    system.import_sync_file(fd, one.fd, WRITE)
    assert drm

    system.poll(fd, select.POLLIN)
    system.close(fd)
    still_pinned = errno_of(system.add_seals, memfd, fcntl.F_SEAL_WRITE)
    one.signal()

    assert (errno.EBUSY, True) == (still_pinned, _is_soon(lambda: _seals(system, memfd)))


def _seals(system, memfd):
    return errno_of(system.add_seals, memfd, fcntl.F_SEAL_WRITE) == 0


def _is_soon(holds):
    """The release is finished by the kernel's own worker, a moment later."""
    return any(holds() or select.select([], [], [], 0.02)[0] for _ in range(250))
