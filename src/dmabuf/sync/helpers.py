"""Helper tasks and objects that exist once in a runtime: what deferred work is made of.

Mirrors: nothing; every mechanism of deferred work has helpers of its own in the kernel.

    >>> once(ambient(), "example of once", lambda: 1), once(ambient(), "example of once", lambda: 2)
    (1, 1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dmabuf._names import no_kernel
from dmabuf.errors import DesignError
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Kind, Runtime

__all__ = ["ambient", "once", "start_helper"]

T = TypeVar("T")


@no_kernel("before the system is up")
def may_make(rt: Runtime) -> bool:
    """Is this a place that is the same in every schedule: live, or the design's body?"""
    return not (rt.explored and rt.current().key)


@no_kernel("a global variable")
def once(rt: Runtime, key: str, make: Callable[[], T], *, call: str = "") -> T:
    """The runtime's one object of that key, made by `make` when first asked for.

    Explored, the design's body has to be the first to ask: which of two tasks comes first
    would differ between schedules that the search takes as equal, and so would all names.

    Args:
        rt: the runtime.
        key: name among the runtime's extras.
        make: makes the object.
        call: what the body should call, for the message.
    """
    found: T | None = rt.extras.get(key)
    if found is not None:
        return found
    if not may_make(rt):
        raise DesignError(f"{key} is made in the design's own body: call {call or key} there")
    made: T = rt.extras.setdefault(key, make())
    return made


@no_kernel("kthread_create of the mechanism itself")
def start_helper(rt: Runtime, name: str, loop: Callable[[], object]) -> None:
    """Start an idle worker: explored a task of its own, live a daemon thread of that name."""
    if rt.explored:
        rt.spawn(loop, name=name, kind=Kind.WORKER, idle=True)
    else:
        rt.service(name, loop)
