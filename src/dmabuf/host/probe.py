"""What this machine's kernel has, and what would enable the rest.

Mirrors: include/uapi

    >>> all(feature.is_available or feature.remedy for feature in probe())
    True

Features are tried, never guessed from a version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dmabuf.errors import NotAvailable
from dmabuf.host import dma_heap, sw_sync, syncobj, udmabuf, v4l2, vgem
from dmabuf.host.owned import Owned

__all__ = ["FEATURES", "Feature", "probe"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that a kernel may have.

    Attributes:
        name: the module of `host` that speaks to it.
        is_available: could it be opened?
        says: why not; empty if it could.
        remedy: what would enable it.
    """

    name: str
    is_available: bool
    says: str
    remedy: str


FEATURES: dict[str, tuple[Callable[[], Owned], str]] = {
    "dma_heap": (dma_heap.HeapFd.open, dma_heap.REMEDY),
    "udmabuf": (udmabuf.UdmabufFd.open, udmabuf.REMEDY),
    "vgem": (vgem.VgemFd.open, vgem.REMEDY),
    "syncobj": (syncobj.SyncobjFd.open, syncobj.REMEDY),
    "sw_sync": (sw_sync.SwSyncFd.open, sw_sync.REMEDY),
    "v4l2": (v4l2.VideoFd.open, v4l2.REMEDY),
}
"""By name: how to open it, and what would enable it."""


def probe() -> list[Feature]:
    """Try each feature in turn; nothing stays open."""
    return [_try(name, *how) for name, how in FEATURES.items()]


def _try(name: str, open_it: Callable[[], Owned], remedy: str) -> Feature:
    try:
        with open_it():
            return Feature(name, is_available=True, says="", remedy=remedy)
    except NotAvailable as missing:
        return Feature(name, is_available=False, says=str(missing.strerror), remedy=remedy)
