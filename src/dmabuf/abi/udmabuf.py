"""Numbers of the udmabuf device, which makes buffers of memfds.

Mirrors: include/uapi/linux/udmabuf.h

The items of a list lie directly behind its head:

    >>> items = [udmabuf_create_item(memfd=3, size=4096), udmabuf_create_item(memfd=4, size=8192)]
    >>> data = udmabuf_create_list(count=2).pack() + udmabuf_create_item.pack_array(items)
    >>> udmabuf_create_item.unpack_array(data[udmabuf_create_list.SIZE :]) == items
    True
"""

from __future__ import annotations

from dmabuf.abi.ioc import _IOW
from dmabuf.abi.layout import Struct, u32, u64

__all__ = [
    "UDMABUF_CREATE",
    "UDMABUF_CREATE_LIST",
    "UDMABUF_FLAGS_CLOEXEC",
    "udmabuf_create",
    "udmabuf_create_item",
    "udmabuf_create_list",
]

UDMABUF_FLAGS_CLOEXEC = 0x01


class udmabuf_create(Struct):
    """A buffer of one range of a memfd, in bytes."""

    memfd: u32 = 0
    flags: u32 = 0
    offset: u64 = 0
    size: u64 = 0


class udmabuf_create_item(Struct):
    """One range of a list. `pad` is the header's `__pad`, which Python would mangle."""

    memfd: u32 = 0
    pad: u32 = 0
    offset: u64 = 0
    size: u64 = 0


class udmabuf_create_list(Struct):
    """The head of a list; the header's `list[]` of `count` items follows."""

    flags: u32 = 0
    count: u32 = 0


UDMABUF_CREATE = _IOW(ord("u"), 0x42, udmabuf_create.SIZE)
UDMABUF_CREATE_LIST = _IOW(ord("u"), 0x43, udmabuf_create_list.SIZE)
