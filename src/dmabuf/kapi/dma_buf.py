"""Buffers as C spells them: export information in a struct, answers through arguments.

Mirrors: include/linux/dma-buf.h

    >>> from dmabuf import kapi
    >>> from dmabuf.drivers.carveout import Carveout
    >>> buf, gpu = Carveout("frame").buf, Device("gpu")
    >>> attach = kapi.dma_buf_attach(buf, gpu)
    >>> sgt = kapi.dma_buf_map_attachment_unlocked(attach, Direction.TO_DEVICE)
    >>> kapi.dma_buf_unmap_attachment_unlocked(attach, sgt, Direction.TO_DEVICE)
    >>> kapi.dma_buf_detach(buf, attach); kapi.dma_buf_put(buf)
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from typing import Any

from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_convention import check_call
from dmabuf.core.dma_buf_ops import AttachOps, DmaBufOps, Vma
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.core.resv import Resv
from dmabuf.kapi.files import files
from dmabuf.kapi.spell import returns_errno, spelled
from dmabuf.rt.ambient import ambient
from dmabuf.sync.context import warn_on

__all__ = ["dma_buf_export_info"]


@dataclass(slots=True)
class dma_buf_export_info:  # noqa: N801 - the kernel's name
    """What `dma_buf_export` takes.

    Attributes:
        exp_name: the exporter's name.
        ops: the exporter's hooks.
        size: bytes.
        resv: a reservation object to share, None for one of its own.
        priv: the exporter's own.
    """

    exp_name: str = ""
    ops: DmaBufOps | None = None
    size: int = 0
    resv: Resv | None = None
    priv: Any = None


@spelled("dma_buf_export")
@returns_errno
def dma_buf_export(exp_info: dma_buf_export_info) -> DmaBuf | int:
    """The buffer, -EINVAL or -ENOMEM."""
    return export(
        exp_info.ops or DmaBufOps(),
        exp_info.size,
        resv=exp_info.resv,
        exp_name=exp_info.exp_name,
        priv=exp_info.priv,
    )


@spelled("get_dma_buf")
def get_dma_buf(dmabuf: DmaBuf) -> None:
    """Take a reference."""
    dmabuf.get()


@spelled("dma_buf_fd")
@returns_errno
def dma_buf_fd(dmabuf: DmaBuf, flags: int) -> int:
    """A descriptor of the calling process, which takes over the reference, or -EMFILE.

    It is a number of a table that runs everywhere; `DmaBuf.fileno` is a real descriptor.
    """
    check_call("dma_buf_fd", dmabuf.resv, dmabuf.label)
    dmabuf.check_use("makes a descriptor of")
    number = files().get_unused(cloexec=bool(flags & os.O_CLOEXEC))
    files().install(number, dmabuf)
    return number


@spelled("dma_buf_get")
@returns_errno
def dma_buf_get(number: int) -> DmaBuf | int:
    """The buffer behind a descriptor of the calling process, -EBADF or -EINVAL."""
    file = files().fget(number)
    if not isinstance(file, DmaBuf):
        file.put()
        raise OSError(errno.EINVAL, f"descriptor {number} is no buffer's")
    check_call("dma_buf_get", file.resv, file.label)
    return file


@spelled("dma_buf_attach")
@returns_errno
def dma_buf_attach(dmabuf: DmaBuf, dev: Device) -> Attachment | int:
    """A static attachment, or what the exporter answers."""
    return dmabuf.attach(dev)


@spelled("dma_buf_dynamic_attach")
@returns_errno
def dma_buf_dynamic_attach(
    dmabuf: DmaBuf, dev: Device, importer_ops: AttachOps | None, importer_priv: Any
) -> Attachment | int:
    """A dynamic attachment, or what the exporter answers."""
    return dmabuf.attach(dev, importer_ops, importer_priv)


@spelled("dma_buf_detach")
def dma_buf_detach(dmabuf: DmaBuf, attach: Attachment) -> None:
    """Detach; warns if it is the attachment of another buffer."""
    if attach.buf is not dmabuf:
        rt = ambient()
        message = f"{rt.current().name} detaches from {dmabuf.label} what is of {attach.buf.label}"
        warn_on(rt, message)
        return
    attach.detach()


@spelled("dma_buf_pin")
@returns_errno
def dma_buf_pin(attach: Attachment) -> int:
    """0, or what the exporter answers."""
    attach.pin()
    return 0


@spelled("dma_buf_unmap_attachment")
def dma_buf_unmap_attachment(attach: Attachment, sg_table: SgTable, direction: Direction) -> None:
    """Unmap; the direction is that of the table."""
    del direction
    attach.unmap(sg_table)


@spelled("dma_buf_unmap_attachment_unlocked")
def dma_buf_unmap_attachment_unlocked(
    attach: Attachment, sg_table: SgTable, direction: Direction
) -> None:
    """Unmap, taking the lock; the direction is that of the table."""
    del direction
    attach.unmap_unlocked(sg_table)


@spelled("dma_buf_begin_cpu_access")
@returns_errno
def dma_buf_begin_cpu_access(dmabuf: DmaBuf, direction: Direction) -> int:
    """0, -ERESTARTSYS, or what the exporter answers."""
    dmabuf.begin_cpu_access(direction)
    return 0


@spelled("dma_buf_end_cpu_access")
@returns_errno
def dma_buf_end_cpu_access(dmabuf: DmaBuf, direction: Direction) -> int:
    """0, or what the exporter answers."""
    dmabuf.end_cpu_access(direction)
    return 0


@spelled("dma_buf_mmap")
@returns_errno
def dma_buf_mmap(dmabuf: DmaBuf, vma: Vma, pgoff: int) -> int:
    """0, -EINVAL, -EOVERFLOW, or what the exporter answers."""
    dmabuf.mmap(replace(vma, pgoff=pgoff))
    return 0


@spelled("dma_buf_vmap")
@returns_errno
def dma_buf_vmap(dmabuf: DmaBuf, iosys_map: list[Any]) -> int:
    """0, -EINVAL, or what the exporter answers; `iosys_map[0]` is set, to None on failure."""
    iosys_map[:1] = [None]
    iosys_map[:1] = [dmabuf.vmap()]
    return 0


@spelled("dma_buf_vmap_unlocked")
@returns_errno
def dma_buf_vmap_unlocked(dmabuf: DmaBuf, iosys_map: list[Any]) -> int:
    """As `dma_buf_vmap`, taking the lock."""
    iosys_map[:1] = [None]
    iosys_map[:1] = [dmabuf.vmap_unlocked()]
    return 0


@spelled("dma_buf_vunmap")
def dma_buf_vunmap(dmabuf: DmaBuf, iosys_map: list[Any]) -> None:
    """Undo a vmap."""
    dmabuf.vunmap(iosys_map[0])


@spelled("dma_buf_vunmap_unlocked")
def dma_buf_vunmap_unlocked(dmabuf: DmaBuf, iosys_map: list[Any]) -> None:
    """As `dma_buf_vunmap`, taking the lock."""
    dmabuf.vunmap_unlocked(iosys_map[0])
