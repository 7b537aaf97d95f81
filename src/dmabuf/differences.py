"""Where kernels differ from each other in names, and we from them: ours are the newest kernel's.

What kernels answer otherwise under the same name is in `dmabuf.changes`.

>>> since("6.12")[0].symbol
'dma_fence_array_create'
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["DIFFERENCES", "Difference", "Kind", "since"]


class Kind(enum.Enum):
    """What became of a symbol."""

    NEW = "new"
    RENAMED = "renamed"
    CHANGED = "changed"
    GONE = "gone"
    OTHERWISE = "otherwise here"


@dataclass(frozen=True, slots=True)
class Difference:
    """One symbol that older kernels lack, have otherwise, or that we have otherwise.

    Attributes:
        symbol: the kernel's name.
        kind: what became of it.
        after: the last of the kernels read (6.1, 6.12) that has the old form; empty where the
            difference is ours.
        says: the difference in one sentence.
    """

    symbol: str
    kind: Kind
    after: str
    says: str


DIFFERENCES = (
    Difference(
        "dma_fence_set_deadline", Kind.NEW, "6.1", "Deadline hints came between 6.1 and 6.12."
    ),
    Difference(
        "dma_buf_vmap",
        Kind.CHANGED,
        "6.1",
        "Called with the reservation lock; 6.1 had a mutex of its own for it.",
    ),
    Difference("dma_buf_vmap_unlocked", Kind.NEW, "6.1", "Takes the lock that dma_buf_vmap needs."),
    Difference(
        "dma_buf_vunmap_unlocked", Kind.NEW, "6.1", "Takes the lock that dma_buf_vunmap needs."
    ),
    Difference("DRM_IOCTL_SYNCOBJ_EVENTFD", Kind.NEW, "6.1", "Eventfds came between 6.1 and 6.12."),
    Difference(
        "DRM_IOCTL_SYNCOBJ_WAIT",
        Kind.CHANGED,
        "6.1",
        "A wait for no handles succeeds; up to 6.1 it was EINVAL. Deadline hints are new, too.",
    ),
    Difference(
        "dma_fence_array_create",
        Kind.CHANGED,
        "6.12",
        "The argument signal_on_any (signal with the first member) is gone.",
    ),
    Difference(
        "dma_fence_array_init",
        Kind.CHANGED,
        "6.12",
        "The argument signal_on_any (signal with the first member) is gone.",
    ),
    Difference(
        "dma_fence_check_and_signal",
        Kind.NEW,
        "6.12",
        "Says whether the fence was signalled already, as dma_fence_signal did up to 6.12.",
    ),
    Difference(
        "dma_fence_check_and_signal_locked",
        Kind.NEW,
        "6.12",
        "Says whether the fence was signalled already, as dma_fence_signal_locked did up to 6.12.",
    ),
    Difference(
        "dma_fence_signal",
        Kind.CHANGED,
        "6.12",
        "Returns nothing; up to 6.12 it returned 0, or -EINVAL for a fence signalled already.",
    ),
    Difference(
        "dma_fence_init64",
        Kind.NEW,
        "6.12",
        "64-bit seqnos were a flag of the fence's operations up to 6.12, set by chains only.",
    ),
    Difference(
        "dma_fence_init",
        Kind.CHANGED,
        "6.12",
        "The lock may be NULL: the fence then has its own; up to 6.12 it was mandatory.",
    ),
    Difference(
        "dma_fence_enable_signaling",
        Kind.RENAMED,
        "6.12",
        "dma_fence_enable_sw_signaling up to 6.12; both names are kept here.",
    ),
    Difference(
        "dma_fence_driver_name",
        Kind.NEW,
        "6.12",
        "Names are read under RCU; up to 6.12 callers used ops->get_driver_name.",
    ),
    Difference(
        "dma_fence_timeline_name",
        Kind.NEW,
        "6.12",
        "Names are read under RCU; up to 6.12 callers used ops->get_timeline_name.",
    ),
    Difference(
        "dma_buf_map_attachment",
        Kind.CHANGED,
        "6.12",
        "Pins and maps each time; up to 6.12 attaching a static importer to an exporter that "
        "can move its storage mapped at once, and that mapping was kept.",
    ),
    Difference(
        "dma_buf_invalidate_mappings",
        Kind.RENAMED,
        "6.12",
        "dma_buf_move_notify up to 6.12; both names are kept here.",
    ),
    Difference(
        "DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD",
        Kind.CHANGED,
        "6.12",
        "Descriptors of single points (HANDLE_TO_FD and FD_TO_HANDLE with TIMELINE) came later.",
    ),
    Difference("dma_fence_dedup_array", Kind.NEW, "6.12", "Was a part of the merge up to 6.12."),
    Difference(
        "dma_heap_buffer_alloc",
        Kind.OTHERWISE,
        "",
        "More than there is answers ENOMEM; there the OOM killer may end the process.",
    ),
    Difference(
        "memfd_pin_folios",
        Kind.OTHERWISE,
        "",
        "Pins the pages of a udmabuf; here they are mapped, so a hole in the memfd shows in it.",
    ),
    Difference(
        "sw_sync_debugfs_release",
        Kind.OTHERWISE,
        "",
        "Signals with the timeline's lock held, and hangs if a callback puts a fence's last "
        "reference; here that ends well.",
    ),
    Difference(
        "__dma_fence_might_wait",
        Kind.OTHERWISE,
        "",
        "A part of every wait; what it tells the lock validator is the validator's business.",
    ),
    Difference(
        "dma_fence_array_for_each",
        Kind.OTHERWISE,
        "",
        "A macro; here an array is iterated over.",
    ),
    Difference(
        "dma_fence_chain_free",
        Kind.OTHERWISE,
        "",
        "Frees a node that was never initialised; here such a node is simply dropped.",
    ),
)
"""In order of the kernel versions; those of our own last."""


def since(version: str) -> tuple[Difference, ...]:
    """What is different since that kernel ("6.1", "6.12")."""
    return tuple(one for one in DIFFERENCES if one.after == version)
