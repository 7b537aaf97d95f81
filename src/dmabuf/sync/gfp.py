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
    """Allocation flags (___GFP_*) and the composites that kernel code uses (GFP_*).

    Bits that only exist with some debugging options (KASAN, lockdep) have no fixed number and are
    left out, also from the composites.
    """

    DMA = 0x1
    HIGHMEM = 0x2
    DMA32 = 0x4
    MOVABLE = 0x8
    RECLAIMABLE = 0x10
    HIGH = 0x20
    IO = 0x40
    FS = 0x80
    ZERO = 0x100
    DIRECT_RECLAIM = 0x400
    KSWAPD_RECLAIM = 0x800
    WRITE = 0x1000
    NOWARN = 0x2000
    RETRY_MAYFAIL = 0x4000
    NOFAIL = 0x8000
    NORETRY = 0x10000
    MEMALLOC = 0x20000
    COMP = 0x40000
    NOMEMALLOC = 0x80000
    HARDWALL = 0x100000
    THISNODE = 0x200000
    ACCOUNT = 0x400000
    ZEROTAGS = 0x800000

    RECLAIM = DIRECT_RECLAIM | KSWAPD_RECLAIM
    ATOMIC = HIGH | KSWAPD_RECLAIM
    KERNEL = RECLAIM | IO | FS
    KERNEL_ACCOUNT = KERNEL | ACCOUNT
    NOWAIT = KSWAPD_RECLAIM | NOWARN
    NOIO = RECLAIM
    NOFS = RECLAIM | IO
    USER = RECLAIM | IO | FS | HARDWALL
    HIGHUSER = USER | HIGHMEM
    HIGHUSER_MOVABLE = HIGHUSER | MOVABLE
    TRANSHUGE_LIGHT = (HIGHUSER_MOVABLE | COMP | NOMEMALLOC | NOWARN) & ~RECLAIM
    TRANSHUGE = TRANSHUGE_LIGHT | DIRECT_RECLAIM
