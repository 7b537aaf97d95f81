"""The plain fences inside containers, and merging any fences into one.

Mirrors: include/linux/dma-fence-unwrap.h, drivers/dma-buf/dma-fence-unwrap.c

    >>> from dmabuf.core.timeline import Timeline
    >>> gpu, display = Timeline("gpu"), Timeline("display")
    >>> early, late, other = gpu.fence(), gpu.fence(), display.fence()
    >>> [fence.name for fence in unwrap(merge(early, late, other))]
    ['gpu:2', 'display:1']
    >>> other.signal(); merge(early, other) is early
    True

Containers never nest deeper than chains of arrays of plain fences, so unwrapping is two loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_contained, chain_for_each
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_steps import is_flagged, state_of, timestamp_of
from dmabuf.core.fence_wait import private_stub
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import WRITE, Op, Runtime, Task

__all__ = ["dedup_array", "merge", "pending_inside", "unwrap"]

_HALF = 1 << 31


def _hold(_first: Fence, task: Task) -> None:
    for fence in task.arg:
        state = state_of(fence)
        state.references += bool(state.references)


def _hold_touches(_first: Fence, task: Task) -> tuple[tuple[Any, int], ...]:
    return tuple((fence, WRITE) for fence in task.arg)


HOLD = Op("merge.hold", action=_hold, touches=_hold_touches, says="takes references to {} ...")
"""A reference to each fence that a merge answers, in one step: taken one by one, they would only
multiply the schedules."""


@kernel("dma_fence_unwrap_for_each", "dma_fence_unwrap_first", "dma_fence_unwrap_next")
def unwrap(head: Fence | None) -> Iterator[Fence]:
    """The fences inside `head`: of each node from new to old its fence, or that array's members.

    A plain fence yields itself, None nothing. As it walks, nodes that are signalled leave the
    chain. An array without members (a mistake) ends the iteration. Context: any.
    """
    for node in chain_for_each(head):
        members = _members(node)
        if not members:
            return
        yield from members


def _members(node: Fence) -> tuple[Fence, ...]:
    contained = chain_contained(node)
    return contained.fences if isinstance(contained, FenceArray) else (contained,)


@no_kernel("for reports: what a look at rest finds, without steps and without collecting")
def pending_inside(head: Fence) -> list[Fence]:
    """The plain fences inside `head` that are not signalled, as things stand.

    Of a container that signalled already (whoever signals it may do so early) there are none.
    """
    found: list[Fence] = []
    node: Fence | None = None if is_flagged(head) else head
    while node is not None:
        found += [fence for fence in _members(node) if not is_flagged(fence)]
        node = node._prev if isinstance(node, FenceChain) else None
    return found


@kernel("dma_fence_dedup_array")
def dedup_array(fences: Iterable[Fence]) -> list[Fence]:
    """The latest fence of each context, in ascending order of context. Context: any.

    No counted reference is put for those left out. (The kernel sorts in place and answers the
    new count, which is 1 also for nothing.)
    """
    latest: dict[int, Fence] = {}
    for fence in fences:
        context = fence.timeline.context
        known = latest.setdefault(context, fence)
        behind = known.seqno - fence.seqno
        if not 0 <= behind < _HALF and fence.is_later(known):  # the rest is not, however compared
            latest[context] = fence
    return [latest[context] for context in sorted(latest)]


@kernel("dma_fence_unwrap_merge", "__dma_fence_unwrap_merge", context="process")
def merge(*fences: Fence | None, rt: Runtime | None = None) -> Fence:
    """One fence that is signalled when all of `fences` are. Context: process, may allocate.

    What is inside them counts: signalled fences are left out, and of each context all but the
    latest. Left with one fence, that is the answer; with several, a new array of them; with none,
    a new signalled fence with the latest time at which one of them signalled, 0 for none.

    Args:
        fences: of any kind; None is ignored.
        rt: the runtime it belongs to if there is no fence to say so.

    Returns a fence with a counted reference for the caller.

    Raises:
        OSError: ENOMEM.
    """
    rt = next((fence.timeline.rt for fence in fences if fence is not None), rt) or ambient()
    pending, signalled_ns = _sort_out(fences, rt)
    if len(pending) > 1:
        allocate_or_fail(f"{len(pending)} fences to merge", rt)
        pending, later_ns = _sort_out(fences, rt)
        signalled_ns = max(signalled_ns, later_ns)
    if len(pending) > 1:
        pending = dedup_array(pending)
    if not pending:
        allocate_or_fail("a private stub fence", rt)
        return private_stub(signalled_ns, rt=rt)
    if len(pending) == 1:
        rt.step(HOLD, pending[0], pending)
        return pending[0]
    array = FenceArray.alloc(len(pending), rt=rt)
    rt.step(HOLD, pending[0], pending)
    array.init(pending)
    return array


def _sort_out(fences: Sequence[Fence | None], rt: Runtime) -> tuple[list[Fence], int]:
    """The pending ones inside, and the latest time at which one of the others signalled."""
    pending: list[Fence] = []
    latest_ns = 0
    quick = rt.quick
    for head in fences:
        inside = (head,) if type(head) is Fence else unwrap(head)
        for fence in inside:
            plainly = fence._state is None and quick and not fence.timeline.hooked
            if plainly or not fence.is_signaled():
                pending.append(fence)
            else:
                latest_ns = max(latest_ns, timestamp_of(fence))
    return pending, latest_ns
