"""Rows of sections 5 to 10 that the file layer decides: the real kernel only, open for `files/`."""

import array
import errno
import fcntl
import mmap
import os
import select

import pytest

from dmabuf.abi import dma_heap, drm, drm_syncobj, sync_file, udmabuf
from dmabuf.abi.ioc import _IOC_NR
from dmabuf.host.dma_heap import HeapFd
from dmabuf.host.owned import address_of, call
from dmabuf.host.sync_file import SyncFileFd
from dmabuf.host.udmabuf import UdmabufFd
from dmabuf.host.vgem import VgemFd
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, buffer, fence
from tests.agreement.test_files_dma_buf import (
    BAD_ADDRESS,
    _map,
    no_free_descriptor,
)
from tests.support import open_descriptors

EXPORT = drm_syncobj.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
IN, OUT = select.POLLIN, select.POLLOUT


@row("A5.40")
def test_sync_file_operations(system):
    """What files can do and fences cannot."""
    fd = fence(system).fd

    found = [
        errno_of(os.read, fd, 1),
        errno_of(os.lseek, fd, 0, os.SEEK_SET),
        errno_of(fcntl.ioctl, fd, 0xC0303E63, bytes(48)),
    ]

    assert [errno.EINVAL, errno.ESPIPE, errno.ENOTTY] == found


@row("A5.41")
def test_sync_file_map(system):
    """The descriptor is for reading: a writable mapping is refused first."""
    fd = fence(system).fd

    found = [errno_of(_map, fd, PAGE, 0), errno_of(_map, fd, PAGE, 0, mmap.PROT_READ)]

    assert [errno.EACCES, errno.ENODEV] == found


@row("A5.42")
def test_sync_file_bad_addresses(system):
    """EFAULT, and no descriptor is left behind."""
    fd = fence(system).fd
    numbers = [sync_file.SYNC_IOC_MERGE, sync_file.SYNC_IOC_FILE_INFO]
    before = open_descriptors()

    found = [errno_of(fcntl.ioctl, fd, number, BAD_ADDRESS) for number in numbers]

    assert ([errno.EFAULT] * 2, before) == (found, open_descriptors())


@row("A5.43")
def test_info_bad_room(system):
    """The room's address is used only if there is room."""
    fence_file = SyncFileFd(os.dup(fence(system).fd))

    with fence_file:
        found = [errno_of(fence_file.info, room, address=BAD_ADDRESS) for room in (0, 1)]

    assert [0, errno.EFAULT] == found


@row("A5.44")
def test_merge_without_a_free_descriptor(system):
    """EMFILE comes before the check of flags."""
    fd = fence(system).fd

    with no_free_descriptor():
        found = [errno_of(system.merge, fd, fd, flags=flags) for flags in (0, 1)]

    assert [errno.EMFILE] * 2 == found


@row("A5.45")
def test_merged_files_close_on_exec(system):
    """Always."""
    fd = fence(system).fd

    assert fcntl.FD_CLOEXEC == fcntl.fcntl(system.merge(fd, fd), fcntl.F_GETFD)


@row("A5.46")
@pytest.mark.parametrize("name", [b"\xff\x01", b"a\nb"])
def test_merge_names_are_bytes(system, name):
    """Nobody looks at them; an empty one asks for a made one."""
    fd = fence(system).fd

    found = [system.file_info(system.merge(fd, fd, one)).name for one in (name, b"")]

    assert (name, b"vgem-unbound") == (found[0], found[1][:12])


@row("A6.40")
def test_heap_unknown_number(system):
    """EINVAL, not ENOTTY; the magic of number 0 does not matter."""
    with HeapFd.open() as heap:
        other_magic = drm.DRM_IOWR(0, dma_heap.dma_heap_allocation_data.SIZE)
        wanted = dma_heap.dma_heap_allocation_data(len=PAGE, fd_flags=os.O_RDWR)
        found = [errno_of(fcntl.ioctl, heap, number, bytes(24)) for number in (0xC0184801, 0x5401)]
        os.close(call(heap.fileno(), other_magic, wanted).fd)

    assert [errno.EINVAL] * 2 == found


@row("A6.41")
@pytest.mark.parametrize("size", [16, 32])
def test_heap_other_sizes(system, size):
    """What is missing is zero, what is more is ignored."""
    wanted = dma_heap.dma_heap_allocation_data(len=PAGE, fd_flags=os.O_RDWR | os.O_CLOEXEC)
    data = bytearray(wanted.pack().ljust(size, b"\xff")[:size])
    number = dma_heap.DMA_HEAP_IOCTL_ALLOC & ~(0x3FFF << 16) | size << 16

    with HeapFd.open() as heap:
        fcntl.ioctl(heap, number, data)

    fd = array.array("I", bytes(data[8:12]))[0]
    size_of_buffer = os.lseek(fd, 0, os.SEEK_END)
    os.close(fd)
    assert PAGE == size_of_buffer


@row("A6.42")
def test_heap_descriptor_for_reading(system):
    """That is what flags 0 mean; and not closed on exec."""
    fd = system.heap_alloc(PAGE, 0)

    assert os.O_RDONLY == fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    assert 0 == fcntl.fcntl(fd, fcntl.F_GETFD)


@row("A6.43")
def test_heap_bad_address(system):
    """EFAULT."""
    with HeapFd.open() as heap:
        assert errno.EFAULT == errno_of(
            fcntl.ioctl, heap, dma_heap.DMA_HEAP_IOCTL_ALLOC, BAD_ADDRESS
        )


@row("A6.44")
def test_heap_without_a_free_descriptor(system):
    """EMFILE; what is wrong with the arguments is told before."""
    system.close(buffer(system))

    with no_free_descriptor():
        found = [errno_of(system.heap_alloc, length) for length in (PAGE, 0)]

    assert [errno.EMFILE, errno.EINVAL] == found


@row("A6.45")
def test_heap_is_not_seekable(system):
    """Nor can it be read."""
    with HeapFd.open() as heap:
        found = [
            errno_of(os.lseek, heap.fileno(), 0, os.SEEK_SET),
            errno_of(os.read, heap.fileno(), 1),
        ]

    assert [errno.ESPIPE, errno.EINVAL] == found


@row("A7.40")
def test_udmabuf_bad_address(system):
    """EFAULT, and ENOTTY for what is unknown."""
    with UdmabufFd.open() as device:
        numbers = [udmabuf.UDMABUF_CREATE, udmabuf.UDMABUF_CREATE_LIST, 0x40187560]
        found = [errno_of(fcntl.ioctl, device, number, BAD_ADDRESS) for number in numbers]

    assert [errno.EFAULT, errno.EFAULT, errno.ENOTTY] == found


@row("A7.41")
def test_udmabuf_descriptor(system):
    """Closed on exec if asked for; always for reading and writing."""
    fds = [system.udmabuf_create(system.memfd(PAGE), 0, PAGE, flags) for flags in (0, 1)]

    assert [0, fcntl.FD_CLOEXEC] == [fcntl.fcntl(fd, fcntl.F_GETFD) for fd in fds]
    assert {os.O_RDWR} == {fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE for fd in fds}


@row("A7.42")
def test_udmabuf_private_map(system):
    """EINVAL; the system heap does not look."""
    private = (mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE)
    fds = [system.udmabuf_create(system.memfd(PAGE), 0, PAGE), buffer(system)]

    assert [errno.EINVAL, 0] == [errno_of(_map, fd, PAGE, 0, *private) for fd in fds]


@row("A9.60")
def test_drm_unknown_numbers(system):
    """EINVAL; of another magic ENOTTY."""
    fd = system.gpu()

    found = [errno_of(fcntl.ioctl, fd, number, bytes(16)) for number in (0xC01064FE, 0xC0103E04)]

    assert [errno.EINVAL, errno.ENOTTY] == found


@row("A9.61")
@pytest.mark.parametrize("size", [4, 8, 24])
def test_drm_other_sizes(system, size):
    """CREATE with less is without flags, with more the rest is ignored."""
    number = drm.DRM_IOWR(_IOC_NR(drm_syncobj.DRM_IOCTL_SYNCOBJ_CREATE), size)
    data = bytearray(size)
    data[8:] = b"\xff" * max(size - 8, 0)

    fcntl.ioctl(system.gpu(), number, data)

    assert 1 == array.array("I", bytes(data[:4]))[0]


@row("A9.62")
def test_syncobj_bad_addresses(system):
    """Handles to read, points to read and to write."""
    fd, abi = system.gpu(), drm_syncobj
    handle = array.array("I", [system.syncobj_create(fd)])
    at = address_of(handle)

    found = [
        errno_of(call, fd, abi.DRM_IOCTL_SYNCOBJ_WAIT, abi.drm_syncobj_wait(1, 0, 1)),
        errno_of(call, fd, abi.DRM_IOCTL_SYNCOBJ_RESET, abi.drm_syncobj_array(1, 1)),
        *(
            errno_of(call, fd, number, abi.drm_syncobj_timeline_array(at, 1, 1))
            for number in (abi.DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, abi.DRM_IOCTL_SYNCOBJ_QUERY)
        ),
        errno_of(
            call,
            fd,
            abi.DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT,
            abi.drm_syncobj_timeline_wait(at, 1, 0, 1),
        ),
    ]

    assert [errno.EFAULT] * 5 == found


@row("A9.63")
def test_syncobj_poll(system):
    """It has nothing to wait for."""
    fd = system.gpu()

    found = system.poll(system.syncobj_handle_to_fd(fd, system.syncobj_create(fd)), IN | OUT)

    assert IN | OUT == found


@row("A9.64")
def test_syncobj_descriptors_close_on_exec(system):
    """Both kinds."""
    fd = system.gpu()
    handle = system.syncobj_create(fd, 1)

    fds = [system.syncobj_handle_to_fd(fd, handle, flags) for flags in (0, EXPORT)]

    assert [fcntl.FD_CLOEXEC] * 2 == [fcntl.fcntl(one, fcntl.F_GETFD) for one in fds]


@row("A9.65")
def test_syncobj_without_a_free_descriptor(system):
    """EMFILE of both kinds; an unknown handle is told before by one, after by the other."""
    fd = system.gpu()
    handle = system.syncobj_create(fd, 1)

    with no_free_descriptor():
        found = [errno_of(system.syncobj_handle_to_fd, fd, handle, flags) for flags in (0, EXPORT)]
        unknown = [errno_of(system.syncobj_handle_to_fd, fd, 99, flags) for flags in (0, EXPORT)]

    assert [errno.EMFILE] * 2 == found
    assert [errno.EINVAL, errno.EMFILE] == unknown


@row("A10.40")
def test_vgem_has_no_sync_objects(system):
    """Neither the calls nor the capability."""
    fd = system.vgem()

    with VgemFd(os.dup(fd)) as device:
        caps = [device.cap(one) for one in (drm.DRM_CAP_SYNCOBJ, drm.DRM_CAP_SYNCOBJ_TIMELINE)]

    assert (errno.EOPNOTSUPP, [0, 0]) == (errno_of(system.syncobj_create, fd), caps)
