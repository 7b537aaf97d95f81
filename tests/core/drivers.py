"""A driver whose hooks write down when they are called, and fences of it."""

from __future__ import annotations

from typing import Any

from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.fence_steps import state_of
from dmabuf.core.timeline import Timeline
from dmabuf.sync.context import ALLOCATOR
from dmabuf.sync.gfp import Gfp

__all__ = ["Driver", "flags", "no_memory", "pending", "pending_of"]


class Driver(FenceOps):
    """Names and, of the optional hooks, those that are given; `calls` has their names in order.

    A hook that is not given stays None, as in a kernel table. One that is given is called with
    the fence (and the hook's other arguments), and its result is the hook's.
    """

    def __init__(self, **hooks: Any) -> None:
        self.calls: list[str] = []
        for name, fn in hooks.items():
            setattr(self, name, self._noted(name, fn))

    def _noted(self, name: str, fn: Any) -> Any:
        def hook(*args: Any) -> Any:
            self.calls.append(name)
            return fn(*args)

        return hook

    def get_driver_name(self, fence: Fence) -> str:
        """Its driver's name."""
        return "drv"

    def get_timeline_name(self, fence: Fence) -> str:
        """Its timeline's name."""
        return "ring"


def pending() -> Fence:
    """A pending fence of a driver without hooks."""
    return Timeline("gpu").fence()


def pending_of(driver: FenceOps) -> Fence:
    """A pending fence of that driver."""
    return Timeline("ring0", driver="drv", ops=driver).fence()


def flags(fence: Fence) -> int:
    """The flags as they stand."""
    return state_of(fence).flags


def no_memory(rt: Any, *, but: int = 0) -> list[tuple[Gfp, str]]:
    """From now on allocations of the present run fail, after the first `but`; what was asked."""
    asked: list[tuple[Gfp, str]] = []

    def answer(gfp: Gfp, what: str) -> bool:
        asked.append((gfp, what))
        return len(asked) <= but

    rt.runtime.extras[ALLOCATOR] = answer
    return asked
