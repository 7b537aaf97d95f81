"""What the flags of an allocation mean for the task that makes it.

Mirrors: include/linux/sched/mm.h (current_gfp_context), include/linux/gfp.h, mm/page_alloc.c

    >>> current_gfp_context(Gfp.KERNEL, Scope.NOIO) == Gfp.NOIO
    True
    >>> may_reclaim(Gfp.KERNEL, Scope.NORECLAIM)
    False
    >>> never_fails(Gfp.KERNEL, 0), never_fails(Gfp.ATOMIC, 0)
    (True, False)
"""

from __future__ import annotations

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.api import Scope
from dmabuf.sync.gfp import Gfp

__all__ = [
    "COSTLY_ORDER",
    "Gfp",
    "current_gfp_context",
    "gfpflags_allow_blocking",
    "gives_up",
    "may_reclaim",
    "may_use_reserves",
    "never_fails",
    "spelled",
]

COSTLY_ORDER = 3
"""PAGE_ALLOC_COSTLY_ORDER: up to that the allocator goes on until it has the pages."""


@kernel("current_gfp_context")
def current_gfp_context(gfp: Gfp, scope: Scope) -> Gfp:
    """The flags as the scopes of a task leave them; NOIO takes away FS as well. Context: any."""
    if scope & Scope.NOIO:
        return gfp & ~(Gfp.IO | Gfp.FS)
    return gfp & ~Gfp.FS if scope & Scope.NOFS else gfp


@kernel("gfpflags_allow_blocking")
def gfpflags_allow_blocking(gfp: Gfp) -> bool:
    """May the allocation sleep? Context: any."""
    return bool(gfp & Gfp.DIRECT_RECLAIM)


@no_kernel("__need_reclaim, which is static")
def may_reclaim(gfp: Gfp, scope: Scope) -> bool:
    """May the allocation enter direct reclaim? Not in a task that has PF_MEMALLOC. Context: any."""
    return gfpflags_allow_blocking(gfp) and not scope & Scope.NORECLAIM


@no_kernel("__gfp_pfmemalloc_flags, which is static")
def may_use_reserves(gfp: Gfp, scope: Scope) -> bool:
    """May it use up all there is, below every watermark? Context: any."""
    if gfp & Gfp.NOMEMALLOC:
        return False
    return bool(gfp & Gfp.MEMALLOC or scope & Scope.NORECLAIM)


@no_kernel("the end of __alloc_pages_slowpath, which is static")
def never_fails(gfp: Gfp, order: int) -> bool:
    """Does the allocator go on for ever rather than fail? Context: any.

    NOFAIL asks for it; without a word about failing it is so up to COSTLY_ORDER. Neither holds for
    an allocation that may not reclaim.
    """
    if not gfp & Gfp.DIRECT_RECLAIM:
        return False
    return bool(gfp & Gfp.NOFAIL) or not (
        gfp & (Gfp.NORETRY | Gfp.RETRY_MAYFAIL) or order > COSTLY_ORDER
    )


@no_kernel("the end of __alloc_pages_slowpath, which is static")
def gives_up(gfp: Gfp, order: int) -> bool:
    """Is one pass of reclaim all that it tries? Context: any."""
    if gfp & Gfp.NOFAIL:
        return False
    if gfp & Gfp.NORETRY:
        return True
    return order > COSTLY_ORDER and not gfp & Gfp.RETRY_MAYFAIL


_SPELLED = ("KERNEL", "NOFS", "NOIO", "ATOMIC", "NOWAIT")
_RULING = Gfp.RECLAIM | Gfp.IO | Gfp.FS


@no_kernel("show_gfp_flags, as far as a rule is concerned")
def spelled(gfp: Gfp) -> str:
    """The composite that says how far it may go: "GFP_NOFS". Context: any."""
    if not gfp & Gfp.DIRECT_RECLAIM:
        return "GFP_ATOMIC" if gfp & Gfp.HIGH else "GFP_NOWAIT"
    ruling = gfp & _RULING | Gfp.KSWAPD_RECLAIM
    return next((f"GFP_{name}" for name in _SPELLED if Gfp[name] == ruling), f"gfp {gfp:#x}")
