"""The steps of fences: their locks, who made them, who sees them, who signals them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf.contract.known import Known, TaskHolder, context_of
from dmabuf.contract.modes import EXCLUSIVE
from dmabuf.contract.usage import HARDIRQS_OFF, SOFTIRQS_OFF
from dmabuf.core import fence_steps, resv_steps, syncobj_steps
from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_steps import is_flagged, peek_lock
from dmabuf.core.sync_file import SyncFile
from dmabuf.rt.api import Op, Task

if TYPE_CHECKING:
    from dmabuf.contract.ends import Ends
    from dmabuf.contract.sections import Sections

__all__ = ["Fences"]

Handler = Callable[["TaskHolder", Op, Any], None]
_IRQS_OFF = HARDIRQS_OFF | SOFTIRQS_OFF
_LOOKS = (fence_steps.ADD_CALLBACK, fence_steps.REMOVE_CALLBACK, fence_steps.ENABLE)


class Fences:
    """What it knows of pending fences. It keeps none of them alive.

    Args:
        known: classes and holders.
        sections: what tasks said.
        ends: who waits for what.
    """

    def __init__(self, known: Known, sections: Sections, ends: Ends) -> None:
        self._known = known
        self._order = known.order
        self._sections = sections
        self._ends = ends
        self._makers: dict[int, tuple[Any, int, Task]] = {}
        self._seen: dict[int, tuple[Any, int, Task, int]] = {}

    def before(self) -> dict[Op, Handler]:
        """What is heard before a step."""
        table: dict[Op, Handler] = dict.fromkeys(_LOOKS, self._touch)
        table[fence_steps.LOCK] = self._lock
        table[fence_steps.SIGNAL] = self._signal
        for op in (fence_steps.WAIT, fence_steps.LOOK, fence_steps.TEST):
            table[op] = self._met
        return table

    def after(self) -> dict[Op, Handler]:
        """What is heard after one."""
        return {
            fence_steps.SIGNAL: self._signalled,
            fence_steps.UNLOCK: self._unlock,
            fence_steps.PUBLISH: lambda h, _op, obj: self._publish(h, obj),
            resv_steps.SET: self._set,
            syncobj_steps.SWAP: self._swap,
            fence_steps.WAIT: lambda h, _op, _obj: h.waits(),
        }

    def created(self, task: Task, obj: Any) -> None:
        """A fence was made: by whom."""
        if isinstance(obj, Fence):
            self._makers[id(obj)] = (obj.timeline, obj.seqno, task)
            self._seen.pop(id(obj), None)
        elif isinstance(obj, SyncFile):
            self._publish(self._known.holder(task), obj.fence)

    # -- publication ---------------------------------------------------------------------------

    def _publish(self, holder: TaskHolder, fence: Fence | None) -> None:
        """Others can find a fence, and what it contains, since that task did something."""
        left = [fence]
        since = 0
        while left:
            one = left.pop()
            if one is None or is_flagged(one) or self._is_published(one):
                continue
            since = since or holder.publishes()
            self._seen[id(one)] = (one.timeline, one.seqno, holder.task, since)
            if isinstance(one, FenceArray):
                left += one.fences
            elif isinstance(one, FenceChain):
                left += (one.fence, one._prev)

    def _is_published(self, fence: Fence) -> bool:
        seen = self._seen.get(id(fence))
        return seen is not None and seen[:2] == (fence.timeline, fence.seqno)

    def _since(self, holder: TaskHolder, fence: Fence) -> int:
        """In which epoch of a task it published a fence; 0 if another one did."""
        task, since = self._seen[id(fence)][2:]
        return since if task is holder.task else 0

    def _met(self, holder: TaskHolder, _op: Op, fence: Fence) -> None:
        """A task touches a fence: published if another one made it."""
        made = self._makers.get(id(fence))
        if made is None or made[:2] != (fence.timeline, fence.seqno):
            return
        if made[2] is not holder.task:
            self._publish(self._known.holder(made[2]), fence)

    def _set(self, holder: TaskHolder, _op: Op, _fences: Any) -> None:
        self._publish(holder, holder.task.arg[1])

    def _swap(self, holder: TaskHolder, _op: Op, _obj: Any) -> None:
        self._publish(holder, holder.task.arg)

    # -- locks and signals ---------------------------------------------------------------------

    def _touch(self, holder: TaskHolder, op: Op, fence: Fence) -> None:
        """A step that takes the lock for itself."""
        self._met(holder, op, fence)
        lock = peek_lock(fence)
        if is_flagged(fence) or (lock is not None and lock.owner is holder.task):
            return
        self._lock(holder, op, fence)
        self._order.release(holder, fence)

    def _lock(self, holder: TaskHolder, _op: Op, fence: Fence) -> None:
        cls = self._known.of_fence_lock(fence)
        if cls is not None:
            self._order.acquire(holder, fence, cls, EXCLUSIVE, 0, _irq_context(holder))

    def _unlock(self, holder: TaskHolder, _op: Op, fence: Fence) -> None:
        self._order.release(holder, fence)

    def _signal(self, holder: TaskHolder, op: Op, fence: Fence) -> None:
        if is_flagged(fence):
            return
        self._met(holder, op, fence)
        published = self._is_published(fence)
        self._sections.signal(holder, fence, published=published)
        if published and self._sections.is_unsaid(holder):
            self._ends.signal(holder, fence, self._since(holder, fence))
        self._touch(holder, op, fence)

    def _signalled(self, holder: TaskHolder, op: Op, fence: Fence) -> None:
        """The step took the lock if there are callbacks to run under it."""
        self._seen.pop(id(fence), None)
        self._makers.pop(id(fence), None)
        callbacks = holder.task.value
        if callbacks is fence_steps.ALREADY or not callbacks:
            return
        lock = peek_lock(fence)
        external = fence.timeline.lock
        if external is not None and any(one is external for one in holder.locks):
            return
        if lock is not None and lock.owner is holder.task:
            self._lock(holder, op, fence)


def _irq_context(holder: TaskHolder) -> int:
    return context_of(holder.task) | _IRQS_OFF
