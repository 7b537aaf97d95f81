"""Reservation object: the fences that whoever uses a buffer has to wait for.

Mirrors: include/linux/dma-resv.h, drivers/dma-buf/dma-resv.c

    >>> from dmabuf.core.timeline import Timeline
    >>> resv, fence = Resv("bo"), Timeline("gpu").fence()
    >>> with resv:
    ...     resv.reserve_fences(1)
    ...     resv.add_fence(fence, Usage.WRITE)
    >>> resv.test_signaled(usage_rw(write=False)), resv.test_signaled(Usage.KERNEL)
    (False, True)
    >>> fence.signal(); resv.wait(Usage.BOOKKEEP)
    True

Its lock is a ww_mutex. Adding a fence takes the lock and cannot fail, as a slot was reserved
before; looking and waiting take no lock. What unused slots were reserved is forfeited with the
unlock, as in a kernel with CONFIG_DEBUG_MUTEXES; the memory of the slots stays.
"""

from __future__ import annotations

import errno

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_container import allocate_or_fail, is_container
from dmabuf.core.resv_iter import ResvIter
from dmabuf.core.resv_steps import SET, SWAP, Entry, FenceList, Usage, slots_given
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_wait, warn_on
from dmabuf.sync.lockdep import assert_held, lock_is_held
from dmabuf.sync.ww_acquire import WwAcquire, reservation_ww_class
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["Resv", "Usage", "usage_rw"]

_LEAST_SLOTS = 4
_MOST_SLOTS = (4 << 20) // 8
"""What kmalloc gives at most, 4 MiB."""


@kernel("dma_resv_usage_rw")
def usage_rw(*, write: bool) -> Usage:
    """What a new access has to wait for: a writer for readers too. Context: any."""
    return Usage.READ if write else Usage.WRITE


@kernel("struct dma_resv", "dma_resv_init")
class Resv:
    """Fences with usages, and the lock that guards changes of them.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        ww: its lock.
        fences: the list of fences; None before the first is reserved.
    """

    __slots__ = ("__weakref__", "fences", "name", "rt", "ww")

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "resv"
        self.rt = rt or ambient()
        self.rt.adopt(self, name)
        self.ww = WwMutex(f"{self.name}.lock", reservation_ww_class(self.rt), rt=self.rt)
        self.fences: FenceList | None = None

    # -- the lock --------------------------------------------------------------------------------

    @kernel("dma_resv_lock", context="process")
    def lock(self, ctx: WwAcquire | None = None) -> None:
        """Take the lock. Context: process, may sleep; not on the way to a signal.

        Args:
            ctx: the acquire context; None to take just this one.

        Raises:
            WouldDeadlock: unlock all of the context, then take the slow way.
            AlreadyLocked: the context holds it.
        """
        self.ww.lock(ctx)

    @kernel("dma_resv_lock_interruptible", context="process")
    def lock_interruptible(self, ctx: WwAcquire | None = None) -> None:
        """As `lock`, but a pending signal ends the wait. Raises Interrupted as well."""
        self.ww.lock_interruptible(ctx)

    @kernel("dma_resv_lock_slow", context="process")
    def lock_slow(self, ctx: WwAcquire) -> None:
        """Take it after `WouldDeadlock`, with nothing held. Context: process, may sleep."""
        self.ww.lock_slow(ctx)

    @kernel("dma_resv_lock_slow_interruptible", context="process")
    def lock_slow_interruptible(self, ctx: WwAcquire) -> None:
        """As `lock_slow`, but a pending signal ends the wait. Raises Interrupted."""
        self.ww.lock_slow_interruptible(ctx)

    @kernel("dma_resv_trylock", context="process")
    def trylock(self) -> bool:
        """Take it if it is free, without a context; never waits. Context: process."""
        return self.ww.trylock()

    @kernel("dma_resv_unlock", context="process")
    def unlock(self) -> None:
        """Free it; what was reserved and not used is forfeited. Context: process."""
        self.ww.unlock()

    @kernel("dma_resv_is_locked")
    def is_locked(self) -> bool:
        """Does anybody hold it? Stale as soon as it is answered. Context: any."""
        return self.ww.is_locked()

    @property
    @kernel("dma_resv_locking_ctx")
    def locking_ctx(self) -> WwAcquire | None:
        """The context it is locked with; for its holder only."""
        return self.ww.ctx

    @kernel("dma_resv_held")
    def held(self) -> bool:
        """Does the calling task hold it? Context: any."""
        return bool(lock_is_held(self.ww))

    @kernel("dma_resv_assert_held")
    def assert_held(self) -> None:
        """Warn (DF004) unless the calling task holds it. Context: any."""
        if self.ww.owner is not self.rt.current():
            assert_held(self.ww)

    @no_kernel("with-statement for dma_resv_lock without a context")
    def __enter__(self) -> Resv:
        self.lock()
        return self

    @no_kernel("with-statement for dma_resv_unlock")
    def __exit__(self, *_: object) -> None:
        self.unlock()

    # -- changing, with the lock -----------------------------------------------------------------

    @kernel("dma_resv_reserve_fences", context="process")
    def reserve_fences(self, num_fences: int) -> None:
        """Make room for so many more fences. Context: process, lock held, may allocate.

        Where the list has to grow, fences that are signalled leave it.

        Raises:
            OSError: EINVAL for no fences (which warns too), ENOMEM, also for more than a list
                of 4 MiB has.
        """
        rt = self.rt
        self.assert_held()
        if num_fences <= 0:
            warn_on(rt, f"{rt.current().name} reserves {num_fences} fences of {rt.label(self)}")
            raise OSError(errno.EINVAL, "at least one fence is reserved")
        old = self.fences
        if old is not None and len(old.entries) + num_fences <= old.max_fences:
            self._reserve(old, num_fences)
            return
        allocate_or_fail(f"the fences of {self.name}", rt)
        if self._wanted(num_fences) > _MOST_SLOTS:
            raise OSError(errno.ENOMEM, f"no memory for {num_fences} more fences of {self.name}")
        entries, dropped = self._sorted_out()
        new = FenceList(rt, self.name, entries, slots_given(self._wanted(num_fences)))
        self._reserve(new, num_fences)
        rt.step(SWAP, self, new)
        for fence in dropped:
            fence.put()

    def _reserve(self, fences: FenceList, num_fences: int) -> None:
        """Note what this holder of the lock may add."""
        before = fences.reserved_to if fences.reserved_in == self.ww.acquisitions else 0
        fences.reserved_in = self.ww.acquisitions
        fences.reserved_to = max(before, len(fences.entries) + num_fences)

    def _wanted(self, num_fences: int) -> int:
        """Slots to ask for."""
        old = self.fences
        if old is None or not old.max_fences:
            return max(_LEAST_SLOTS, 1 << (num_fences - 1).bit_length())
        return max(len(old.entries) + num_fences, old.max_fences * 2)

    def _sorted_out(self) -> tuple[list[Entry], list[Fence]]:
        """What stays in a new list, and the fences that are signalled."""
        stay: list[Entry] = []
        dropped: list[Fence] = []
        for fence, usage in self.fences.entries if self.fences is not None else ():
            if fence.is_signaled():
                dropped.append(fence)
            else:
                stay.append((fence, usage))
        return stay, dropped

    @kernel("dma_resv_reset_max_fences")
    def reset_max_fences(self) -> None:
        """Forfeit the slots that are reserved and not used. Context: any, lock held."""
        self.assert_held()
        if self.fences is not None:
            self.fences.reserved_in = -1

    @kernel("dma_resv_add_fence")
    def add_fence(self, fence: Fence, usage: Usage) -> None:
        """Let others find `fence`; from here it must signal. Context: any, lock held.

        Takes the first slot whose fence is signalled, or has the same context and the same or a
        later usage, and is not later than `fence`; else a new one, which must be reserved. Slots
        that the list has beyond those reserved are used as the kernel does, and it warns (DF208).

        Raises:
            ContractViolation: DF208, nothing is reserved or the list is full.
            ValueError: there is no such usage.
        """
        rt = self.rt
        if usage.__class__ is not Usage:
            usage = Usage(usage)
        self.assert_held()
        if is_container(fence):
            warn_on(rt, f"{rt.current().name} adds the container {fence.name} to {rt.label(self)}")
        fences = self.fences
        entries = fences.entries if fences is not None else []
        for index, (old, old_usage) in enumerate(entries):
            if _replaces(fence, usage, old, old_usage) or old.is_signaled():
                rt.step(SET, fences, (index, fence, usage))
                old.put()
                return
        self._check_reserved(fence)
        rt.step(SET, fences, (len(entries), fence, usage))

    def _check_reserved(self, fence: Fence) -> None:
        """Report a fence that no slot was reserved for."""
        rt, fences = self.rt, self.fences
        if fences is not None and fences.reserved_in == self.ww.acquisitions:
            used = len(fences.entries)
            if used < fences.reserved_to:
                return
            what = f"{rt.current().name} adds {fence.name} to {rt.label(self)}"
            if used < fences.max_fences:
                warn_on(rt, f"{what} beyond the slots that it reserved", code="DF208")
                return
            rt.report("DF208", f"{what}, which has no slot left")
        who = rt.current().name
        rt.report("DF208", f"{who} adds {fence.name} to {rt.label(self)} without reserving")

    @kernel("dma_resv_replace_fences")
    def replace_fences(self, context: int, replacement: Fence, usage: Usage) -> None:
        """Put `replacement` into every slot of a fence context. Context: any, lock held.

        For fences that need not be waited for any more, such as preemption fences.
        """
        self.assert_held()
        usage = Usage(usage)
        fences = self.fences
        for index, (old, _usage) in enumerate(fences.entries if fences is not None else []):
            if old.context == context:
                self.rt.step(SET, fences, (index, replacement, usage))
                old.put()

    @kernel("dma_resv_copy_fences", context="process")
    def copy_fences(self, src: Resv) -> None:
        """Have the pending fences of `src` instead of one's own. Context: process, lock held.

        The lock of `src` is not needed. Raises OSError (ENOMEM): nothing has changed.
        """
        self.assert_held()
        entries, slots = self._collect(src, Usage.BOOKKEEP, "the fences of a copy")
        copy = FenceList(self.rt, self.name, entries, slots_given(slots)) if entries else None
        if copy is not None:
            self._reserve(copy, 0)
        old = self.fences
        self.rt.step(SWAP, self, copy)
        for fence, _usage in old.entries if old is not None else ():
            fence.put()

    @kernel("dma_resv_fini")
    def fini(self) -> None:
        """End it: nobody uses it any more. Context: any. Puts its fences; warns if locked."""
        old = self.fences
        self.rt.step(SWAP, self, None)
        for fence, _usage in old.entries if old is not None else ():
            fence.put()
        self.ww.destroy()

    # -- looking, without the lock ---------------------------------------------------------------

    @staticmethod
    def _collect(src: Resv, usage: Usage, what: str) -> tuple[list[Entry], int]:
        """The pending fences, a reference to each, and how many slots there were."""
        found: list[Entry] = []
        with ResvIter(src, usage, counted=True) as cursor:
            for _fence in cursor:
                if cursor.is_restarted:
                    while found:
                        found.pop()[0].put()
                    allocate_or_fail(what, src.rt)
                found.append((cursor.take(), cursor.fence_usage))
        return found, cursor.num_fences

    @kernel("dma_resv_get_fences", context="process")
    def get_fences(self, usage: Usage) -> list[Fence]:
        """The pending fences, with a reference to each. Context: process. Raises ENOMEM."""
        entries, _slots = self._collect(self, usage, "a copy of the fences")
        return [fence for fence, _usage in entries]

    @kernel("dma_resv_get_singleton", context="process")
    def get_singleton(self, usage: Usage) -> Fence | None:
        """One fence for all pending ones, with a reference; None if there are none.

        Several are in a new array, which must not be put back into a reservation object.
        Context: process. Raises OSError (ENOMEM).
        """
        fences = self.get_fences(usage)
        if len(fences) < 2:
            return fences[0] if fences else None
        try:
            return FenceArray.create(fences, rt=self.rt)
        except OSError:
            while fences:
                fences.pop().put()
            raise

    @kernel("dma_resv_test_signaled")
    def test_signaled(self, usage: Usage) -> bool:
        """Is nothing pending? Context: any; asking may signal fences."""
        with ResvIter(self, usage) as cursor:
            return cursor.first_unlocked() is None

    @kernel("dma_resv_wait_timeout", context="process")
    def wait(
        self, usage: Usage, timeout: float | None = None, *, interruptible: bool = True
    ) -> bool:
        """Wait for one pending fence after the other. Context: process, may sleep (else DF206).

        Args:
            usage: what to wait for, see `usage_rw`.
            timeout: seconds for all together, None for ever, 0 to look only.
            interruptible: a pending signal of the task ends the wait (raises Interrupted).

        Returns False if the time ran out.
        """
        if timeout is not None and timeout < 0:
            warn_on(self.rt, f"wait for {self.name} with timeout {timeout}")
            raise OSError(errno.EINVAL, f"a timeout is not negative: {timeout}")
        limit = None if timeout is None else to_ns(timeout)
        return self.wait_ns(usage, limit, interruptible=interruptible) > 0

    @no_kernel("dma_resv_wait_timeout in nanoseconds instead of jiffies")
    def wait_ns(self, usage: Usage, limit: int | None, *, interruptible: bool = True) -> int:
        """Wait at most `limit` ns; the time left, at least 1, or 0 if it ran out."""
        left = limit or 1
        might_wait(self.rt, self)
        with ResvIter(self, usage) as cursor:
            for fence in cursor:
                left = fence.wait_ns(limit, interruptible=interruptible)
                if left <= 0:
                    break
                if limit:
                    limit = left
        return left

    @kernel("dma_resv_set_deadline", context="process")
    def set_deadline(self, usage: Usage, deadline_ns: int) -> None:
        """Tell the drivers of pending fences by when they are wanted. Context: process."""
        with ResvIter(self, usage) as cursor:
            for fence in cursor:
                fence.set_deadline(deadline_ns)

    @kernel("dma_resv_describe")
    def describe(self) -> str:
        """A line for each fence but those for bookkeeping. Context: any, lock held."""
        with ResvIter(self, Usage.READ) as cursor:
            lines = [
                f"\t{cursor.fence_usage.name.lower()} fence:{fence.describe()}\n"
                for fence in cursor.locked()
            ]
        return "".join(lines)

    def __repr__(self) -> str:
        count = len(self.fences.entries) if self.fences is not None else 0
        return f"<Resv {self.name} with {count} fences>"


def _replaces(fence: Fence, usage: Usage, old: Fence, old_usage: Usage) -> bool:
    """Does waiting for `fence` with its usage make waiting for `old` unnecessary?"""
    if old.context != fence.context or old_usage < usage:
        return False
    return fence.is_later_or_same(old)
