"""The order that everybody has to keep, stated before anybody has taken a lock.

Mirrors: drivers/dma-buf/dma-resv.c (dma_resv_lockdep), mm/mmu_notifier.c, mm/page_alloc.c (facts)

A permission becomes a prohibition through this: as waiting for a fence is allowed in reclaim, and
so under everything that may reclaim, whatever is on the way to a signal may do none of that. With
the order stated at boot, the very first run shows it, with nobody else in the way.

    >>> order = Order(print)
    >>> known = prime(order)
    >>> [cls.name for cls in known.values()][:3]
    ['mmap_lock', 'reservation_ww_class_acquire', 'reservation_ww_class_mutex']
"""

from __future__ import annotations

from dmabuf.contract.classes import LockClass
from dmabuf.contract.modes import EXCLUSIVE, READ
from dmabuf.contract.order import BOOT, Holder, Order
from dmabuf.contract.usage import NO_IRQ

__all__ = ["FENCE", "I_MMAP", "MMAP", "NOTIFIER", "RECLAIM", "RESV", "WW_ACQUIRE", "prime"]

MMAP = "mmap"
WW_ACQUIRE = "ww_acquire"
RESV = "resv"
RECLAIM = "reclaim"
I_MMAP = "i_mmap"
NOTIFIER = "notifier"
FENCE = "fence"
"""The roles that classes can have in the contract."""

_NAMES = {
    MMAP: "mmap_lock",
    WW_ACQUIRE: "reservation_ww_class_acquire",
    RESV: "reservation_ww_class_mutex",
    RECLAIM: "fs_reclaim",
    I_MMAP: "i_mmap_rwsem",
    NOTIFIER: "mmu_notifier_invalidate_range_start",
    FENCE: "dma_fence_map",
}


def prime(order: Order, *, mmu_notifier: bool = True) -> dict[str, LockClass]:
    """State the order; returns the classes by role.

    Args:
        order: where.
        mmu_notifier: as in a kernel with CONFIG_MMU_NOTIFIER. Without it an allocation with
            GFP_NOFS or GFP_NOIO leads to no wait for a fence, so nobody is told of those.
    """
    known: dict[str, LockClass] = {}
    for role, name in _NAMES.items():
        made = order.classes.of(("role", role), name, role=role)
        assert made is not None, "there is room for these classes"
        known[role] = made
    boot = Holder(BOOT)

    def take(role: str, mode: int = EXCLUSIVE) -> None:
        order.acquire(boot, role, known[role], mode, 0, NO_IRQ)

    def drop(role: str) -> None:
        order.release(boot, role)

    take(MMAP, READ)  # a page fault
    take(WW_ACQUIRE)  # of a buffer that moves
    take(RESV)
    take(RECLAIM)  # allocates with GFP_KERNEL,
    take(I_MMAP)  # which may unmap files
    drop(I_MMAP)
    if mmu_notifier:
        take(NOTIFIER)  # and pages that a device uses,
    take(FENCE)  # and so wait for the device, as a shrinker may.
    drop(FENCE)
    if mmu_notifier:
        drop(NOTIFIER)
    for role in (RECLAIM, RESV, WW_ACQUIRE, MMAP):
        drop(role)
    return known
