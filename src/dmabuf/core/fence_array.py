"""An array of fences: one fence that signals when all of its members have.

Mirrors: include/linux/dma-fence-array.h, drivers/dma-buf/dma-fence-array.c

    >>> from dmabuf.core.timeline import Timeline
    >>> a, b = Timeline("a").fence(), Timeline("b").fence()
    >>> both = FenceArray.create([a, b])
    >>> a.signal(); both.is_signaled()
    False
    >>> b.signal(); both.is_signaled()
    True

Members are counted down by callbacks once signalling is on, the first error among them being the
array's; the last one leaves the array's signal to irq work. While signalling is off, asking
looks at every member, and errors are not collected.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import (
    ContainerOps,
    FenceContainer,
    allocate_or_fail,
    is_container,
    was_put,
)
from dmabuf.core.fence_steps import ENABLED, State, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["FenceArray", "array_first", "array_next", "is_array", "match_context"]


def _count(array: FenceArray, task: Task) -> bool:
    return array._count_down(task.arg)


def _count_touches(array: FenceArray, task: Task) -> tuple[tuple[Any, int], ...]:
    return ((array, WRITE), (task.arg, READ))


def _clear(array: FenceArray, _task: Task) -> None:
    """From now on errors are not collected.

    Where the last member has been counted nobody could, so this step is only made by who finds
    all members done without counting them: signalling may be turned on at the same time.
    """
    array._collecting = False


def _clear_touches(array: FenceArray, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((array, WRITE if array._collecting else READ),)


def _left(array: FenceArray, _task: Task) -> tuple[int, bool]:
    state = array._state
    return array._pending, isinstance(state, State) and bool(state.flags & ENABLED)


COUNT = Op("array.count", action=_count, touches=_count_touches, says="counts a member of {}")
CLEAR = Op(
    "array.clear",
    action=_clear,
    touches=_clear_touches,
    says="ends the collecting of errors of {}",
)
LEFT = Op("array.left", action=_left, access=READ, says="asks how many members {} waits for")


class _ArrayOps(ContainerOps):
    """What the kernel's dma_fence_array_ops do."""

    def get_driver_name(self, fence: Fence) -> str:
        """The name that all arrays answer."""
        del fence
        return "dma_fence_array"

    def enable_signaling(self, fence: Fence) -> bool:
        """A callback on every member; one that is signalled is counted at once.

        The callbacks own a reference to the array, which is put when it has signalled.
        """
        assert isinstance(fence, FenceArray)
        fence.get()
        member_signalled = fence._member_signalled
        for member in fence.fences:
            if member.add_callback(member_signalled) is None and fence._count(member):
                fence.put()
                return False
        return True

    def signaled(self, fence: Fence) -> bool:
        """Has every member been counted, or, with signalling off, is every one signalled?"""
        assert isinstance(fence, FenceArray)
        rt = fence.timeline.rt
        rt.step(LEFT, fence)
        left: int = rt.current().value[0]
        is_enabled: bool = rt.current().value[1]
        if is_enabled:
            is_done = left <= 0
        else:
            is_done = left == sum(member.is_signaled() for member in fence.fences) > 0
        if is_done:
            rt.step(CLEAR, fence)
        return is_done

    def set_deadline(self, fence: Fence, deadline_ns: int) -> None:
        """Forward it to every member."""
        assert isinstance(fence, FenceArray)
        for member in fence.fences:
            member.set_deadline(deadline_ns)

    def release(self, fence: Fence) -> None:
        """Put the members."""
        assert isinstance(fence, FenceArray)
        if was_put(fence):
            for member in fence.fences:
                member.put()


_OPS = _ArrayOps()


@kernel("struct dma_fence_array")
class FenceArray(FenceContainer):
    """A fence that signals when all of its members have, a moment after the last one.

    Its error is the first that a member reported to it, 0 without one. Where signalling was
    never turned on and `is_signaled` finds all members done, errors are not collected.

    Attributes:
        fences: the members.
    """

    __slots__ = ("_collecting", "_pending", "fences")

    fences: tuple[Fence, ...]
    _pending: int
    _collecting: bool

    @staticmethod
    @kernel("dma_fence_array_create", context="process")
    def create(
        fences: Iterable[Fence],
        *,
        context: int | None = None,
        seqno: int = 1,
        rt: Runtime | None = None,
    ) -> FenceArray:
        """Allocate and initialise an array. Context: process. Raises OSError (ENOMEM).

        Args:
            fences: the members; the array takes over the references to them.
            context: its fence context, a new one if not given.
            seqno: its number there.
            rt: the runtime it belongs to if there is no member to say so.
        """
        members = tuple(fences)
        if members:
            rt = members[0].timeline.rt
        array = FenceArray.alloc(len(members), rt=rt)
        array.init(members, context=context, seqno=seqno, rt=rt)
        return array

    @staticmethod
    @kernel("dma_fence_array_alloc", context="process")
    def alloc(num_fences: int, *, rt: Runtime | None = None) -> FenceArray:
        """Memory for an array of `num_fences`. Context: process. Raises OSError (ENOMEM)."""
        allocate_or_fail(f"a dma_fence_array of {num_fences}", rt or ambient())
        array = FenceArray()
        array._state = array._work = None
        return array

    @kernel("dma_fence_array_init")
    def init(
        self,
        fences: Iterable[Fence],
        *,
        context: int | None = None,
        seqno: int = 1,
        rt: Runtime | None = None,
    ) -> None:
        """Make it the array of `fences`, whose references it takes over. Context: any.

        No members, or a container as a member, is a mistake that warns (DF004).
        """
        self.fences = tuple(fences)
        if self.fences:
            rt = self.fences[0].timeline.rt
        rt = rt or ambient()
        self.timeline = Timeline(
            "array", driver="dma_fence_array", ops=_OPS, context=context, rt=rt
        )
        self.seqno = seqno
        self._pending = len(self.fences)
        self._collecting = True
        if not rt.quick:
            self._introduce()
        if not self.fences:
            warn_on(rt, f"{self.name} has no members")
        for member in self.fences:
            if is_container(member):
                warn_on(rt, f"{self.name} has {member.name} as a member, a container")

    def _member_signalled(self, member: Fence) -> None:
        """The callback on each member: the lock of the member is held."""
        rt = self.timeline.rt
        if rt.quick:
            mutex = rt.mutex
            mutex.acquire()
            try:
                is_last = self._count_down(member)
            finally:
                mutex.release()
        else:
            is_last = self._count(member)
        if is_last:
            self._settle_soon()

    def _count(self, member: Fence) -> bool:
        """Count a signalled member; True if it was the last one."""
        rt = self.timeline.rt
        rt.step(COUNT, self, member)
        return bool(rt.current().value)

    def _count_down(self, member: Fence) -> bool:
        """The first error wins, unless collecting has ended (needs the runtime's mutex)."""
        state = member._state
        if isinstance(state, State) and state.error and self._collecting:
            own = state_of(self)
            own.error = own.error or state.error
        self._pending -= 1
        return self._pending == 0

    def _settle(self) -> None:
        self.signal()
        self.put()


@kernel("dma_fence_is_array", "to_dma_fence_array")
def is_array(fence: Fence | None) -> TypeGuard[FenceArray]:
    """Is it an array, signalled or not? Context: any."""
    return isinstance(fence, FenceArray)


@kernel("dma_fence_array_first")
def array_first(head: Fence | None) -> Fence | None:
    """The first member of an array, None if it has none; any other fence itself. Context: any."""
    return array_next(head, 0) if isinstance(head, FenceArray) else head


@kernel("dma_fence_array_next")
def array_next(head: Fence | None, index: int) -> Fence | None:
    """Member `index` of an array; None beyond the last, and of any other fence. Context: any."""
    if not isinstance(head, FenceArray) or index >= len(head.fences):
        return None
    return head.fences[index]


@kernel("dma_fence_match_context")
def match_context(fence: Fence, context: int) -> bool:
    """Do all members of an array, or any other fence itself, have that context? Context: any."""
    if not isinstance(fence, FenceArray):
        return fence.context == context
    return all(member.context == context for member in fence.fences)
