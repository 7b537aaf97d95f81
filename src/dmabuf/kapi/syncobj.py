"""Sync objects and sync files as C spells them: answers through arguments, errno results.

Mirrors: include/drm/drm_syncobj.h, include/linux/sync_file.h

    >>> from dmabuf import kapi
    >>> found, fence = [], []
    >>> file_private = kapi.drm_file(); kapi.drm_syncobj_open(file_private)
    >>> kapi.drm_syncobj_create(found, DRM_SYNCOBJ_CREATE_SIGNALED, None)
    0
    >>> handle = []; kapi.drm_syncobj_get_handle(file_private, found[0], handle), handle
    (0, [1])
    >>> kapi.drm_syncobj_find_fence(file_private, 1, 0, 0, fence)
    0
    >>> kapi.dma_fence_is_signaled(fence[0])
    True
"""

from __future__ import annotations

from typing import Any

from dmabuf.abi.drm_syncobj import DRM_SYNCOBJ_CREATE_SIGNALED
from dmabuf.core.fence import Fence
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_handles import SyncObjFile, SyncObjHandles
from dmabuf.core.syncobj_table import SyncObjTable
from dmabuf.core.syncobj_wait import deadline_of
from dmabuf.kapi.files import files
from dmabuf.kapi.spell import MAX_SCHEDULE_TIMEOUT, returns_errno, spelled, to_jiffies
from dmabuf.rt.ambient import ambient

__all__ = ["DRM_SYNCOBJ_CREATE_SIGNALED", "drm_file"]


def drm_file() -> SyncObjHandles:
    """Memory for an open render node: `drm_syncobj_open` makes it one."""
    return SyncObjHandles.__new__(SyncObjHandles)


@spelled("drm_syncobj_open")
def drm_syncobj_open(file_private: SyncObjTable) -> None:
    """Make memory the sync objects of an open file."""
    SyncObjTable.__init__(file_private)


@spelled("drm_syncobj_create")
@returns_errno
def drm_syncobj_create(out_syncobj: list[SyncObj], flags: int, fence: Fence | None) -> int:
    """0 or -ENOMEM; `out_syncobj[0]` is set."""
    signaled = bool(flags & DRM_SYNCOBJ_CREATE_SIGNALED)
    out_syncobj[:1] = [SyncObj("syncobj", signaled=signaled, fence=fence)]
    return 0


@spelled("drm_syncobj_add_point")
def drm_syncobj_add_point(syncobj: SyncObj, chain: FenceChain, fence: Fence, point: int) -> None:
    """Add a point; `chain` is its memory."""
    syncobj.add_point(fence, point, chain=chain)


@spelled("drm_syncobj_find_fence")
@returns_errno
def drm_syncobj_find_fence(
    file_private: SyncObjTable, handle: int, point: int, flags: int, fence: list[Fence]
) -> int:
    """0, -ENOENT, -EINVAL, -ETIME or -ERESTARTSYS; `fence[0]` is set."""
    fence[:1] = [file_private.find_fence(handle, point, flags)]
    return 0


@spelled("drm_syncobj_get_handle")
@returns_errno
def drm_syncobj_get_handle(file_private: SyncObjTable, syncobj: SyncObj, handle: list[int]) -> int:
    """0 or -ENOMEM; `handle[0]` is set."""
    handle[:1] = [file_private.get_handle(syncobj)]
    return 0


@spelled("drm_syncobj_get_fd")
@returns_errno
def drm_syncobj_get_fd(syncobj: SyncObj, p_fd: list[int]) -> int:
    """0 or -EMFILE; `p_fd[0]` is set, a descriptor of the calling process."""
    table = files()
    number = table.get_unused()
    table.install(number, SyncObjFile(syncobj))
    p_fd[:1] = [number]
    return 0


@spelled("drm_timeout_abs_to_jiffies")
def drm_timeout_abs_to_jiffies(timeout_nsec: int) -> int:
    """How long it is until an absolute time, 0 for one that is past."""
    rt = ambient()
    deadline = deadline_of(rt, timeout_nsec)
    if deadline is None:
        return MAX_SCHEDULE_TIMEOUT - 1
    return to_jiffies(deadline - rt.now()) + 1 if deadline else 0


# -- sync files ----------------------------------------------------------------------------------


@spelled("sync_file_create")
def sync_file_create(fence: Fence) -> SyncFile | None:
    """A sync file of a fence; None without memory."""
    try:
        return SyncFile(fence)
    except OSError:
        return None


@spelled("sync_file_get_fence")
def sync_file_get_fence(fd: int) -> Fence | None:
    """The fence behind a descriptor of the calling process; None if that is no sync file's."""
    try:
        file: Any = files().fget(fd)
    except OSError:
        return None
    try:
        return file.get_fence() if isinstance(file, SyncFile) else None
    finally:
        file.put()


@spelled("sync_file_get_name")
def sync_file_get_name(sync_file: SyncFile, buf: list[str], length: int) -> str:
    """The name, `length` bytes with the one that ends it, also in `buf[0]`."""
    name = sync_file.name[: length - 1]
    buf[:1] = [name]
    return name
