"""The Linux dma-buf subsystem in Python: run live, explored under every schedule, checked.

A map, from the top: `cli` (the command), `rules` (the contract), `explore` (which schedule
next), `audit` (C source), `kapi` (the kernel's own names), `contract` (the validator), `machine`
(what a design receives), `core` (fences and what is made of them, buffers), `mm` (memory), `sync`
(locks, waiting, deferred work, RCU), `rt` (how tasks run), `report` (findings as values), `codes`
(the catalogue), `differences` (between kernels), `errors` (what is raised: `from dmabuf.errors
import Interrupted`).

    >>> import dmabuf
    >>> fence = dmabuf.Timeline("gpu").fence()
    >>> fence.signal()
    >>> fence.wait(timeout=0)
    True

Names load when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would be most of the cost
if TYPE_CHECKING:
    from typing import Any

    from dmabuf.core.dma_buf import Access, DmaBuf
    from dmabuf.core.fence import Fence
    from dmabuf.core.fence_array import FenceArray
    from dmabuf.core.fence_chain import FenceChain
    from dmabuf.core.fence_ops import FenceOps
    from dmabuf.core.fence_unwrap import merge, unwrap
    from dmabuf.core.fence_wait import wait_any
    from dmabuf.core.heap import SystemHeap
    from dmabuf.core.resv import Resv, Usage
    from dmabuf.core.sync_file import SyncFile
    from dmabuf.core.syncobj import SyncObj
    from dmabuf.core.timeline import Timeline
    from dmabuf.core.wait_set import WaitSet
    from dmabuf.explore.check import check_design
    from dmabuf.machine import Machine, design
    from dmabuf.report.finding import Finding
    from dmabuf.report.verdict import Status, Verdict
    from dmabuf.rt.ambient import ambient, use
    from dmabuf.rt.threads import Threads
    from dmabuf.sync.completion import Completion
    from dmabuf.sync.context import allocate, idle, might_sleep, signalling
    from dmabuf.sync.gfp import Gfp
    from dmabuf.sync.irq_work import IrqWork
    from dmabuf.sync.mutex import Mutex
    from dmabuf.sync.shared import Shared
    from dmabuf.sync.spinlock import SpinLock
    from dmabuf.sync.waitqueue import WaitQueue
    from dmabuf.sync.work import Work
    from dmabuf.sync.workqueue import WorkQueue
    from dmabuf.sync.ww_acquire import ww_acquire

__version__ = "0.1.0"

_HOME = {
    "Access": "core.dma_buf",
    "Completion": "sync.completion",
    "DmaBuf": "core.dma_buf",
    "Fence": "core.fence",
    "FenceArray": "core.fence_array",
    "FenceChain": "core.fence_chain",
    "FenceOps": "core.fence_ops",
    "Finding": "report.finding",
    "Gfp": "sync.gfp",
    "IrqWork": "sync.irq_work",
    "Machine": "machine",
    "Mutex": "sync.mutex",
    "Resv": "core.resv",
    "Shared": "sync.shared",
    "SpinLock": "sync.spinlock",
    "Status": "report.verdict",
    "SyncFile": "core.sync_file",
    "SyncObj": "core.syncobj",
    "SystemHeap": "core.heap",
    "Threads": "rt.threads",
    "Timeline": "core.timeline",
    "Usage": "core.resv",
    "Verdict": "report.verdict",
    "WaitQueue": "sync.waitqueue",
    "WaitSet": "core.wait_set",
    "Work": "sync.work",
    "WorkQueue": "sync.workqueue",
    "allocate": "sync.context",
    "ambient": "rt.ambient",
    "check_design": "explore.check",
    "design": "machine",
    "idle": "sync.context",
    "merge": "core.fence_unwrap",
    "might_sleep": "sync.context",
    "signalling": "sync.context",
    "unwrap": "core.fence_unwrap",
    "use": "rt.ambient",
    "wait_any": "core.fence_wait",
    "ww_acquire": "sync.ww_acquire",
}

__all__ = [
    "Access",
    "Completion",
    "DmaBuf",
    "Fence",
    "FenceArray",
    "FenceChain",
    "FenceOps",
    "Finding",
    "Gfp",
    "IrqWork",
    "Machine",
    "Mutex",
    "Resv",
    "Shared",
    "SpinLock",
    "Status",
    "SyncFile",
    "SyncObj",
    "SystemHeap",
    "Threads",
    "Timeline",
    "Usage",
    "Verdict",
    "WaitQueue",
    "WaitSet",
    "Work",
    "WorkQueue",
    "__version__",
    "allocate",
    "ambient",
    "check_design",
    "design",
    "idle",
    "merge",
    "might_sleep",
    "signalling",
    "unwrap",
    "use",
    "wait_any",
    "ww_acquire",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'dmabuf' has no attribute {name!r}")
    return getattr(import_module(f"dmabuf.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
