"""The names of allocation flags, as bits; and what an allocation may do with them.

Mirrors: include/linux/gfp_types.h

Flags of other places (`TTM_..._GFP`) are macros and are found as such. Bits that have no fixed
number (KASAN, lockdep) are nothing here.
"""

from __future__ import annotations

from dmabuf.mm.gfp import current_gfp_context
from dmabuf.rt.api import Scope
from dmabuf.sync.gfp import Gfp

__all__ = ["FLAGS", "left", "reclaims"]

_ABSENT = ("SKIP_ZERO", "SKIP_KASAN", "NOLOCKDEP", "SKIP_KASAN_UNPOISON", "NO_OBJ_EXT")
_DOWN = {"DMA", "DMA32", "HIGHMEM", "MOVABLE", "RECLAIMABLE", "HIGH", "IO", "FS", "ZERO"}

FLAGS: dict[str, int] = {
    **{f"__GFP_{name}": int(bits) for name, bits in Gfp.__members__.items()},
    **{f"GFP_{name}": int(bits) for name, bits in Gfp.__members__.items() if name not in _DOWN},
    **{f"__GFP_{name}": 0 for name in _ABSENT},
    "GFP_DMA": int(Gfp.DMA),
    "GFP_DMA32": int(Gfp.DMA32),
    "GFP_RECLAIM_MASK": int(Gfp.KERNEL),
    "GFP_ZONEMASK": int(Gfp.DMA | Gfp.HIGHMEM | Gfp.DMA32 | Gfp.MOVABLE),
}
"""`GFP_*` and `__GFP_*` by name."""


def left(gfp: int, scopes: frozenset[str]) -> int | None:
    """The flags as the scopes around an allocation leave them; None where it may not reclaim.

    An allocation with no more than __GFP_KSWAPD_RECLAIM wakes kswapd and does not wait; one with
    __GFP_NORETRY still reclaims once.

    >>> left(int(Gfp.KERNEL), frozenset(["nofs"])) == int(Gfp.NOFS)
    True
    >>> left(int(Gfp.KERNEL), frozenset(["noreclaim"])), left(int(Gfp.ATOMIC), frozenset())
    (None, None)
    """
    if "noreclaim" in scopes or not reclaims(gfp):
        return None
    scope = Scope.NONE
    if "noio" in scopes:
        scope |= Scope.NOIO
    if "nofs" in scopes:
        scope |= Scope.NOFS
    return int(current_gfp_context(Gfp(gfp), scope)) if scope else gfp


def reclaims(gfp: int) -> bool:
    """Whether an allocation with these flags may enter direct reclaim."""
    return bool(gfp & Gfp.DIRECT_RECLAIM)
