"""A chain of fences: one timeline's points, each signalled when all before it are.

Mirrors: include/linux/dma-fence-chain.h, drivers/dma-buf/dma-fence-chain.c

    >>> from dmabuf.core.timeline import Timeline
    >>> gpu = Timeline("gpu")
    >>> first, second = gpu.fence(), gpu.fence()
    >>> point_1 = FenceChain.create(None, first, 1)
    >>> point_2 = FenceChain.create(point_1, second, 2)
    >>> find_seqno(point_2, 1) is point_1
    True
    >>> second.signal(); point_2.is_signaled()
    False
    >>> first.signal(); point_2.is_signaled()
    True

A node links to the one before it and to its own fence. Walking takes nodes whose fence is
signalled out of the chain, without a lock, so a chain is as long as what is still pending.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import ContainerOps, FenceContainer, allocate_or_fail, was_put
from dmabuf.core.fence_steps import State, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.context import ALLOCATOR, warn_on

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "FenceChain",
    "chain_contained",
    "chain_for_each",
    "chain_walk",
    "find_seqno",
    "is_chain",
]


def _prev(node: FenceChain, _task: Task) -> Fence | None:
    return node._prev


def _exchange(node: FenceChain, task: Task) -> bool:
    expected, replacement = task.arg
    if node._prev is not expected:
        return False
    assert expected is not None
    node._prev = replacement
    _share(expected, replacement)
    return True


def _exchange_touches(node: FenceChain, task: Task) -> tuple[tuple[Any, int], ...]:
    expected, replacement = task.arg
    if node._prev is not expected:
        return ((node, READ),)
    assert expected is not None
    if not _is_shared(expected):
        return ((node, WRITE), (expected, READ))
    after = () if replacement is None else ((replacement, WRITE),)
    return ((node, WRITE), (expected, WRITE), *after)


def _is_shared(fence: Fence) -> bool:
    """Does somebody else than the node after it have a counted reference?"""
    state = fence._state
    return isinstance(state, State) and state.references > 1


def _share(collected: Fence, replacement: Fence | None) -> None:
    """A node takes another one out of its chain: the reference to what is before it moves along.

    Where others still refer to the one that was taken out, that one keeps its own.
    """
    if _is_shared(collected):
        state_of(collected).references -= 1
        if replacement is not None:
            after = state_of(replacement)
            after.references += bool(after.references)


def _unlink(node: FenceChain, _task: Task) -> Fence | None:
    before, node._prev = node._prev, None
    return before


def _is_last(fence: Fence, _task: Task) -> bool:
    return state_of(fence).references == 1


PREV = Op("chain.prev", action=_prev, access=READ, says="looks what is before {}")
COLLECT = Op(
    "chain.collect",
    action=_exchange,
    touches=_exchange_touches,
    says="takes what is signalled out from before {}",
)
UNLINK = Op("chain.unlink", action=_unlink, says="unlinks {} from what is before it")
IS_LAST = Op("fence.kref_read", action=_is_last, access=READ, says="reads the references of {}")


class _ChainOps(ContainerOps):
    """What the kernel's dma_fence_chain_ops do."""

    def get_driver_name(self, fence: Fence) -> str:
        """The name that all chains answer."""
        del fence
        return "dma_fence_chain"

    def enable_signaling(self, fence: Fence) -> bool:
        """Hook a callback on the first pending fence from the head back; False without one.

        The callback owns a reference to the head, which is put when the head has signalled.
        """
        assert isinstance(fence, FenceChain)
        fence.get()
        if fence._hook():
            return True
        fence.put()
        return False

    def signaled(self, fence: Fence) -> bool:
        """Are all contained fences signalled?"""
        return all(chain_contained(node).is_signaled() for node in chain_for_each(fence))

    def set_deadline(self, fence: Fence, deadline_ns: int) -> None:
        """Forward it to every contained fence."""
        for node in chain_for_each(fence):
            chain_contained(node).set_deadline(deadline_ns)

    def release(self, fence: Fence) -> None:
        """Put what the chain holds, in a loop: a chain may be longer than any stack."""
        assert isinstance(fence, FenceChain)
        if not was_put(fence):
            return
        rt, task = fence.timeline.rt, fence.timeline.rt.current()
        rt.step(UNLINK, fence)
        prev: Fence | None = task.value
        if rt.quick:
            prev = _put_fused(prev, rt)
        while isinstance(prev, FenceChain):
            rt.step(IS_LAST, prev)
            if not task.value:
                break
            rt.step(UNLINK, prev)
            following: Fence | None = task.value
            prev.put()
            prev = following
        if prev is not None:
            prev.put()
        fence.fence.put()


_OPS = _ChainOps()


@kernel("struct dma_fence_chain")
class FenceChain(FenceContainer):
    """One node of a chain: a fence that signals when its own and all before it have signalled.

    It signals a moment after the last of them, from irq work, not inside that signal. Errors of
    contained fences do not show. Nodes of one chain share their predecessor's `Timeline`.

    Attributes:
        fence: the contained fence: plain or an array.
        prev_seqno: number of the node before it when it was made, 0 if it starts a context.
    """

    __slots__ = ("_prev", "fence", "prev_seqno")

    fence: Fence
    prev_seqno: int
    _prev: Fence | None

    @staticmethod
    @no_kernel("dma_fence_chain_alloc and dma_fence_chain_init in one call")
    def create(prev: Fence | None, fence: Fence, seqno: int) -> FenceChain:
        """Allocate and initialise a node. Context: process. Raises OSError (ENOMEM)."""
        rt = fence.timeline.rt
        if rt.quick and isinstance(prev, FenceChain):
            node = _node_fused(prev, fence, seqno, rt)
            if node is not None:
                return node
        node = FenceChain.alloc(rt=rt)
        node.init(prev, fence, seqno)
        return node

    @staticmethod
    @kernel("dma_fence_chain_alloc", context="process")
    def alloc(*, rt: Runtime | None = None) -> FenceChain:
        """Memory for a node: got before the point of no return, where no one may sleep.

        Context: process, may sleep (GFP_KERNEL). Raises OSError (ENOMEM).
        """
        allocate_or_fail("a dma_fence_chain", rt or ambient())
        node = FenceChain()
        node._state = node._prev = node._work = None
        return node

    @kernel("dma_fence_chain_init")
    def init(self, prev: Fence | None, fence: Fence, seqno: int) -> None:
        """Make it the node of `fence` with number `seqno`, after `prev`. Context: any.

        A number that is not later than that of the chain before it starts a context of its own,
        with the larger of the two numbers. The node takes over the references to both.

        Args:
            prev: a chain's head, a plain fence, or None to start a chain.
            fence: what it contains; a chain there is a mistake that warns (DF004).
            seqno: the point on the chain.
        """
        self._prev = prev
        self.fence = fence
        if isinstance(prev, FenceChain) and seqno > prev.seqno:
            self.timeline = prev.timeline
            self.prev_seqno = prev.seqno
        else:
            rt = fence.timeline.rt
            self.timeline = Timeline("chain", driver="dma_fence_chain", ops=_OPS, wide=True, rt=rt)
            self.prev_seqno = 0
            if isinstance(prev, FenceChain):
                seqno = prev.seqno
        self.seqno = seqno
        rt = self.timeline.rt
        if not rt.quick:
            self._introduce()
        if isinstance(fence, FenceChain):
            warn_on(rt, f"{self.name} contains {fence.name}, a chain")

    def _hook(self) -> bool:
        """Add the callback to the first contained fence, from here back, that is pending."""
        hook = self._contained_signalled
        return any(chain_contained(node).add_callback(hook) for node in chain_for_each(self))

    def _contained_signalled(self, _fence: Fence) -> None:
        self._settle_soon()

    def _settle(self) -> None:
        """Hook on to the next pending fence, or signal if there is none."""
        if not self._hook():
            self.signal()
            self.put()

    def __del__(self) -> None:
        if self._state is not None and self._is_broken_promise():
            self.timeline.rt.defer(self.release)
        elif self._prev is not None and getrefcount(self) <= _REFERENCES_IN_DEL:
            _unlink_all(self)


def _node_fused(prev: FenceChain, fence: Fence, seqno: int, rt: Runtime) -> FenceChain | None:
    """`alloc` and `init` of the next node live, where nothing stands in the way; else None."""
    atomic = rt.current().is_atomic or ALLOCATOR in rt.extras
    if atomic or seqno <= prev.seqno or isinstance(fence, FenceChain):
        return None
    node = FenceChain()
    node._state = node._work = None
    node._prev = prev
    node.fence = fence
    node.timeline = prev.timeline
    node.seqno = seqno
    node.prev_seqno = prev.seqno
    return node


# -- release -----------------------------------------------------------------------------------


def _unlink_all(head: FenceChain) -> None:
    """Free what only the head refers to, a node at a time, as the kernel does.

    Left to itself Python frees a linked list in nested calls; on 3.13 a chain of 100,000 nodes
    overran the stack of a small thread (256 KiB).
    """
    node, head._prev = head._prev, None
    while isinstance(node, FenceChain) and getrefcount(node) <= _REFERENCES_OF_LOCAL:
        node._prev, node = None, node._prev


class _Probe:
    """Its finaliser writes down how many references are counted there."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def __del__(self) -> None:
        self.seen.append(getrefcount(self))


def _references_of_one() -> tuple[int, int]:
    """What `getrefcount` answers about an object that one local variable, or nobody, refers to.

    Asked of a variable, and inside a finaliser: interpreters differ in whether a call counts.
    """
    seen: list[int] = []
    probe = _Probe(seen)
    of_local = getrefcount(probe)
    del probe
    return of_local, seen[0]


_REFERENCES_OF_LOCAL, _REFERENCES_IN_DEL = _references_of_one()
"""With more in a finaliser, the object is part of cyclic garbage that another finaliser may bring
back to life (a driver's broken promise does), so its links must stay."""


def _put_fused(prev: Fence | None, rt: Runtime) -> Fence | None:
    """Put nodes with one reference, live, while that runs no foreign code; returns the next."""
    while isinstance(prev, FenceChain):
        contained = prev.fence
        if contained.timeline.hooked:
            break
        with rt.mutex:
            state, held = state_of(prev), state_of(contained)
            promised = state.callbacks or held.callbacks
            if promised or state.references != 1 or not held.references:
                break
            state.references = 0
            held.references -= 1
            following, prev._prev = prev._prev, None
        prev = following
    return prev


# -- walking -----------------------------------------------------------------------------------


@kernel("dma_fence_is_chain", "to_dma_fence_chain")
def is_chain(fence: Fence | None) -> TypeGuard[FenceChain]:
    """Is it a node of a chain, signalled or not? Context: any."""
    return isinstance(fence, FenceChain)


@kernel("dma_fence_chain_contained")
def chain_contained(fence: Fence) -> Fence:
    """The fence that a node contains; any other fence itself. Context: any."""
    return fence.fence if isinstance(fence, FenceChain) else fence


@kernel("dma_fence_chain_walk")
def chain_walk(fence: Fence) -> Fence | None:
    """What is pending before a node: a node, or the plain fence that a chain may start with.

    Takes out of the chain what is signalled in between, with the references that go with it.
    Context: any.

    Returns None at the end, and for a fence that is no node.
    """
    if not isinstance(fence, FenceChain):
        return None
    rt = fence.timeline.rt
    return _walk_fused(fence, rt) if rt.quick else _walk(fence, rt)


def _walk(node: FenceChain, rt: Runtime) -> Fence | None:
    task = rt.current()
    while True:
        rt.step(PREV, node)
        prev: Fence | None = task.value
        if prev is None:
            return None
        if not chain_contained(prev).is_signaled():
            return prev
        replacement: Fence | None = None
        if isinstance(prev, FenceChain):
            rt.step(PREV, prev)
            replacement = task.value
        rt.step(COLLECT, node, (prev, replacement))


def _walk_fused(node: FenceChain, rt: Runtime) -> Fence | None:
    """The same on a live runtime that nobody observes: reads need no step there."""
    mutex = rt.mutex
    while True:
        prev = node._prev
        if isinstance(prev, FenceChain):
            fence = prev.fence
            state = fence._state
            if state is None and not fence.timeline.hooked:
                return prev  # pending, known without the cost of a call
            if state.__class__ is not int and not fence.is_signaled():
                return prev
            replacement = prev._prev
        elif prev is None or not prev.is_signaled():
            return prev
        else:
            replacement = None
        mutex.acquire()  # as in `Fence.signal`: `with` costs twice as much
        try:
            if node._prev is prev:
                node._prev = replacement
                _share(prev, replacement)
        finally:
            mutex.release()


class _Nodes:
    """The iterator of `chain_for_each`; the next walk is made when the next node is wanted."""

    __slots__ = ("_at", "_head")

    def __init__(self, head: Fence | None) -> None:
        self._head = head
        self._at: Fence | None = None

    def __iter__(self) -> _Nodes:
        return self

    def __next__(self) -> Fence:
        at = self._at
        if isinstance(at, FenceChain):
            rt = at.timeline.rt
            at = _walk_fused(at, rt) if rt.quick else _walk(at, rt)
        else:
            at, self._head = self._head, None
        self._at = at
        if at is None:
            raise StopIteration
        return at


@kernel("dma_fence_chain_for_each")
def chain_for_each(head: Fence | None) -> Iterator[Fence]:
    """The head, then what is pending before it, from new to old. Context: any."""
    return _Nodes(head)


@kernel("dma_fence_chain_find_seqno")
def find_seqno(fence: Fence, seqno: int) -> Fence | None:
    """The node whose signal means that point `seqno` is reached. Context: any.

    Args:
        fence: the head of the chain.
        seqno: the point; for 0 the answer is `fence`, whatever it is.

    Returns None if the point exists, but nothing up to it is left to wait for.

    Raises:
        OSError: EINVAL, `fence` is no chain or has not come to that point.
    """
    if not seqno:
        return fence
    if not isinstance(fence, FenceChain) or fence.seqno < seqno:
        raise OSError(errno.EINVAL, f"{fence.name} has no point {seqno}")
    context = fence.timeline.context
    for node in chain_for_each(fence):
        if node.timeline.context != context or node.prev_seqno < seqno:  # type: ignore[attr-defined]
            return node
    return None
