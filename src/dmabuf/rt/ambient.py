"""Which runtime an object captures when it is constructed.

Each thread has an ambient runtime: the one it was given with `use`, else the process-wide live
one, which is made when first needed.

    >>> ambient().explored
    False
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dmabuf.rt.api import Runtime

__all__ = ["ambient", "set_ambient", "use"]

_local = threading.local()
_live: list[Runtime] = []
_live_lock = threading.Lock()


def ambient() -> Runtime:
    """The runtime of the calling thread."""
    runtime = getattr(_local, "runtime", None)
    return cast("Runtime", runtime) if runtime is not None else _default()


def set_ambient(runtime: Runtime | None) -> Runtime | None:
    """Make `runtime` the calling thread's ambient one; returns the one before."""
    before = getattr(_local, "runtime", None)
    _local.runtime = runtime
    return before


@contextmanager
def use(runtime: Runtime) -> Generator[Runtime]:
    """Objects constructed inside belong to `runtime`."""
    before = set_ambient(runtime)
    try:
        yield runtime
    finally:
        set_ambient(before)


def _default() -> Runtime:
    from dmabuf.rt.threads import Threads

    with _live_lock:
        if not _live:
            _live.append(Threads())
        return _live[0]
