"""Who must hear that user pages are about to be taken away: drivers whose devices use them.

Mirrors: include/linux/mmu_notifier.h, mm/mmu_notifier.c

A driver that lets a device use a process's pages without pinning them keeps copies of the page
table. Before pages are unmapped (munmap, reclaim, migration) it is told, in the task that does so,
and when it returns from that no device may use them. List notifiers hear of every range, interval
notifiers of the ranges that they asked for. A driver makes its copies under a sequence that
tells whether something was invalidated meanwhile:

    seq = notifier.read_begin()
    ...                                  # look the pages up; may sleep
    with lock:                           # which `invalidate` takes as well
        if notifier.read_retry(seq):
            continue                     # do it again
        ...                              # use them
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.context import might_sleep, notifying, warn_on

if TYPE_CHECKING:
    from dmabuf.mm.mm_struct import MmStruct

__all__ = ["IntervalNotifier", "MmuNotifier", "Range", "Subscriptions"]

Touches = tuple[tuple[Any, int], ...]


@kernel("struct mmu_notifier_range")
class Range(NamedTuple):
    """Addresses that are invalidated.

    Attributes:
        start: the first.
        end: the first behind them.
        is_blockable: may callbacks sleep? False only for the reaper of a process killed for
            want of memory.
    """

    start: int
    end: int
    is_blockable: bool = True


def _overlaps(one: IntervalNotifier, found: Range) -> bool:
    return one.start < found.end and found.start < one.end


# -- what the steps do ---------------------------------------------------------------------------


def _start(subs: Subscriptions, task: Task) -> tuple[tuple[IntervalNotifier, ...], int]:
    """Begin to invalidate: the interval notifiers that must hear, and the sequence number."""
    subs.active += 1
    found = tuple(one for one in subs.intervals if _overlaps(one, task.arg))
    if found:
        subs.seq |= 1
    return found, subs.seq


def _end(subs: Subscriptions, _task: Task) -> None:
    subs.active -= 1
    if subs.active or not subs.is_invalidating:
        return
    subs.seq += 1
    for one, comes in subs.deferred.items():
        if comes:
            subs.intervals.append(one)
        else:
            subs.intervals.remove(one)
    subs.deferred.clear()


def _insert(one: IntervalNotifier, _task: Task) -> bool:
    """While something is invalidated the tree stays as it is; the notifier is added at the end.

    False if it is there already.
    """
    subs = one.subs
    if one in subs.intervals or one in subs.deferred:
        return False
    if not subs.active:
        one.seq = subs.seq - 1
        subs.intervals.append(one)
        return True
    if subs.is_invalidating:
        subs.deferred[one] = True
    else:
        subs.seq |= 1
        subs.intervals.append(one)
    one.seq = subs.seq
    return True


def _remove(one: IntervalNotifier, _task: Task) -> int:
    """The sequence number to wait for the end of; 0: it is gone at once, -1: it was not there."""
    subs = one.subs
    coming = subs.deferred.get(one)
    if coming is False or (coming is None and one not in subs.intervals):
        return -1
    if subs.is_invalidating:
        if subs.deferred.pop(one, False):
            return 0
        subs.deferred[one] = False
        return subs.seq
    subs.intervals.remove(one)
    return 0


def _look(one: IntervalNotifier, _task: Task) -> tuple[int, bool]:
    """Its sequence number, and whether that is being invalidated now."""
    return one.seq, one.seq == one.subs.seq


def _set_seq(one: IntervalNotifier, task: Task) -> None:
    one.seq = task.arg


def _has_collided(one: IntervalNotifier, task: Task) -> bool:
    return bool(one.seq != task.arg)


def _both(one: IntervalNotifier, _task: Task) -> Touches:
    return ((one, WRITE), (one.subs, WRITE))


def _read_both(one: IntervalNotifier, _task: Task) -> Touches:
    return ((one, READ), (one.subs, READ))


START = Op("mmu_notifier.start", action=_start, says="begins to invalidate pages of {}")
END = Op("mmu_notifier.end", action=_end, wakes=True, says="has invalidated pages of {}")
INSERT = Op("mmu_interval.insert", action=_insert, touches=_both, says="registers {}")
REMOVE = Op("mmu_interval.remove", action=_remove, touches=_both, says="unregisters {}")
READ_BEGIN = Op("mmu_interval.read_begin", action=_look, touches=_read_both, says="begins with {}")
SET_SEQ = Op("mmu_interval.set_seq", action=_set_seq, says="marks {} as invalidated")
READ_RETRY = Op(
    "mmu_interval.read_retry",
    action=_has_collided,
    access=READ,
    says="asks whether {} was invalidated",
)
WAIT = Op(
    "mmu_notifier.wait",
    guard=lambda subs, task: subs.seq != task.arg,
    access=READ,
    says="waits for the end of an invalidation of {}",
)
LIST = Op(
    "mmu_notifier.list",
    action=lambda subs, _task: _enter(subs),
    says="calls the notifiers of {}",
)
LEAVE = Op(
    "mmu_notifier.leave",
    action=lambda subs, task: _leave(subs, task.arg),
    wakes=True,
    says="has called the notifiers of {}",
)
ADD = Op(
    "mmu_notifier.register",
    action=lambda subs, task: subs.listed.append(task.arg),
    says="registers a notifier with {}",
)
DROP = Op(
    "mmu_notifier.unregister",
    action=lambda subs, task: _drop(subs, task.arg),
    says="unregisters a notifier of {}",
)
SYNCHRONIZE = Op(
    "mmu_notifier.synchronize",
    guard=lambda subs, task: task.arg not in subs.called,
    access=READ,
    says="waits for the calls of a notifier of {} to end",
)


def _enter(subs: Subscriptions) -> tuple[MmuNotifier, ...]:
    for one in subs.listed:
        subs.called[one] = subs.called.get(one, 0) + 1
    return tuple(subs.listed)


def _drop(subs: Subscriptions, one: MmuNotifier) -> bool:
    """Was it there?"""
    if one not in subs.listed:
        return False
    subs.listed.remove(one)
    return True


def _leave(subs: Subscriptions, called: tuple[MmuNotifier, ...]) -> None:
    for one in called:
        left = subs.called[one] - 1
        if left:
            subs.called[one] = left
        else:
            del subs.called[one]


class Subscriptions:
    """All notifiers of an address space.

    Attributes:
        seq: odd while a range that somebody asked for is invalidated.
        active: how many invalidations are under way.
        intervals: the interval notifiers.
        deferred: those to be added (True) or dropped when the last invalidation ends.
        listed: the list notifiers.
        called: those of them whose callbacks run, and how many times.
    """

    __slots__ = (
        "__weakref__",
        "active",
        "called",
        "deferred",
        "intervals",
        "listed",
        "name",
        "rt",
        "seq",
    )

    def __init__(self, name: str, rt: Runtime) -> None:
        self.name = name
        self.rt = rt
        self.seq = 2
        self.active = 0
        self.intervals: list[IntervalNotifier] = []
        self.deferred: dict[IntervalNotifier, bool] = {}
        self.listed: list[MmuNotifier] = []
        self.called: dict[MmuNotifier, int] = {}
        rt.adopt(self, name)

    @property
    @no_kernel("mn_itree_is_invalidating, which is static")
    def is_invalidating(self) -> bool:
        """Is a range invalidated that somebody asked for? For actions."""
        return bool(self.seq & 1)

    @kernel("mmu_notifier_invalidate_range_start")
    def start(self, found: Range) -> bool:
        """Tell everybody that the range goes away. Context: process; may sleep if blockable.

        Returns False if a callback would have had to sleep and may not; then nothing is begun.
        """
        with notifying(self.rt):
            return self._start(found)

    def _start(self, found: Range) -> bool:
        rt = self.rt
        rt.step(START, self, found)
        intervals, seq = rt.current().value
        for one in intervals:
            if not one.invalidate(one, found, seq):
                if found.is_blockable:
                    warn_on(rt, f"{rt.label(one)} does not wait, although it may")
                    continue
                rt.step(END, self)
                return False
        return self._start_listed(found)

    def _start_listed(self, found: Range) -> bool:
        if not self.listed:
            return True
        rt = self.rt
        rt.step(LIST, self)
        called: tuple[MmuNotifier, ...] = rt.current().value
        ready = True
        for one in called:
            if not one.invalidate_range_start(found):
                ready = False
        if not ready:
            for one in called:
                one.invalidate_range_end(found)
        rt.step(LEAVE, self, called)
        if not ready:
            rt.step(END, self)  # Linux 6.12 forgets that, and the sequence stays odd
        return ready

    @kernel("mmu_notifier_invalidate_range_end")
    def end(self, found: Range) -> None:
        """Say that the pages are gone. Context: process."""
        rt = self.rt
        rt.step(END, self)
        if self.listed:
            rt.step(LIST, self)
            called: tuple[MmuNotifier, ...] = rt.current().value
            for one in called:
                one.invalidate_range_end(found)
            rt.step(LEAVE, self, called)


@kernel("struct mmu_notifier")
class MmuNotifier:
    """A list notifier: hears of every range. Its hooks are for a driver to override."""

    @no_kernel("a hook of struct mmu_notifier_ops")
    def invalidate_range_start(self, found: Range) -> bool:
        """The range goes away; when this returns no device may use it.

        False if that needs a wait and the range is not blockable.
        """
        del found
        return True

    @no_kernel("a hook of struct mmu_notifier_ops")
    def invalidate_range_end(self, found: Range) -> None:
        """The range has gone."""

    @kernel("mmu_notifier_register", context="process")
    def register(self, mm: MmStruct) -> None:
        """Hear of the address space from now on. Context: process, takes mmap_lock for writing."""
        with mm.mmap_lock.write():
            mm.rt.step(ADD, mm.subscriptions, self)

    @kernel("mmu_notifier_unregister", context="process")
    def unregister(self, mm: MmStruct) -> None:
        """Hear of it no more, and wait for callbacks that run. Context: process, may sleep.

        Warns (DF004) if it does not hear of it.
        """
        rt, subs = mm.rt, mm.subscriptions
        might_sleep("mmu_notifier_unregister", runtime=rt)
        rt.step(DROP, subs, self)
        if not rt.current().value:
            warn_on(rt, f"{rt.current().name} unregisters a notifier that {mm.name} does not have")
        rt.step(SYNCHRONIZE, subs, self)


@kernel("struct mmu_interval_notifier")
class IntervalNotifier:
    """A notifier for one range, with a sequence that tells whether something was invalidated.

    Args:
        mm: the address space.
        start: first address.
        length: how many.
        invalidate: called with (notifier, range, sequence number): takes the driver's lock, calls
            `set_seq` under it, and when it returns no device may use the range. False if that
            needs a wait and the range is not blockable.
        name: for reports.
    """

    __slots__ = ("__weakref__", "end", "invalidate", "mm", "name", "rt", "seq", "start", "subs")

    def __init__(
        self,
        mm: MmStruct,
        start: int,
        length: int,
        invalidate: Callable[[IntervalNotifier, Range, int], bool],
        name: str = "notifier",
    ) -> None:
        self.mm = mm
        self.subs = mm.subscriptions
        self.start = start
        self.end = start + length
        self.invalidate = invalidate
        self.name = name
        self.seq = 0
        self.rt = mm.rt
        self.rt.adopt(self, name)

    @kernel("mmu_interval_notifier_insert")
    def insert(self) -> None:
        """Hear of the range from now on. Warns (DF004) if it does. Context: process."""
        rt = self.rt
        rt.step(INSERT, self)
        if not rt.current().value:
            warn_on(rt, f"{rt.current().name} registers {rt.label(self)} a second time")

    @kernel("mmu_interval_notifier_remove", context="process")
    def remove(self) -> None:
        """Hear of it no more; waits for an invalidation under way. Context: process, may sleep.

        So it may not be called under a lock that `invalidate` takes. Warns (DF004) if it does not
        hear of it.
        """
        rt = self.rt
        might_sleep(f"mmu_interval_notifier_remove of {self.name}", runtime=rt)
        rt.step(REMOVE, self)
        seq = rt.current().value
        if seq < 0:
            warn_on(rt, f"{rt.current().name} unregisters {rt.label(self)}, which is not there")
        elif seq:
            rt.step(WAIT, self.subs, seq)

    @kernel("mmu_interval_read_begin", context="process")
    def read_begin(self) -> int:
        """Begin to look at the range; waits while it is invalidated. Context: process, may sleep.

        So it may not be called under a lock that `invalidate` takes.

        Returns the number for `read_retry`.
        """
        might_sleep(f"mmu_interval_read_begin of {self.name}", runtime=self.rt)
        rt = self.rt
        rt.step(READ_BEGIN, self)
        seq, waits = rt.current().value
        if waits:
            rt.step(WAIT, self.subs, seq)
        return int(seq)

    @kernel("mmu_interval_set_seq")
    def set_seq(self, seq: int) -> None:
        """Say in `invalidate`, under the driver's lock, that it has been called. Context: any."""
        self.rt.step(SET_SEQ, self, seq)

    @kernel("mmu_interval_read_retry")
    def read_retry(self, seq: int) -> bool:
        """Was something invalidated since? Under the driver's lock. Context: any."""
        self.rt.step(READ_RETRY, self, seq)
        return bool(self.rt.current().value)

    def __repr__(self) -> str:
        return f"<IntervalNotifier {self.name} {self.start:#x} to {self.end:#x}>"
