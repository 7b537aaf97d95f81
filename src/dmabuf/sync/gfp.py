"""How an allocation may behave: the flags, with the kernel's bits.

Mirrors: include/linux/gfp_types.h

The words are needed wherever something allocates, so they stand this low; what an allocation
does with them is the business of `mm`.

    >>> Gfp.KERNEL & Gfp.DIRECT_RECLAIM == Gfp.DIRECT_RECLAIM, bool(Gfp.ATOMIC & Gfp.DIRECT_RECLAIM)
    (True, False)
"""

from __future__ import annotations

import enum

__all__ = ["Gfp"]


class Gfp(enum.IntFlag):
    """Allocation flags (___GFP_*) and the composites that kernel code uses (GFP_*)."""

    HIGH = 0x20
    IO = 0x40
    FS = 0x80
    DIRECT_RECLAIM = 0x400
    KSWAPD_RECLAIM = 0x800

    ATOMIC = HIGH | KSWAPD_RECLAIM
    KERNEL = IO | FS | DIRECT_RECLAIM | KSWAPD_RECLAIM
    NOFS = IO | DIRECT_RECLAIM | KSWAPD_RECLAIM
    NOIO = DIRECT_RECLAIM | KSWAPD_RECLAIM
    NOWAIT = KSWAPD_RECLAIM
