"""How sure a way is, beyond its edges: its length, the guards on it, what is known to be all right.

Each doubt is a factor with a reason; together with the grades of the edges they are the
confidence of a finding. The factors were set by eye, while looking at findings of Linux 6.12.
"""

from __future__ import annotations

import re

from dmabuf.audit.ways.effect import Way

__all__ = ["AXIOMS", "allowed", "doubt", "doubt_of_both"]

_FREE_HOPS = 4
_PER_HOP = 0.94
_PER_CLEANUP = 0.85
_TWO_CONDITIONS = 0.8
_CLEANUP = re.compile(r"(?:^|_)(?:put|free|release|destroy|fini|cleanup|remove)(?:_|$)")
_STACK = re.compile(r"[<>]=? *sizeof|sizeof.*[<>]")
_FOREIGN = "(struct dma_buf_ops)"
_BEGINNINGS = re.compile(r"(?:^|_)(?:init|probe|register|load|bind|late_init|hw_init|sw_init)$")

_ALLOWED = {
    # It waits for a job whose fence was signalled before: its callback could not be removed.
    ("drm_sched_stop", "dma_fence_wait"),
    # The page is there: only its mapping is changed back.
    ("drm_gem_shmem_put_pages", "set_pages_array_wb"),
}
AXIOMS = ("might_alloc", "fs_reclaim_acquire")
"""By these a driver itself says what it does, wherever it stands."""
_PRIMING = frozenset({"dma_resv_lockdep", "dma_fence_lockdep"})
"""Functions that tell lockdep what is allowed by doing it at boot."""


def allowed(way: Way) -> bool:
    """Is the line known to be all right, or one that only primes lockdep?"""
    *_before, last = way.hops
    if (last.place.function, way.effect.name) in _ALLOWED:
        return True
    return way.root.function in _PRIMING


def doubt(way: Way, *, evidence: bool = False) -> float:
    """The factor by which a way is less sure than its edges.

    Args:
        way: the way.
        evidence: it shows where a lock is held; what is done when a device comes up counts less.
    """
    factor = _PER_HOP ** max(len(way.hops) - _FREE_HOPS, 0) if way.conditions else 1.0
    for hop in way.hops[:-1]:
        if _CLEANUP.search(hop.callee):
            factor *= _PER_CLEANUP
        if _FOREIGN in hop.note:
            factor *= 0.5  # any exporter may be behind it, and that one keeps the rules for itself
    if any(_STACK.search(one) for one in way.conditions):
        factor *= 0.4  # memory for what does not fit on the stack
    axiom = way.effect.name in AXIOMS
    if evidence and not axiom and any(_BEGINNINGS.search(hop.place.function) for hop in way.hops):
        factor *= 0.7
    return factor


def doubt_of_both(way: Way, other: Way) -> float:
    """Of the two sides of a lock: where each has a condition, they may exclude each other."""
    return _TWO_CONDITIONS if way.conditions and other.conditions else 1.0
