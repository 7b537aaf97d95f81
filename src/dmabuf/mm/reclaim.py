"""One pass of reclaim: user pages first, then shrinkers, in the task that is short of memory.

Mirrors: mm/vmscan.c, mm/page_alloc.c (__perform_reclaim)
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from dmabuf._names import kernel, no_kernel
from dmabuf.mm.reclaimable import reclaimable
from dmabuf.mm.shrinker import shrink_slab
from dmabuf.rt.api import Runtime, Scope, Task
from dmabuf.sync.context import fs_reclaim
from dmabuf.sync.gfp import Gfp

__all__ = ["Kinds", "is_reclaiming", "reclaim"]


class Kinds(enum.IntFlag):
    """What a pass of reclaim comes by: the kernel stops when it has enough, so it may be either."""

    USER = 1
    SLAB = 2
    ALL = 3


@kernel("try_to_free_pages", context="process")
def reclaim(rt: Runtime, gfp: Gfp, kinds: Kinds, free: Callable[[int], None]) -> int:
    """Unmap user pages and call shrinkers; how much came back. Context: process, may sleep.

    Allocations inside do not reclaim (PF_MEMALLOC).

    Args:
        rt: the runtime.
        gfp: of the allocation: without IO no anonymous pages; shrinkers are told.
        kinds: what to reclaim from.
        free: takes the pages of user memory.
    """
    task = rt.current()
    before = task.scope
    task.scope = before | Scope.NORECLAIM | Scope.RECLAIM
    freed = 0
    try:
        with fs_reclaim(gfp, rt):
            if kinds & Kinds.USER:
                for mm in reclaimable(rt).walk("mms"):
                    freed += mm.reclaim(gfp, free)
            if kinds & Kinds.SLAB:
                freed += shrink_slab(gfp, rt=rt)
    finally:
        task.scope = before
    return freed


@no_kernel("current->reclaim_state")
def is_reclaiming(task: Task) -> bool:
    """Is it freeing memory for whoever is short of it, itself or others? Context: any."""
    return bool(task.scope & Scope.RECLAIM)
