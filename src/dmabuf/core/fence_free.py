"""When the memory of a fence is gone: after a grace period from the last put.

Mirrors: drivers/dma-buf/dma-fence.c (dma_fence_free)

A reader that began before the last put may still look at the fence until it leaves. That is
kept in explored designs only, and for fences whose driver has no `release` hook of its own: a
hook frees when it likes. Live, Python keeps what anybody can name.

    >>> from dmabuf.core.timeline import Timeline
    >>> fence = Timeline("gpu").fence()
    >>> fence.put(); is_freed(fence)       # a live runtime
    False
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf._names import no_kernel
from dmabuf.rt.api import READ, WRITE, Op, Task
from dmabuf.sync.rcu import known_domain, watch_readers

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["check_use", "freed_by_put", "is_freed", "put_touches"]

_FREED = "core.fence.freed"
"""Name in `Runtime.extras` of the fences put for the last time, each with its readers of then."""


def _freed(fence: Fence) -> dict[Fence, Any]:
    freed: dict[Fence, Any] = fence.timeline.rt.extras.setdefault(_FREED, {})
    return freed


@no_kernel("kfree_rcu of the fence: a part of the step that puts the last reference")
def freed_by_put(fence: Fence) -> None:
    """The last reference is put: from now the readers of this moment are waited for."""
    rt = fence.timeline.rt
    if rt.explored and fence.timeline.ops.release is None:
        _freed(fence)[fence] = watch_readers(rt)


@no_kernel("the footprint of the step that puts a reference")
def put_touches(fence: Fence, references: int) -> tuple[tuple[Any, int], ...]:
    """Of a fence with so many references; the last put looks who reads.

    A runtime that nobody has read in has no domain yet. Whoever begins to read after the last
    put is no reader of old, so may not use the fence, and that is found in this order already.
    """
    rt = fence.timeline.rt
    domain = known_domain(rt) if references == 1 and rt.explored else None
    return ((fence, WRITE),) if domain is None else ((fence, WRITE), (domain, WRITE))


@no_kernel("KASAN knows")
def is_freed(fence: Fence) -> bool:
    """Is a grace period over since its last reference was put? Without a step."""
    sections = _freed(fence).get(fence) if fence.timeline.rt.explored else None
    return sections is not None and all(section.depth == 0 for section in sections)


def _use(fence: Fence, _task: Task) -> bool:
    return not is_freed(fence)


def _use_touches(fence: Fence, _task: Task) -> tuple[tuple[Any, int], ...]:
    domain = known_domain(fence.timeline.rt)
    return ((fence, READ),) if domain is None else ((fence, READ), (domain, READ))


USE = Op("fence.use", action=_use, touches=_use_touches, says="uses {}")


@no_kernel("KASAN's report of a use after free")
def check_use(fence: Fence, does: str) -> None:
    """Report (DF004) that the task `does` something to a fence that is freed.

    Right after a step on the fence, whose footprint covers the look whether it was put; only
    if it was does this take a step of its own. Context: any.
    """
    rt = fence.timeline.rt
    if not rt.explored or fence not in _freed(fence):
        return
    rt.step(USE, fence)
    if not rt.current().value:
        message = "freed: a grace period is over since its last reference was put"
        rt.report("DF004", f"{rt.current().name} {does} {fence.name}, which is {message}")
