"""Locks of one device: two drivers never meet on one of them.

A `struct drm_device` belongs to one driver, whatever shared code takes its locks. Who holds that
of another driver's device holds another lock. Buffers, fences, bridges and panels are handed from
driver to driver, and their locks with them.
"""

from __future__ import annotations

from typing import Final

from dmabuf.audit.program.routine import owner_of
from dmabuf.audit.ways.effect import LockClass, Way

__all__ = ["meet"]

_OWN: Final = ("struct drm_", "struct ttm_")
_HANDED: Final = ("struct drm_bridge", "struct drm_dp_", "struct drm_panel")


def meet(lock: LockClass, way: Way, other: Way) -> bool:
    """Whether two ways can be about one lock of a class.

    Args:
        lock: the class.
        way: one that takes it.
        other: one from a function that holds it.
    """
    struct = lock[0]
    if not struct.startswith(_OWN) or struct.startswith(_HANDED):
        return True
    return len(_drivers(way) | _drivers(other)) <= 1


def _drivers(way: Way) -> set[str]:
    return {owner_of(hop.place.file) for hop in way.hops} - {""}
