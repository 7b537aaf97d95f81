"""The descriptor of a buffer: how it is passed on, and found again.

Mirrors: include/linux/dma-buf.h (dma_buf_fd, dma_buf_get)

    buf = SystemHeap().alloc(4096)
    socket.send_fds(peer, [b"frame"], [buf.fileno()])   # another process maps the same bytes
    DmaBuf.from_fd(fd)                                   # in this one: the same object

Live only. The descriptor is that of the buffer's memory, or of an empty file where the exporter's
storage has none, and belongs to the object: it is closed when the buffer is released. Duplicates
hold the bytes, not the object; a buffer is kept by its references.
"""

from __future__ import annotations

import errno
import os
import weakref
from typing import TYPE_CHECKING, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.core.dma_buf_convention import check_call
from dmabuf.core.dma_buf_memory import backing_of
from dmabuf.core.dma_buf_steps import GET
from dmabuf.errors import NotAvailable
from dmabuf.rt.ambient import ambient

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf
    from dmabuf.rt.api import Runtime

__all__ = ["HasDescriptor", "forget_descriptor"]

_KNOWN = "core.dma_buf_fd"
_Inode = tuple[int, int]


class _Token:
    """A file that says which buffer it is, and nothing else."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = -1  # also if there is no descriptor left
        self.fd = os.memfd_create("dmabuf", os.MFD_CLOEXEC)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class _Known:
    """The buffers of a runtime that were asked for a descriptor."""

    __slots__ = ("buffers", "inodes", "tokens")

    def __init__(self) -> None:
        self.buffers: weakref.WeakValueDictionary[_Inode, DmaBuf] = weakref.WeakValueDictionary()
        self.inodes: weakref.WeakKeyDictionary[DmaBuf, _Inode] = weakref.WeakKeyDictionary()
        self.tokens: weakref.WeakKeyDictionary[DmaBuf, _Token] = weakref.WeakKeyDictionary()

    def descriptor(self, buf: DmaBuf) -> int:
        """Its own, made if need be."""
        fd = _of_memory(buf)
        if fd < 0:
            if buf not in self.tokens:
                self.tokens[buf] = _Token()
            fd = self.tokens[buf].fd
        if buf not in self.inodes:
            inode = _inode(fd)
            self.inodes[buf] = inode
            self.buffers[inode] = buf
        return fd

    def forget(self, buf: DmaBuf) -> None:
        """Nobody finds it any more."""
        inode = self.inodes.pop(buf, None)
        if inode is not None:
            self.buffers.pop(inode, None)
        token = self.tokens.pop(buf, None)
        if token is not None:
            token.close()


def _of_memory(buf: DmaBuf) -> int:
    """The descriptor of its bytes; -1 if they have none of their own."""
    backing = backing_of(buf)
    if backing is None:
        return -1
    try:
        return backing.memory.fileno()
    except NotAvailable:
        return -1


def _inode(fd: int) -> _Inode:
    try:
        found = os.fstat(fd)
    except OverflowError:
        raise OSError(errno.EBADF, f"no descriptor: {fd}") from None
    return found.st_dev, found.st_ino


@no_kernel("fput of the last reference")
def forget_descriptor(buf: DmaBuf) -> None:
    """The buffer is released: its descriptor is closed. Context: process."""
    known: _Known | None = buf.rt.extras.get(_KNOWN)
    if known is not None:
        with buf.rt.mutex:
            known.forget(buf)


class HasDescriptor:
    """What a `DmaBuf` can do with descriptors."""

    __slots__ = ()

    @kernel("dma_buf_fd", context="process")
    def fileno(self) -> int:
        """Its descriptor, closed on exec; duplicate it to keep it. Context: process.

        Raises:
            NotAvailable: there are no descriptors where a run is explored.
            OSError: EMFILE, ENFILE, there is none left.
        """
        buf = cast("DmaBuf", self)
        rt = buf.rt
        check_call("dma_buf_fd", buf.resv, buf.label)
        buf.check_use("asks for the descriptor of")
        known: _Known = _known(rt)
        with rt.mutex:
            return known.descriptor(buf)

    @staticmethod
    @kernel("dma_buf_get", context="process")
    def from_fd(fd: int, *, rt: Runtime | None = None) -> DmaBuf:
        """The buffer behind a descriptor, with a reference for the caller. Context: process.

        Args:
            fd: any duplicate of a buffer's descriptor; it stays the caller's.
            rt: the runtime that the buffer belongs to; the ambient one if not given.

        Raises:
            OSError: EBADF, it is not open; EINVAL, it is no buffer's.
            NotAvailable: there are no descriptors where a run is explored.
        """
        known = _known(rt or ambient())
        inode = _inode(fd)
        buf = known.buffers.get(inode)
        if buf is not None:
            check_call("dma_buf_get", buf.resv, buf.label)
            buf.rt.step(GET, buf)
            if buf.rt.current().value:
                return buf
        raise OSError(errno.EINVAL, f"descriptor {fd} is not one of a buffer")

    @staticmethod
    @no_kernel("dma_buf_get, then close of the descriptor")
    def adopt_fd(fd: int, *, rt: Runtime | None = None) -> DmaBuf:
        """As `from_fd`, and the descriptor is closed if that succeeds. Context: process."""
        buf = HasDescriptor.from_fd(fd, rt=rt)
        if fd != buf.fileno():  # its own stays
            os.close(fd)
        return buf


def _known(rt: Runtime) -> _Known:
    if rt.explored:
        raise NotAvailable("there are no descriptors where a run is explored")
    known: _Known = rt.once(_KNOWN, _Known)
    return known
