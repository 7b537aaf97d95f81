"""A design together with drivers that do what the contract allows: the neighbours.

Sentence L says that nothing which a correct driver may do while it waits can keep a fence from
signalling. A design alone shows what its own tasks do; whether it stands what others may do is
seen with them beside it. Each neighbour is a driver that uses one permission:

    >>> from dmabuf.machine import design
    >>> @design
    ... def empty(machine): pass
    >>> beside(empty, {("reclaim", "fence")}).__name__
    'empty'

They know the reservation objects and processes that the design's body makes, and the fences that
are public by then (`public`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, cast

from dmabuf.contract.prime import FENCE, MMAP, NOTIFIER, RECLAIM, RESV
from dmabuf.core.resv import Resv, Usage
from dmabuf.explore.predictions.public import Public
from dmabuf.machine import Design, Machine, design
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, Range
from dmabuf.mm.page_alloc import WORLD
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.sync.gfp import Gfp

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["Permission", "beside", "permissions_of"]

Permission = tuple[str, str]
"""Roles of two classes (see `contract.prime`): under the first the second is allowed."""

_PAGE = 0x1000


class _Known:
    """What of a design its neighbours have got hold of."""

    def __init__(self, machine: Machine, later: frozenset[int]) -> None:
        made = list(cast("Tasks", machine.rt).objects)
        self.machine = machine
        self.public = Public(machine.rt, later)
        self.buffers = [one for one in made if isinstance(one, Resv)]
        self.processes = [one for one in made if isinstance(one, MmStruct)]

    def wait(self) -> None:
        """For every fence that may be pending and that others can find by now."""
        for fence in self.public.fences():
            fence.wait(interruptible=False)


def _short_of_memory(machine: Machine) -> None:
    if machine.rt.extras.get(WORLD) is None:
        machine.memory(pressure=1)


def _shrinker(known: _Known) -> None:
    """It frees buffers whose jobs are done, and waits for them where it may."""
    _short_of_memory(known.machine)

    def scan(control: ShrinkControl) -> int:
        if not control.gfp & Gfp.FS:
            return SHRINK_STOP
        known.wait()
        return 1

    Shrinker("a neighbour's buffers", lambda _control: 1, scan)


def _notifier(known: _Known) -> None:
    """Its jobs use pages of a process; before those go away it waits for the jobs."""
    _short_of_memory(known.machine)
    mm = MmStruct("a neighbour's process")
    mm.mmap(_PAGE, name="user buffer").populate()

    def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:
        notifier.set_seq(seq)
        known.wait()
        return True

    IntervalNotifier(mm, _PAGE, _PAGE, invalidate).insert()


def _evictor(known: _Known) -> None:
    """It waits for whoever uses a buffer, with the buffer's lock held."""

    def evict(buffer: Resv) -> None:
        with buffer as resv:
            resv.wait(Usage.BOOKKEEP, interruptible=False)

    for number, buffer in enumerate(known.buffers):
        known.machine.kthread(functools.partial(evict, buffer), f"neighbour evicts {number}")


def _fault(known: _Known) -> None:
    """A page fault in one of its buffers: under mmap_lock it waits until the buffer has moved."""

    def fault(mm: MmStruct) -> None:
        with mm.mmap_lock.read():
            known.wait()

    for number, mm in enumerate(known.processes):
        known.machine.kthread(functools.partial(fault, mm), f"neighbour faults {number}")


_NEIGHBOURS: dict[Permission, Callable[[_Known], None]] = {
    (RECLAIM, FENCE): _shrinker,
    (NOTIFIER, FENCE): _notifier,
    (RESV, FENCE): _evictor,
    (MMAP, FENCE): _fault,
}
"""Who uses which permission. What is allowed through others is done by those (see `_THROUGH`)."""

_THROUGH: dict[Permission, tuple[Permission, ...]] = {
    (RECLAIM, NOTIFIER): ((NOTIFIER, FENCE),),
    (MMAP, RESV): ((MMAP, FENCE),),
    (RESV, RECLAIM): ((RECLAIM, FENCE),),
    (MMAP, RECLAIM): ((RECLAIM, FENCE),),
}


def permissions_of(roles: Collection[Permission]) -> frozenset[Permission]:
    """Those permissions that a neighbour uses."""
    found = {one for pair in roles for one in _THROUGH.get(pair, (pair,))}
    return frozenset(found & _NEIGHBOURS.keys())


def beside(fn: Design, permissions: Collection[Permission], later: Collection[int] = ()) -> Design:
    """The design with a neighbour for each permission.

    Args:
        fn: the design.
        permissions: pairs of roles; those that no neighbour uses change nothing.
        later: numbers of the fences that are not public from the start.
    """
    wanted = permissions_of(permissions)

    @design
    def combined(machine: Machine) -> None:
        fn(machine)
        known = _Known(machine, frozenset(later))
        for permission in sorted(wanted):
            _NEIGHBOURS[permission](known)

    combined.__name__ = getattr(fn, "__name__", "design")
    combined.__doc__ = fn.__doc__
    return combined
