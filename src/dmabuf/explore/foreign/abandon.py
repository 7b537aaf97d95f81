"""Leave the execution under way from a signal handler, whatever its tasks do just then.

A handler runs in the frame of whatever the main thread executes, most likely in a task of the
design. An exception raised there would be the task's own: an outcome of the design (DF005), or
swallowed by it. So it is raised in the hub, which no design sees.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast

from dmabuf.rt.ambient import ambient
from dmabuf.rt.tasks import Tasks

__all__ = ["abandon"]

_LEFT_BEHIND: list[Any] = []
"""Tasks that were left where they stood. Let go, they would be told to end, and might not."""


def abandon(error: BaseException) -> NoReturn:
    """Raise `error` from the execution under way, or just raise it if there is none.

    The execution is worth nothing afterwards, and neither is the search that made it. Where tasks
    are threads, those are left waiting.
    """
    rt = ambient()
    if not isinstance(rt, Tasks):
        raise error
    rt.over = True  # whoever unwinds now makes no step
    if rt.carrier.name != "greenlet":
        raise error  # the main thread is the hub
    import greenlet

    hub: greenlet.greenlet = rt.carrier._hub  # type: ignore[attr-defined]
    present = greenlet.getcurrent()
    if present is not hub:
        _LEFT_BEHIND.append(present)
        cast("Any", hub).throw(error)
    raise error
