"""Implicit fences of a buffer as explicit ones, and the other way round.

Mirrors: drivers/dma-buf/dma-buf.c (dma_buf_export_sync_file, dma_buf_import_sync_file)

    file = buf.export_sync_file(Access.READ)        # what a reader has to wait for
    buf.import_sync_file(file, Access.WRITE)        # a write that is done when `file` signals
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.dma_map import Access, checked_access
from dmabuf.core.fence_unwrap import unwrap
from dmabuf.core.fence_wait import stub
from dmabuf.core.resv import Usage, usage_rw
from dmabuf.core.sync_file import SyncFile

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf

__all__ = ["export_sync_file", "import_sync_file"]


@no_kernel("dma_buf_export_sync_file, a static function there")
def export_sync_file(buf: DmaBuf, access: Access) -> SyncFile:
    """What an access to `buf` has to wait for, as it is now. See `DmaBuf.export_sync_file`."""
    usage = usage_rw(write=Access.WRITE in checked_access(access))
    buf.check_use("exports the fences of")
    fence = buf.resv.get_singleton(usage)
    if fence is None:
        return SyncFile(stub(rt=buf.rt))  # of which nobody counts references
    try:
        return SyncFile(fence)
    finally:
        fence.put()


@no_kernel("dma_buf_import_sync_file, a static function there")
def import_sync_file(buf: DmaBuf, sync_file: object, access: Access) -> None:
    """Add the fences inside to `buf`. See `DmaBuf.import_sync_file`."""
    writes = Access.WRITE in checked_access(access)
    if not isinstance(sync_file, SyncFile):
        raise OSError(errno.EINVAL, f"no sync file: {sync_file!r}")
    buf.check_use("imports fences to")
    usage = Usage.WRITE if writes else Usage.READ
    fence = sync_file.get_fence()
    try:
        count = sum(1 for _ in unwrap(fence))
        if count:
            with buf.resv as resv:
                resv.reserve_fences(count)
                for leaf in unwrap(fence):
                    resv.add_fence(leaf, usage)
    finally:
        fence.put()
