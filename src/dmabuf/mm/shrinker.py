"""A cache that gives memory back when the machine is short of it.

Mirrors: include/linux/shrinker.h, mm/shrinker.c

`count` says how much it could give, `scan` gives it. Both run inside whatever allocation found
too little memory, with that task's locks held, so a shrinker may take a lock by trylock only if
anybody allocates under it.

    >>> cache = ["old", "older"]
    >>> shrinker = Shrinker("cache", lambda _sc: len(cache), lambda _sc: bool(cache.pop()))
    >>> shrink_slab(Gfp.KERNEL, rt=shrinker.rt), cache
    (1, ['old'])
    >>> shrinker.free()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dmabuf._names import kernel
from dmabuf.mm.reclaimable import reclaimable
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.gfp import Gfp

__all__ = ["SHRINK_EMPTY", "SHRINK_STOP", "ShrinkControl", "Shrinker", "shrink_slab"]

SHRINK_STOP = -1
"""Answer of a scan that cannot make progress now; of a count or a scan, nothing is freed by it."""
SHRINK_EMPTY = -2
"""Answer of a count that knows that there is nothing."""


@dataclass(slots=True)
class ShrinkControl:
    """What reclaim asks a shrinker for.

    Attributes:
        gfp: of the allocation that is short of memory; a shrinker that may not do all that the
            allocation allows looks here (GFP_NOFS has no FS).
        nr_to_scan: how many objects to look at.
        nr_scanned: how many it looked at; the shrinker may correct it.
    """

    gfp: Gfp
    nr_to_scan: int = 0
    nr_scanned: int = 0


def _get(shrinker: Shrinker, _task: Task) -> bool:
    if shrinker.is_gone:
        return False
    shrinker.users += 1
    return True


def _put(shrinker: Shrinker, _task: Task) -> None:
    shrinker.users -= 1


def _go(shrinker: Shrinker, _task: Task) -> bool:
    """Was it unregistered before?"""
    before = shrinker.is_gone
    shrinker.is_gone = True
    return before


def _is_unused(shrinker: Shrinker, _task: Task) -> bool:
    return not shrinker.users


GET = Op(
    "shrinker.get",
    action=_get,
    touches=lambda shrinker, _task: ((shrinker, READ if shrinker.is_gone else WRITE),),
    says="calls {}",
)
PUT = Op("shrinker.put", action=_put, wakes=True, says="is done with {}")
GO = Op("shrinker.free", action=_go, says="unregisters {}")
WAIT = Op(
    "shrinker.wait", guard=_is_unused, access=READ, says="waits for the last call of {} to end"
)


@kernel("struct shrinker", "shrinker_alloc")
class Shrinker:
    """A cache that reclaim may call, registered from the start.

    Args:
        name: for reports.
        count: how many objects could be freed; 0 or SHRINK_EMPTY if none.
        scan: frees up to `nr_to_scan` of them; how many were, or SHRINK_STOP.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        users: how many tasks are calling it.
        is_gone: it was unregistered.
    """

    __slots__ = ("__weakref__", "count", "is_gone", "name", "rt", "scan", "users")

    def __init__(
        self,
        name: str,
        count: Callable[[ShrinkControl], int],
        scan: Callable[[ShrinkControl], int],
        *,
        rt: Runtime | None = None,
    ) -> None:
        self.name = name
        self.count = count
        self.scan = scan
        self.users = 0
        self.is_gone = False
        self.rt = rt or ambient()
        self.rt.adopt(self, name)
        reclaimable(self.rt).add("shrinkers", self)

    @kernel("shrinker_free", context="process")
    def free(self) -> None:
        """Unregister it and wait for calls under way. Context: process, may sleep.

        So it may not be called under a lock that `count` or `scan` take, nor inside them.
        Warns (DF004) if it was unregistered before.
        """
        might_sleep(f"shrinker_free of {self.name}", runtime=self.rt)
        rt = self.rt
        rt.step(GO, self)
        if rt.current().value:
            warn_on(rt, f"{rt.current().name} unregisters {rt.label(self)} a second time")
            return
        reclaimable(rt).drop("shrinkers", self)
        rt.step(WAIT, self)

    def __repr__(self) -> str:
        return f"<Shrinker {self.name}>"


@kernel("shrink_slab", context="process")
def shrink_slab(gfp: Gfp, *, rt: Runtime | None = None) -> int:
    """Ask every shrinker for what it has; how much came. Context: process, in reclaim, may sleep.

    The kernel asks for a share of each, the larger the shorter memory is; here for all of it.
    """
    rt = rt or ambient()
    task = rt.current()
    freed = 0
    for shrinker in reclaimable(rt).walk("shrinkers"):
        rt.step(GET, shrinker)
        if not task.value:
            continue
        try:
            freed += _do_shrink(shrinker, gfp)
        finally:
            rt.step(PUT, shrinker)
    return freed


def _do_shrink(shrinker: Shrinker, gfp: Gfp) -> int:
    control = ShrinkControl(gfp)
    freeable = int(shrinker.count(control))
    if freeable <= 0:
        return 0
    control.nr_to_scan = control.nr_scanned = freeable
    return max(int(shrinker.scan(control)), 0)
