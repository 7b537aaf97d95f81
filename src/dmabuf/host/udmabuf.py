"""Real buffers made of memfds.

Mirrors: include/uapi/linux/udmabuf.h

    with UdmabufFd.open() as device, device.create(memfd, size=4096) as buffer:
        print(buffer.size)
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable

from dmabuf.abi.udmabuf import (
    UDMABUF_CREATE,
    UDMABUF_CREATE_LIST,
    UDMABUF_FLAGS_CLOEXEC,
    udmabuf_create,
    udmabuf_create_item,
    udmabuf_create_list,
)
from dmabuf.host.dma_buf import DmaBufFd
from dmabuf.host.owned import Owned, open_device

__all__ = ["PATH", "REMEDY", "UdmabufFd"]

PATH = "/dev/udmabuf"
REMEDY = "a kernel with CONFIG_UDMABUF, and the right to open the node"

_U32 = (1 << 32) - 1
"""The field of a descriptor has no sign, so -1 is passed as C would."""


class UdmabufFd(Owned):
    """Owns the udmabuf device."""

    __slots__ = ()

    @classmethod
    def open(cls) -> UdmabufFd:
        """The device.

        Raises:
            NotAvailable: it is not here.
        """
        return cls(open_device(PATH, REMEDY))

    def create(
        self, memfd: int, offset: int = 0, size: int = 0, flags: int = UDMABUF_FLAGS_CLOEXEC
    ) -> DmaBufFd:
        """A buffer of one range of a memfd, offset and size in bytes.

        Raises:
            OSError: EINVAL, range, seals or size; EBADFD, no memfd.
        """
        wanted = udmabuf_create(memfd=memfd & _U32, flags=flags, offset=offset, size=size)
        # The new descriptor is the result of the call, not a field.
        return DmaBufFd(fcntl.ioctl(self.fileno(), UDMABUF_CREATE, bytearray(wanted.pack())))

    def create_list(
        self, ranges: Iterable[tuple[int, int, int]], flags: int = UDMABUF_FLAGS_CLOEXEC
    ) -> DmaBufFd:
        """A buffer of several (memfd, offset, size) in their order.

        Raises:
            OSError: as `create`, for any of them.
        """
        items = [
            udmabuf_create_item(memfd=fd & _U32, offset=at, size=size) for fd, at, size in ranges
        ]
        head = udmabuf_create_list(flags=flags, count=len(items)).pack()
        data = bytearray(head + udmabuf_create_item.pack_array(items))
        return DmaBufFd(fcntl.ioctl(self.fileno(), UDMABUF_CREATE_LIST, data))
