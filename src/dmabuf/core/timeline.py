"""Fence contexts: the timeline that fences belong to, and that makes them.

Mirrors: include/linux/dma-fence.h (dma_fence_init, dma_fence_context_alloc)

    >>> gpu = Timeline("gpu")
    >>> fence = gpu.fence()
    >>> fence.context == gpu.context, fence.seqno
    (True, 1)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from dmabuf._names import kernel, no_kernel
from dmabuf.core.compiled import bind
from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import HOOKED, FenceOps, NamedOps, check_names, context_alloc
from dmabuf.core.fence_steps import Callback, State, new_state
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Op, Runtime, Task
from dmabuf.rt.clock import monotonic_ns
from dmabuf.rt.live_task import LiveTask
from dmabuf.sync.spinlock import SpinLock

__all__ = ["Timeline"]

_NAMED = NamedOps()


def introduce(fence: Fence) -> None:
    """Explored or observed, a fence has its lock from the start and a name in reports."""
    rt = fence.timeline.rt
    if not rt.explored:
        rt.adopt(fence, fence.name)
        return
    rt.adopt(fence, f"fence {fence.name}")
    state = fence._state = new_state(fence.timeline, [])
    rt.adopt(state, f"{fence.name}.lock")


def _draw(timeline: Timeline, _task: Task) -> int:
    return next(timeline.seqnos)


DRAW = Op("timeline.draw", action=_draw, says="draws a seqno of {}")


def _quick_maker(timeline: Timeline) -> Callable[[], Fence]:
    """`Timeline.fence` of a live runtime that nobody observes.

    A closure: attribute look-ups and a test for observers would cost a tenth of a new fence.
    """
    seqnos = timeline.seqnos

    def fence() -> Fence:
        made = Fence()
        made.timeline = timeline
        made.seqno = next(seqnos)
        made._state = None
        return made

    return fence


class Timeline:
    """A fence context: fences of one timeline are ordered by seqno and signal in that order.

    Args:
        name: the timeline's name.
        driver: the driver's name.
        ops: operations of its fences; without them names are the two above.
        lock: one lock for all its fences (the kernel's external lock); without it each fence
            has its own.
        context: number, a new one if not given.
        wide: compare seqnos as 64 bit instead of 32.
        rt: the runtime its fences belong to; the ambient one if not given.

    Attributes:
        fence: call it for a new pending fence with the next seqno. Context: any.
    """

    __slots__ = (
        "context",
        "driver",
        "fence",
        "hooked",
        "lock",
        "lock_name",
        "name",
        "ops",
        "releases",
        "rt",
        "seqnos",
        "wide",
    )

    def __init__(
        self,
        name: str,
        *,
        driver: str = "dmabuf",
        ops: FenceOps | None = None,
        lock: SpinLock | None = None,
        context: int | None = None,
        wide: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        self.name = name
        self.driver = driver
        self.ops = ops or _NAMED
        check_names(self.ops)
        self.lock = lock
        self.rt = rt or ambient()
        self.context = context_alloc(rt=self.rt) if context is None else context
        self.wide = wide
        self.seqnos = itertools.count(1)
        self.hooked = ops is not None or lock is not None
        self.releases = self.ops.release is not None
        if self.ops.enable_signaling is not None:
            self.rt.extras[HOOKED] = True
        self.lock_name = f"{name} fence.lock"
        self.fence = self._fence if self.rt.observed else _quick_maker(self)
        self.rt.adopt(self, name)

    def _fence(self) -> Fence:
        """What `fence` is where runs are explored or observed: drawing a seqno is a step."""
        self.rt.step(DRAW, self)
        return self.fence_at(self.rt.current().value)

    @no_kernel("kzalloc and dma_fence_init in one")
    def fence_at(self, seqno: int) -> Fence:
        """A new pending fence with a seqno of the caller's. Context: any."""
        fence = Fence()
        self.init(fence, seqno)
        return fence

    @kernel("dma_fence_init", "dma_fence_init64")
    def init(self, fence: Fence, seqno: int) -> None:
        """Make a new object a pending fence of this timeline. Context: any."""
        fence.timeline = self
        fence.seqno = seqno
        fence._state = None
        if not self.rt.quick:
            introduce(fence)

    def __repr__(self) -> str:
        return f"<Timeline {self.driver}:{self.name} context={self.context}>"


bind(Fence, Timeline, Callback, State, LiveTask, clock=monotonic_ns)
