r"""The indivisible steps of a dma-buf: references, name, and the list of all buffers.

Mirrors: drivers/dma-buf/dma-buf.c (dma_buf_file_release, dma_buf_set_name, debugfs_list)

What the reservation lock guards (attachments, mappings) needs no steps of its own. References and
the name are the file's, and the file is an object of its own: to take a reference says nothing to
those who only use the buffer. The last put is what ends that use.

    >>> escaped("a" + chr(10))
    'a\\n'
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from dmabuf._names import no_kernel
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf

__all__ = [
    "ADD",
    "FILE",
    "GET",
    "LOOK",
    "PUT",
    "RENAME",
    "REVIVE",
    "USE",
    "BufferList",
    "File",
    "escaped",
]

_LIST = "core.dma_buf_list"


class File:
    """What the file layer has of a buffer.

    Attributes:
        count: references.
        user_name: the name that userspace gave; None without.
        ino: the inode's number; they count up from 1.
    """

    __slots__ = ("count", "ino", "user_name")

    def __init__(self, user_name: str | None, ino: int) -> None:
        self.count = 1
        self.user_name = user_name
        self.ino = ino


class BufferList:
    """All buffers of a runtime that are exported and not released."""

    __slots__ = ("__weakref__", "buffers", "inodes", "name")

    def __init__(self) -> None:
        self.name = "dma_buf list"
        self.inodes = 0
        self.buffers: weakref.WeakValueDictionary[int, DmaBuf] = weakref.WeakValueDictionary()

    @staticmethod
    @no_kernel("debugfs_list, a variable")
    def of(rt: Runtime) -> BufferList:
        """The one list of a runtime."""

        def make() -> BufferList:
            made = BufferList()
            rt.adopt(made, made.name)
            return made

        found: BufferList = rt.once(_LIST, make)
        return found

    @no_kernel("alloc_anon_inode")
    def new_inode(self, rt: Runtime) -> int:
        """The next inode number."""
        with rt.mutex:
            self.inodes += 1
            return self.inodes


@no_kernel("seq_escape")
def escaped(name: str) -> str:
    """A name with its control characters spelled out, for reports."""
    if name.isprintable():
        return name
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in name)


def _get(buf: DmaBuf, _task: Task) -> int:
    """Take a reference; returns how many there were, 0 if the buffer is released."""
    before = buf.file.count
    if before:
        buf.file.count = before + 1
    return before


def _put(buf: DmaBuf, _task: Task) -> int:
    """Put a reference, the last of which takes the buffer off the list."""
    before = buf.file.count
    if before:
        buf.file.count = before - 1
    if before == 1:
        buf.buffers.buffers.pop(buf.file.ino, None)
    return before


def _put_touches(buf: DmaBuf, _task: Task) -> tuple[tuple[Any, int], ...]:
    """The list has no order, so leaving it and entering it commute: both only read it."""
    if buf.file.count > 1:
        return ((buf.file, WRITE),)
    return ((buf.file, WRITE), (buf, WRITE), (buf.buffers, READ))


def _revive(buf: DmaBuf, _task: Task) -> None:
    """The exporter could not release it: the last reference was not put after all."""
    buf.file.count = 1
    buf.buffers.buffers[buf.file.ino] = buf


def _add(buf: DmaBuf, _task: Task) -> None:
    buf.buffers.buffers[buf.file.ino] = buf


def _look(buffers: BufferList, _task: Task) -> list[DmaBuf]:
    """All buffers, with a reference to each."""
    found = list(buffers.buffers.values())
    for buf in found:
        buf.file.count += 1
    return found


def _look_touches(buffers: BufferList, _task: Task) -> tuple[tuple[Any, int], ...]:
    files = tuple((buf.file, WRITE) for buf in buffers.buffers.values())
    return ((buffers, WRITE), *files)


def _rename(buf: DmaBuf, task: Task) -> None:
    buf.file.user_name = task.arg


USE = Op(
    "dma_buf.use",
    action=lambda buf, _task: buf.file.count,
    access=READ,
    says="uses {}",
)
GET = Op(
    "dma_buf.get",
    action=_get,
    touches=lambda buf, _task: ((buf.file, WRITE),),
    says="takes a reference to {}",
)
PUT = Op("dma_buf.put", action=_put, touches=_put_touches, says="puts a reference to {}")
REVIVE = Op(
    "dma_buf.revive",
    action=_revive,
    touches=lambda buf, _task: ((buf.file, WRITE), (buf, WRITE), (buf.buffers, READ)),
    says="keeps {}",
)
RENAME = Op(
    "dma_buf.rename",
    action=_rename,
    touches=lambda buf, _task: ((buf.file, WRITE),),
    says="names {}",
)
FILE = Op(
    "dma_buf.file",
    action=lambda buf, _task: (buf.file.user_name or "", buf.file.count),
    touches=lambda buf, _task: ((buf.file, READ),),
    says="asks for name and references of {}",
)
ADD = Op(
    "dma_buf.add",
    action=_add,
    touches=lambda buf, _task: ((buf.buffers, READ),),
    says="lists {}",
)
LOOK = Op("dma_buf.look", action=_look, touches=_look_touches, says="looks at {}")
