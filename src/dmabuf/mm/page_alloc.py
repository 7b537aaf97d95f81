"""Where pages come from, and what becomes of an allocation when there are none.

Mirrors: mm/page_alloc.c, include/linux/gfp.h

    >>> from dmabuf.rt.threads import Threads
    >>> memory = Memory(pages=2, rt=Threads())
    >>> memory.alloc(Gfp.NOWAIT), memory.alloc(Gfp.NOWAIT), memory.alloc(Gfp.NOWAIT)
    (True, True, False)
    >>> memory.free(1); memory.alloc(Gfp.ATOMIC)
    True

There are two reasons why memory is short. Pages may be counted (`pages`): then it is short when
they are used up. And an explored run may meet a shortage at any allocation (`pressure`: how many
times in a run), whoever has the memory; that is a choice, taken only where something is allocated.

What follows is as in the kernel. An allocation that may not reclaim fails. One that may runs
shrinkers and MMU notifiers itself, inline, then tries again; unless its flags say otherwise it does
so for ever. kswapd is woken and does the same beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.mm.gfp import (
    current_gfp_context,
    gives_up,
    may_reclaim,
    may_use_reserves,
    never_fails,
    spelled,
)
from dmabuf.mm.kswapd import Kswapd
from dmabuf.mm.reclaim import Kinds, reclaim
from dmabuf.mm.reclaimable import Reclaimable, reclaimable
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Scope, Task
from dmabuf.sync.acts import Act, doing, failed
from dmabuf.sync.context import ALLOCATOR, allocate
from dmabuf.sync.gfp import Gfp

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["ALLOC", "SHORTAGES", "WORLD", "Memory", "memory_of"]

WORLD = "mm.memory"
"""Name in `Runtime.extras` of the machine's memory."""

_STALL_NS = 100_000_000
"""How long an allocation that never fails sleeps before it looks again: HZ/10."""

SHORTAGES: dict[int, str] = {
    Kinds.ALL: "short of memory",
    Kinds.USER: "short, user pages go",
    Kinds.SLAB: "short, shrinkers run",
}
"""Which ways an allocation may go besides the ordinary one, for reports."""

Touches = tuple[tuple[object, int], ...]


class Request(NamedTuple):
    """What a task asks the allocator for.

    Attributes:
        gfp: as its scopes leave them.
        order: 2**order pages.
        scope: of the task.
    """

    gfp: Gfp
    order: int
    scope: Scope


# -- what the steps do ---------------------------------------------------------------------------

_GOT = 0
"""An answer of ALLOC: there were pages. Else the `Kinds` to reclaim from."""


def _mark(memory: Memory, request: Request) -> int:
    """How many pages must be left over (__zone_watermark_ok)."""
    gfp, scope = request.gfp, request.scope
    if may_use_reserves(gfp, scope):
        return 0
    left = memory.reserve
    if gfp & Gfp.HIGH:
        left -= left // 2
        if not gfp & (Gfp.DIRECT_RECLAIM | Gfp.NOMEMALLOC):
            left -= left // 4
    return left


def _is_there(memory: Memory, request: Request) -> bool:
    if memory.pages is None:
        return True
    return memory.free_pages - (1 << request.order) >= _mark(memory, request)


def _way(task: Task) -> int:
    """Which way an allocation goes: 0, or short with that of `Kinds`; live it has one."""
    return int(task.arg or 0)


def _alloc(memory: Memory, task: Task) -> int:
    request = memory.requests[task]
    way = _way(task)
    if way:
        memory.pressure -= 1
    elif not _is_there(memory, request):
        way = Kinds.ALL
    elif memory.pages is not None:
        memory.free_pages -= 1 << request.order
    task.value = way
    return way


def _alloc_touches(memory: Memory, task: Task) -> Touches:
    """Only a shortage changes what others may choose; what there is to choose is in the lists.

    A task that stands at the step, and has not chosen, may do any of that.
    """
    way = task.arg
    lists: Touches = ((memory.lists, READ),) if memory.asks_lists else ()
    if way is None or way:
        return ((memory, WRITE), *lists)
    if memory.pages is None:
        return lists
    return ((memory, WRITE if _is_there(memory, memory.requests[task]) else READ), *lists)


def _may_ask(_memory: Memory, _task: Task) -> bool:
    """Always; but a step with a guard is one whose ways others may close."""
    return True


def _ways(task: ExploredTask) -> list[int]:
    """The ways that an allocation may go now."""
    memory: Memory = task.obj
    request = memory.requests[task]
    if not memory.pressure or not _is_there(memory, request):
        return [_GOT]
    if not may_reclaim(request.gfp, request.scope):
        return [_GOT, Kinds.ALL] if not never_fails(request.gfp, request.order) else [_GOT]
    lists = memory.lists
    if lists.shrinkers and lists.mms:
        return [_GOT, Kinds.ALL, Kinds.USER, Kinds.SLAB]
    if lists.shrinkers or lists.mms:
        return [_GOT, Kinds.SLAB if lists.shrinkers else Kinds.USER]
    return [_GOT] if never_fails(request.gfp, request.order) else [_GOT, Kinds.ALL]


def _free(memory: Memory, task: Task) -> None:
    memory.free_pages += task.arg
    for listener in memory.listening:
        memory.listening[listener] = True


def _listen(memory: Memory, task: Task) -> None:
    """Hear of pages that come back from now on, or have come back since the attempt."""
    memory.listening[task] = _is_there(memory, task.arg)


def _has_been_freed(memory: Memory, task: Task) -> bool:
    return memory.listening[task]


def _go_on(memory: Memory, task: Task) -> None:
    del memory.listening[task]


ALLOC = Op(
    "memory.alloc", guard=_may_ask, action=_alloc, touches=_alloc_touches, says="allocates from {}"
)
FREE = Op("memory.free", action=_free, wakes=True, says="gives pages back to {}")
LOOK = Op(
    "memory.look",
    action=lambda memory, _task: memory.free_pages,
    access=READ,
    says="looks how much {} there is",
)
LISTEN = Op("memory.listen", action=_listen, says="finds no pages in {}")
STALL = Op("memory.stall", guard=_has_been_freed, access=READ, says="waits for free pages of {}")
GO_ON = Op("memory.go_on", action=_go_on, says="looks for pages in {} again")


@kernel("struct zone")
class Memory:
    """The memory of a machine: allocations of its runtime are answered by it from then on.

    Args:
        pages: how many there are; None for as many as anybody wants.
        pressure: explored, how many allocations of a run may find memory short.
        reserve: the `min` watermark in pages: what only some allocations may go below.
        kswapd: does it reclaim beside them? Without it there is less to explore, and what it
            would wait for is not found.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        free_pages: of counted pages, those that nobody has.
        pressure: how many shortages are still to come at most.
        listening: who waits for pages to come back, and whether some did.
        requests: what each task asks for now: a task's own entry.
        asks_lists: an allocation's ways may depend on what can be reclaimed. The same in all
            states, as it decides which step is announced and what that touches.
        lists: what can be reclaimed.
        kswapd: the task that reclaims beside those that allocate, if there is one.
    """

    __slots__ = (
        "__weakref__",
        "asks_lists",
        "free_pages",
        "kswapd",
        "listening",
        "lists",
        "name",
        "pages",
        "pressure",
        "requests",
        "reserve",
        "rt",
    )

    def __init__(
        self,
        *,
        pages: int | None = None,
        pressure: int = 0,
        reserve: int = 0,
        kswapd: bool = True,
        rt: Runtime | None = None,
    ) -> None:
        self.name = "memory"
        self.rt = rt or ambient()
        self.pages = pages
        self.free_pages = pages or 0
        self.pressure = pressure
        self.asks_lists = self.rt.explored and pressure > 0
        self.reserve = reserve
        self.listening: dict[Task, bool] = {}
        self.requests: dict[Task, Request] = {}
        self.rt.adopt(self, self.name)
        self.lists: Reclaimable = reclaimable(self.rt)
        self.kswapd = Kswapd(self._balance, rt=self.rt) if kswapd else None
        if self.kswapd is not None and self.rt.explored:
            self.kswapd.start()
        self.rt.extras[WORLD] = self
        self.rt.extras[ALLOCATOR] = self._answer

    @property
    @no_kernel("high_wmark_pages")
    def high(self) -> int:
        """The watermark up to which kswapd reclaims, in pages."""
        return self.reserve + self.reserve // 2

    @property
    @no_kernel("low_wmark_pages")
    def low(self) -> int:
        """The watermark below which kswapd is woken, in pages."""
        return self.reserve + self.reserve // 4

    @kernel("alloc_pages", context="as gfp allows")
    def alloc(self, gfp: Gfp, order: int = 0, what: str = "pages") -> bool:
        """Take 2**order pages. Context: process if `gfp` allows direct reclaim, which may sleep.

        Args:
            gfp: how it may behave; the task's scopes are applied to it.
            order: how many pages, as a power of two.
            what: they are for; for reports.

        Returns False if there were none, which only flags that allow failure can see.
        """
        if not 0 <= order < 11:
            raise ValueError(f"an order is 0 to 10, not {order}")
        if order:
            return self._allocate(gfp, order, what)
        return allocate(gfp, what, runtime=self.rt)

    @no_kernel("__free_pages, told how many pages")
    def free(self, pages: int = 1) -> None:
        """Give so many pages back; a step only where pages are counted. Context: any."""
        if self.pages is not None:
            self.rt.step(FREE, self, pages)

    @no_kernel("how the hook of sync.context.allocate is called")
    def _answer(self, gfp: Gfp, what: str) -> bool:
        return self._allocate(gfp, 0, what)

    # -- the allocator ---------------------------------------------------------------------------

    def _allocate(self, gfp: Gfp, order: int, what: str) -> bool:
        scope = self.rt.current().scope
        gfp = current_gfp_context(gfp, scope)
        kinds = self._attempt(Request(gfp, order, scope))
        if kinds == _GOT:
            self._wake_below_low()
            return True
        code = "DF301" if gfp & Gfp.FS else "DF302"
        if not may_reclaim(gfp, scope):
            code = "DF105"
        with doing(self.rt, Act(code, f"allocates {what} with {spelled(gfp)}")):
            if self._insist(Request(gfp, order, scope), kinds):
                return True
        failed(self.rt, f"{what} ({spelled(gfp)})")
        return False

    def _insist(self, request: Request, kinds: int) -> bool:
        """The slow path: reclaim and try again, as the flags say."""
        gfp, order = request.gfp, request.order
        reclaims = may_reclaim(gfp, request.scope)
        always = never_fails(gfp, order)
        while True:
            if gfp & Gfp.KSWAPD_RECLAIM and self.kswapd is not None:
                self.kswapd.wake()
            if not reclaims and not always:
                return False
            progress = self._reclaim(request, Kinds(kinds), stalls=always) if reclaims else 0
            if not progress and not always:
                return False
            kinds = self._attempt(request)
            if kinds == _GOT:
                return True
            if gives_up(gfp, order):
                return False

    def _attempt(self, request: Request) -> int:
        """Take the pages if they are there; else what to reclaim from."""
        rt = self.rt
        task = rt.current()
        self.requests[task] = request
        if self.asks_lists:
            way = cast("Tasks", rt).decide(ALLOC, self, _ways)
        else:
            rt.step(ALLOC, self, _GOT)
            way = int(task.value)
        del self.requests[task]
        return way

    def _reclaim(self, request: Request, kinds: Kinds, *, stalls: bool) -> int:
        """One pass; where it brings nothing and memory is counted, sleep until pages come back.

        But not for long: what others can give changes without telling the allocator.
        """
        rt = self.rt
        if self.pages is None:
            return reclaim(rt, request.gfp, kinds, self.free)
        rt.step(LISTEN, self, request)
        progress = reclaim(rt, request.gfp, kinds, self.free)
        if stalls and not progress:
            rt.step(STALL, self, deadline=rt.now() + _STALL_NS)
        rt.step(GO_ON, self)
        return progress

    def _wake_below_low(self) -> None:
        if self.reserve and self.kswapd is not None and self.free_below_low():
            self.kswapd.wake()

    @no_kernel("zone_watermark_fast with the low watermark")
    def free_below_low(self) -> bool:
        """Has kswapd something to do? Context: any."""
        self.rt.step(LOOK, self)
        return int(self.rt.current().value) < self.low

    def _balance(self) -> bool:
        """One round of kswapd: was it worth another one? Context: kswapd."""
        progress = reclaim(self.rt, Gfp.KERNEL, Kinds.ALL, self.free)
        if self.pages is None:
            return False
        self.rt.step(LOOK, self)
        return progress > 0 and int(self.rt.current().value) < max(self.high, 1)

    def __repr__(self) -> str:
        if self.pages is None:
            return f"<Memory that may be short {self.pressure} times>"
        return f"<Memory {self.free_pages} of {self.pages} pages free>"


@no_kernel("the memory is global in the kernel")
def memory_of(rt: Runtime) -> Memory | None:
    """The memory of a runtime; None where every allocation succeeds. Context: any."""
    return rt.extras.get(WORLD)
