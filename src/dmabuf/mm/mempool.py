"""A reserve of elements, so that allocating never fails as long as elements come back.

Mirrors: include/linux/mempool.h, mm/mempool.c

    >>> pool = Mempool(1, "jobs")
    >>> job = pool.alloc(Gfp.NOWAIT)
    >>> job.from_reserve, pool.left
    (False, 1)
    >>> pool.free(job)

The reserve is used only where the allocator has nothing. When it is empty an allocation that may
sleep waits for an element to come back, which is good only if that does not depend on the waiter.
"""

from __future__ import annotations

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.acts import Act, doing, failed
from dmabuf.sync.context import allocate, might_sleep
from dmabuf.sync.gfp import Gfp

__all__ = ["Element", "Mempool"]


class Element:
    """One allocation of a pool.

    Attributes:
        from_reserve: it came from the reserve.
    """

    __slots__ = ("from_reserve",)

    def __init__(self, from_reserve: bool) -> None:
        self.from_reserve = from_reserve


def _take(pool: Mempool, _task: Task) -> bool:
    if not pool.left:
        return False
    pool.left -= 1
    return True


def _give(pool: Mempool, _task: Task) -> bool:
    """Is the reserve full, so that the element goes back to the allocator?"""
    if pool.left >= pool.min_nr:
        return True
    pool.left += 1
    return False


TAKE = Op(
    "mempool.take",
    action=_take,
    touches=lambda pool, _task: ((pool, WRITE if pool.left else READ),),
    says="takes from {}",
)
WAIT = Op(
    "mempool.wait",
    guard=lambda pool, _task: pool.left > 0,
    access=READ,
    says="waits for an element of {}",
)
GIVE = Op(
    "mempool.give",
    action=_give,
    touches=lambda pool, _task: ((pool, READ if pool.left >= pool.min_nr else WRITE),),
    wakes=True,
    says="gives an element back to {}",
)


@kernel("mempool_t", "mempool_create", "mempool_init")
class Mempool:
    """A pool.

    Args:
        min_nr: how many elements it keeps.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        left: how many of them are there.
    """

    __slots__ = ("__weakref__", "left", "min_nr", "name", "rt")

    def __init__(self, min_nr: int, name: str = "mempool", *, rt: Runtime | None = None) -> None:
        if min_nr < 1:
            raise ValueError(f"a pool keeps at least one element, not {min_nr}")
        self.name = name
        self.min_nr = self.left = min_nr
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("mempool_alloc", context="as gfp allows")
    def alloc(self, gfp: Gfp) -> Element | None:
        """An element. Context: process if `gfp` allows direct reclaim, which may sleep.

        First the allocator is asked without reclaim, then the reserve, then the allocator with
        one pass of reclaim if the flags have it; then it waits.

        Returns None only for flags without direct reclaim.
        """
        rt = self.rt
        sleeps = bool(gfp & Gfp.DIRECT_RECLAIM)
        if sleeps:
            might_sleep(f"mempool_alloc of {self.name}", runtime=rt)
        whole = gfp | Gfp.NOMEMALLOC | Gfp.NORETRY | Gfp.NOWARN
        asked = whole & ~(Gfp.DIRECT_RECLAIM | Gfp.IO)
        while True:
            if allocate(asked, self.name, runtime=rt):
                return Element(from_reserve=False)
            rt.step(TAKE, self)
            if rt.current().value:
                return Element(from_reserve=True)
            if asked != whole:
                asked = whole
            elif sleeps:
                with doing(rt, Act("DF105", f"waits for an element of {rt.label(self)}")):
                    rt.step(WAIT, self)
            else:
                failed(rt, f"an element of {rt.label(self)}")
                return None

    @kernel("mempool_free")
    def free(self, element: Element | None) -> None:
        """Give an element back: to the reserve unless that is full. Context: any."""
        if element is None:
            return
        self.rt.step(GIVE, self)

    @no_kernel("mempool_is_saturated")
    def is_full(self) -> bool:
        """Is the whole reserve there? Without a step: for assertions only."""
        return self.left >= self.min_nr

    def __repr__(self) -> str:
        return f"<Mempool {self.name} {self.left} of {self.min_nr}>"
