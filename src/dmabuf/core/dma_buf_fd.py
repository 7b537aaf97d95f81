"""Buffers as descriptors.

Mirrors: drivers/dma-buf/dma-buf.c (dma_buf_fd, dma_buf_get)

    number = fd(buf, table)             # the table has the caller's reference from here
    same = from_fd(table, number)       # another reference, to be put
"""

from __future__ import annotations

import errno

from dmabuf._names import kernel
from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_convention import check_call
from dmabuf.core.fd_table import FdTable

__all__ = ["fd", "from_fd"]


@kernel("dma_buf_fd", context="process")
def fd(buf: DmaBuf, table: FdTable, *, cloexec: bool = True) -> int:
    """A descriptor of `buf`, which takes over the caller's reference. Context: process.

    Args:
        buf: the buffer; its reservation lock is not held.
        table: of the process that gets it.
        cloexec: it is closed on exec.

    Raises:
        OSError: EMFILE; the reference is still the caller's.
    """
    check_call("dma_buf_fd", buf.resv, buf.label)
    buf.check_use("makes a descriptor of")
    number = table.get_unused(cloexec=cloexec)
    table.install(number, buf)
    return number


@kernel("dma_buf_get", context="process")
def from_fd(table: FdTable, number: int) -> DmaBuf:
    """The buffer behind a descriptor, with a reference for the caller. Context: process.

    Raises:
        OSError: EBADF, no such descriptor; EINVAL, it is no buffer's.
    """
    file = table.fget(number)
    if not isinstance(file, DmaBuf):
        file.put()
        raise OSError(errno.EINVAL, f"descriptor {number} of {table.name} is no buffer's")
    check_call("dma_buf_get", file.resv, file.label)
    return file
