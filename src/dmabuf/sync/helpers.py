"""Helper tasks: what deferred work is made of.

Mirrors: nothing; every mechanism of deferred work has helpers of its own in the kernel.
"""

from __future__ import annotations

from collections.abc import Callable

from dmabuf._names import no_kernel
from dmabuf.rt.api import Kind, Runtime

__all__ = ["start_helper"]


@no_kernel("kthread_create of the mechanism itself")
def start_helper(rt: Runtime, name: str, loop: Callable[[], object]) -> None:
    """Start an idle worker: explored a task of its own, live a daemon thread of that name."""
    if rt.explored:
        rt.spawn(loop, name=name, kind=Kind.WORKER, idle=True)
    else:
        rt.service(name, loop)
