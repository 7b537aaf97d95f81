"""A sync object: a place for a fence, which may be replaced, or for a timeline of points.

Mirrors: include/drm/drm_syncobj.h, drivers/gpu/drm/drm_syncobj.c

    >>> from dmabuf.core.timeline import Timeline
    >>> gpu = Timeline("gpu")
    >>> binary, line = SyncObj("binary"), SyncObj("timeline")
    >>> job = gpu.fence()
    >>> binary.replace_fence(job)
    >>> line.add_point(job, 1); line.add_point(gpu.fence(), 2)
    >>> job.signal()
    >>> line.query(), line.query(last_submitted=True), binary.find_fence() is job
    (1, 2, True)

Userspace holds it, fills it and waits for it, in any order: `syncobj_wait` waits, and may do so
before there is a fence. Kernel code takes the fence out first (`find_fence`) and depends on that
alone, because nobody owes a submission.
"""

from __future__ import annotations

import errno
from typing import Any, Protocol

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_chain import FenceChain, chain_for_each
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.fence_wait import private_stub
from dmabuf.core.syncobj_steps import (
    FENCE_GET,
    GET,
    PUT,
    SWAP,
    Wait,
    WaitEntry,
    looks,
    submitted,
)
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.sync.context import might_sleep
from dmabuf.sync.lockdep import assert_none_held
from dmabuf.sync.spinlock import SpinLock

__all__ = ["SyncObj"]

WAIT_FOR_SUBMIT_NS = 5_000_000_000
"""How long `find_fence` waits for a submission."""

U64_MAX = (1 << 64) - 1


class Registration(Protocol):
    """An eventfd that is to be told of a point (`syncobj_eventfd`)."""

    point: int

    def hand(self, fence: Fence) -> None:
        """The point has been submitted."""
        ...

    def drop(self) -> None:
        """The object is gone before that."""
        ...


@kernel("struct drm_syncobj", "drm_syncobj_create", context="process")
class SyncObj:
    """A sync object, with one counted reference for its creator.

    Args:
        name: for reports.
        signaled: begin with a stub that is signalled now.
        fence: begin with this one, a reference to which is taken.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        fence: a plain fence, an array, or the newest point of a timeline; None if there is none.
            For whoever holds the lock; others ask with `fence_get`.
        waiters: points that calls wait for and that have not been submitted.
        eventfds: the same for eventfds.
        lock: for changes of these three.
        references: counted ones.
    """

    __slots__ = (
        "__weakref__",
        "eventfds",
        "fence",
        "lock",
        "name",
        "references",
        "rt",
        "waiters",
    )

    def __init__(
        self,
        name: str = "",
        *,
        signaled: bool = False,
        fence: Fence | None = None,
        rt: Runtime | None = None,
    ) -> None:
        self.rt = rt or ambient()
        allocate_or_fail("a sync object", self.rt)
        self.name = name or "syncobj"
        self.fence: Fence | None = None
        self.waiters: dict[WaitEntry, None] = {}
        self.eventfds: dict[Registration, None] = {}
        self.references = 1
        self.rt.adopt(self, name)
        self.lock = SpinLock(f"{self.name}.lock", rt=self.rt)
        if signaled:
            self.assign_null_handle()
        if fence is not None:
            self.replace_fence(fence)

    # -- what is inside --------------------------------------------------------------------------

    @kernel("drm_syncobj_fence_get")
    def fence_get(self) -> Fence | None:
        """Its fence, with a counted reference for the caller; None without one. Context: any."""
        rt = self.rt
        rt.step(FENCE_GET, self)
        fence: Fence | None = rt.current().value
        if not self.references:
            self._was_freed("looks at")
        return fence

    def _was_freed(self, does: str) -> None:
        """Report (DF004) the calling task."""
        rt = self.rt
        rt.report("DF004", f"{rt.current().name} {does} {rt.label(self)}, which was freed")

    @kernel("drm_syncobj_replace_fence")
    def replace_fence(self, fence: Fence | None) -> None:
        """Put another fence, or none, in the place of the one there; takes a reference.

        Whoever waits for a submission is told. Context: any but a handler.
        """
        if fence is not None:
            fence.get()
        with self.lock:
            old = self.fence
            self.rt.step(SWAP, self, fence)
            if not self.references and fence is not None:
                self._was_freed("puts a fence into")
            if fence is not old:
                self._tell()
        if old is not None:
            old.put()

    @no_kernel("drm_syncobj_assign_null_handle, a static function there")
    def assign_null_handle(self) -> None:
        """Signal it by hand: with a stub of its own that is signalled now. Context: process.

        Raises:
            OSError: ENOMEM, nothing has changed.
        """
        allocate_or_fail("a private stub fence", self.rt)
        fence = private_stub(self.rt.now(), rt=self.rt)
        self.replace_fence(fence)
        fence.put()

    @kernel("drm_syncobj_add_point")
    def add_point(self, fence: Fence, point: int, *, chain: FenceChain | None = None) -> None:
        """Make `fence` the newest point of the timeline; takes a reference.

        A point that is not after the newest one is taken too: it counts as the newest one's
        number, in a context of its own, and what is before is reached together with it.

        Args:
            fence: no chain; an array will do.
            point: its number, 64 bits.
            chain: memory for the node, got before the point of no return; without it this may
                sleep. Context: then any but a handler, else process.

        Raises:
            OSError: EINVAL, the number does not fit; ENOMEM.
        """
        checked_point(point)
        rt = self.rt
        node = chain if chain is not None else FenceChain.alloc(rt=rt)
        fence.get()
        with self.lock:
            prev = self.fence_get()
            node.init(prev, fence, point)
            rt.step(SWAP, self, node)
            self._tell()
        for _node in chain_for_each(prev):  # which takes out what has signalled meanwhile
            pass
        if prev is not None:
            prev.put()

    def _tell(self) -> None:
        """Hand their fences to those whose point is there now."""
        if self.waiters:
            self._tell_those(self.waiters)
        if self.eventfds:
            self._tell_those(self.eventfds)

    def _tell_those(self, watchers: dict[Any, None]) -> None:
        for watcher in list(watchers):
            fence = self._submitted(watcher.point)
            if fence is not None:
                del watchers[watcher]
                watcher.hand(fence)

    def _submitted(self, point: int) -> Fence | None:
        """What to wait for until `point` is reached, with a reference; the lock is held."""
        if self.fence is not None:
            self.fence.get()
        return submitted(self.fence, point)

    # -- looking ---------------------------------------------------------------------------------

    @no_kernel("drm_syncobj_find_fence of an object; that of a handle is in syncobj_handles")
    def find_fence(self, point: int = 0, *, for_submit: bool = False) -> Fence:
        """The fence to wait for until `point` is reached, with a counted reference.

        Args:
            point: of a timeline; 0 for whatever is inside.
            for_submit: wait for the submission, 5 s at most and only without locks (else DF004);
                a pending signal ends it.

        Raises:
            OSError: EINVAL, not submitted; with `for_submit` ETIME instead.
            Interrupted: a signal is pending.

        Context: any; process with `for_submit`.
        """
        checked_point(point)
        if for_submit:
            refuse_locks(self.rt, f"wait for a submission to {self.name}")
        fence = submitted(self.fence_get(), point)
        if fence is not None:
            return fence
        if not for_submit:
            raise OSError(errno.EINVAL, f"{self.name} has no fence for point {point}")
        return self._wait_for_submit(point)

    def _wait_for_submit(self, point: int) -> Fence:
        rt = self.rt
        with Wait(rt, f"a submission to {self.name}") as wait:
            entry = wait.add(self, point)
            self.add_wait(entry)
            for (fence,) in looks(wait, rt.now() + WAIT_FOR_SUBMIT_NS):
                if fence is not None:
                    entry.was_taken = True
                    return fence
        raise AssertionError

    @no_kernel("drm_syncobj_fence_add_wait, a static function there")
    def add_wait(self, entry: WaitEntry) -> None:
        """Have `entry` handed its fence when its point is submitted, or now. Context: process."""
        if entry.fence is not None:
            return
        entry.was_queued = True
        with self.lock:
            fence = self._submitted(entry.point)
            if fence is None:
                self.waiters[entry] = None
            else:
                entry.hand(fence)

    @no_kernel("drm_syncobj_remove_wait, a static function there")
    def remove_wait(self, entry: WaitEntry) -> None:
        """Forget `entry`: nobody hands it anything from here. Context: process."""
        if entry.was_queued:
            with self.lock:
                self.waiters.pop(entry, None)

    @no_kernel("the part of drm_syncobj_add_eventfd under the lock, a static function there")
    def register(self, registration: Registration) -> None:
        """Have it handed its fence when its point is submitted, or now. Context: process."""
        with self.lock:
            fence = self._submitted(registration.point)
            if fence is None:
                self.eventfds[registration] = None
            else:
                registration.hand(fence)

    @no_kernel("the loop body of drm_syncobj_query_ioctl")
    def query(self, *, last_submitted: bool = False) -> int:
        """The point that the timeline has come to; 0 without a timeline. Context: process.

        Args:
            last_submitted: ask for the newest point instead, signalled or not.

        A point counts once everything before it has signalled, too; where points were added out
        of order, of those added since.
        """
        fence = self.fence_get()
        try:
            if not isinstance(fence, FenceChain):
                return 0
            if last_submitted:
                return fence.seqno
            first = fence
            for node in chain_for_each(fence):
                if node.context != fence.context:
                    break
                assert isinstance(node, FenceChain)
                first = node
            return first.seqno if first.is_signaled() else first.prev_seqno
        finally:
            if fence is not None:
                fence.put()

    # -- lifetime --------------------------------------------------------------------------------

    @kernel("drm_syncobj_get")
    def get(self) -> SyncObj:
        """Take a counted reference, for whom one of somebody else's stands. Context: any."""
        rt = self.rt
        rt.step(GET, self)
        if not rt.current().value:
            who = rt.current().name
            rt.report("DF004", f"{who} takes a reference to {rt.label(self)}, which has none left")
        return self

    @kernel("drm_syncobj_put")
    def put(self) -> None:
        """Put a counted reference; the last one frees the object. Context: any but a handler."""
        rt = self.rt
        rt.step(PUT, self)
        before = rt.current().value
        if before == 0:
            who = rt.current().name
            rt.report("DF004", f"{who} puts {rt.label(self)}, which has no reference left")
        if before == 1:
            self._free()

    @kernel("drm_syncobj_free")
    def _free(self) -> None:
        """Its fence is put; eventfds that wait for a submission are dropped, and stay silent."""
        self.replace_fence(None)
        registrations, self.eventfds = self.eventfds, {}
        for registration in registrations:
            registration.drop()

    def __repr__(self) -> str:
        return f"<SyncObj {self.name} with {self.fence!r}>"


@no_kernel("a __u64 cannot be out of range there")
def checked_point(point: int) -> int:
    """A number of 64 bits. Raises OSError (EINVAL)."""
    if not 0 <= point <= U64_MAX:
        raise OSError(errno.EINVAL, f"a point has 64 bits: {point}")
    return point


@no_kernel("might_sleep and lockdep_assert_none_held_once, in both waits for a submission")
def refuse_locks(rt: Runtime, what: str) -> None:
    """Report a wait for userspace in atomic context (DF003) or with any lock held (DF004)."""
    might_sleep(what, runtime=rt)
    assert_none_held()
