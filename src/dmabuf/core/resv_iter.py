"""Walking over the fences of a reservation object, with its lock or without.

Mirrors: include/linux/dma-resv.h (struct dma_resv_iter)

    >>> from dmabuf.core.resv import Resv
    >>> with ResvIter(Resv("bo"), Usage.READ) as cursor:
    ...     [fence.name for fence in cursor]
    []

Without the lock the list may be replaced at any moment, and then the walk starts over: whoever
collects looks at `is_restarted`. Fences that are signalled are left out. With the lock all of
them come, once each.

In the kernel each step of a walk without the lock is inside rcu_read_lock, for two reasons. The
first, that list and fence stay while they are looked at, is here a part of the step that looks.
The second is seen by drivers: their `signaled` hook is called as an RCU reader, and may not sleep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.resv_steps import CURRENT, READ_SLOT, RESTART, FenceList, Usage
from dmabuf.errors import Unwind
from dmabuf.sync.lockdep import assert_held
from dmabuf.sync.rcu import rcu_read_lock

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence
    from dmabuf.core.resv import Resv

__all__ = ["ResvIter"]


@kernel("struct dma_resv_iter")
class ResvIter:
    """A cursor over the fences with a usage up to the one given, in the order of slots.

    Args:
        obj: the reservation object.
        usage: the highest usage wanted.
        counted: a counted reference comes with each fence of an unlocked walk; `take` it.

    Attributes:
        fence: where it stands, None at the end.
        fence_usage: that fence's usage.
        num_fences: how many slots were in use when the walk began.
        is_restarted: is this the first fence since the walk began or began again?
    """

    __slots__ = (
        "_counted",
        "_index",
        "_owns",
        "fence",
        "fence_usage",
        "fences",
        "is_restarted",
        "num_fences",
        "obj",
        "usage",
    )

    def __init__(self, obj: Resv, usage: Usage, *, counted: bool = False) -> None:
        self.begin(obj, usage, counted=counted)

    @kernel("dma_resv_iter_begin")
    def begin(self, obj: Resv, usage: Usage, *, counted: bool = False) -> None:
        """Get ready to walk. Context: any."""
        self._counted = counted
        self.obj = obj
        self.usage = usage
        self.fence: Fence | None = None
        self.fence_usage = Usage.KERNEL
        self.fences: FenceList | None = None
        self.num_fences = 0
        self.is_restarted = False
        self._index = 0
        self._owns = False

    @kernel("dma_resv_iter_end")
    def end(self) -> None:
        """Put the reference that it still has. Context: any."""
        if self._owns and self.fence is not None:
            self._owns = False
            self.fence.put()

    @no_kernel("dma_fence_get of the fence and its put by the cursor, in one")
    def take(self) -> Fence:
        """The fence, and the counted reference to it, which is the caller's from here."""
        assert self.fence is not None
        self._owns = False
        return self.fence

    # -- without the lock ------------------------------------------------------------------------

    @kernel("dma_resv_iter_first_unlocked")
    def first_unlocked(self) -> Fence | None:
        """The first pending fence; None without one. Context: any; asking may signal fences."""
        return self._until_unchanged(restart=True)

    @kernel("dma_resv_iter_next_unlocked")
    def next_unlocked(self) -> Fence | None:
        """The next pending fence, or the first again if the list was replaced. Context: any."""
        self.is_restarted = False
        return self._until_unchanged(restart=self._has_changed())

    def _until_unchanged(self, *, restart: bool) -> Fence | None:
        while True:
            if restart:
                self._restart()
            self._walk()
            if not self._has_changed():
                return self.fence
            restart = True

    def _has_changed(self) -> bool:
        rt = self.obj.rt
        rt.step(CURRENT, self.obj)
        return rt.current().value is not self.fences

    def _restart(self) -> None:
        rt = self.obj.rt
        rt.step(RESTART, self.obj)
        self.fences, self.num_fences = rt.current().value
        self._index = 0
        self.is_restarted = True

    def _walk(self) -> None:
        """Go on to the next fence that is wanted and not signalled."""
        rt = self.obj.rt
        while True:
            self.end()
            self.fence = None
            if self.fences is None or self._index >= self.num_fences:
                return
            rt.step(READ_SLOT, self.fences, (self._index, self._counted))
            found: Any = rt.current().value
            self.fence, self.fence_usage, self._owns = found
            self._index += 1
            assert self.fence is not None
            if not _is_signaled(self.fence) and self.fence_usage <= self.usage:
                return

    # -- with the lock ---------------------------------------------------------------------------

    @kernel("dma_resv_iter_first")
    def first(self) -> Fence | None:
        """The first fence, signalled or not; the lock is held (else it warns). Context: any."""
        assert_held(self.obj.ww)
        self._index = 0
        self.fences = self.obj.fences
        fence = self.next()
        self.is_restarted = True
        return fence

    @kernel("dma_resv_iter_next")
    def next(self) -> Fence | None:
        """The next fence, signalled or not; the lock is held (else it warns). Context: any."""
        assert_held(self.obj.ww)
        self.is_restarted = False
        entries = self.fences.entries if self.fences is not None else []
        while self._index < len(entries):
            self.fence, self.fence_usage = entries[self._index]
            self._index += 1
            if self.fence_usage <= self.usage:
                return self.fence
        self.fence = None
        return None

    # -- loops -----------------------------------------------------------------------------------

    @kernel("dma_resv_for_each_fence_unlocked")
    def __iter__(self) -> Iterator[Fence]:
        """The pending fences, without the lock; all of them again after each restart."""
        fence = self.first_unlocked()
        while fence is not None:
            yield fence
            fence = self.next_unlocked()

    @kernel("dma_resv_for_each_fence")
    def locked(self) -> Iterator[Fence]:
        """All fences, with the lock."""
        fence = self.first()
        while fence is not None:
            yield fence
            fence = self.next()

    @no_kernel("dma_resv_iter_begin as a with-block")
    def __enter__(self) -> ResvIter:
        return self

    @no_kernel("dma_resv_iter_end as the end of a with-block")
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, Unwind):
            self.end()


def _is_signaled(fence: Fence) -> bool:
    """Is it? A driver that is asked is asked by an RCU reader."""
    if fence.timeline.ops.signaled is None:
        return fence.is_signaled()
    with rcu_read_lock(fence.timeline.rt):
        return fence.is_signaled()
