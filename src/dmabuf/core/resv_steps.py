"""The indivisible steps of a reservation object, and the list of fences that they work on.

Mirrors: drivers/dma-buf/dma-resv.c (struct dma_resv_list)

Who holds the lock changes the list; readers need no lock. So each change of a slot, and each look
at one, is a step of its own, and a reader may come between any two. A list that has become too
short is replaced by another one as a whole, which tells readers to start over.

    >>> slots_given(4), slots_given(8)
    (5, 9)
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import PUBLISHED, is_flagged, publication_touches, state_of
from dmabuf.rt.api import READ, WRITE, Op, Task

if TYPE_CHECKING:
    from dmabuf.core.resv import Resv
    from dmabuf.rt.api import Runtime

__all__ = ["CURRENT", "READ_SLOT", "RESTART", "SET", "SWAP", "FenceList", "Usage", "slots_given"]

_HEADER_BYTES = 24
_SLOT_BYTES = 8
_ODD_BUCKETS = (96, 192)
_SMALLEST = 8


@kernel("enum dma_resv_usage")
class Usage(enum.IntEnum):
    """What a fence in a reservation object protects; asking for one asks for all before it too.

    `KERNEL` is memory management that everybody waits for, `WRITE` and `READ` are implicit
    synchronisation, and `BOOKKEEP` is what no implicit synchronisation waits for.
    """

    KERNEL = 0
    WRITE = 1
    READ = 2
    BOOKKEEP = 3


Entry = tuple[Fence, Usage]


@no_kernel("kmalloc_size_roundup of a list, in slots")
def slots_given(slots: int) -> int:
    """How many slots a list really has for which `slots` were asked: kmalloc rounds up."""
    size = _HEADER_BYTES + _SLOT_BYTES * slots
    given = max(_SMALLEST, 1 << (size - 1).bit_length())
    given = min((odd for odd in _ODD_BUCKETS if size <= odd < given), default=given)
    return (given - _HEADER_BYTES) // _SLOT_BYTES


class FenceList:
    """What a reservation object points to.

    Attributes:
        entries: fence and usage of each slot in use.
        max_fences: slots that there are.
        reserved_in: in which holding of the lock they were reserved, -1 for none.
        reserved_to: how many slots may be in use then.
    """

    __slots__ = ("entries", "max_fences", "name", "reserved_in", "reserved_to")

    def __init__(self, rt: Runtime, name: str, entries: list[Entry], max_fences: int) -> None:
        self.name = f"{name} fences"
        self.entries = entries
        self.max_fences = max_fences
        self.reserved_in = -1
        self.reserved_to = 0
        rt.adopt(self, self.name)


# -- readers -------------------------------------------------------------------------------------


def _restart(resv: Resv, _task: Task) -> tuple[FenceList | None, int]:
    """The list there is now and how many fences are in it."""
    fences = resv.fences
    return fences, 0 if fences is None else len(fences.entries)


def _restart_touches(resv: Resv, _task: Task) -> tuple[tuple[Any, int], ...]:
    fences = resv.fences
    return ((resv, READ),) if fences is None else ((resv, READ), (fences, READ))


def _slot(fences: FenceList, task: Task) -> tuple[Fence, Usage, bool]:
    """Slot `arg[0]`; and whether a counted reference was taken, as `arg[1]` asked for."""
    index: int = task.arg[0]
    counted: bool = task.arg[1]
    fence, usage = fences.entries[index]
    takes = _takes(fence, counted)
    if takes:
        state = state_of(fence)
        state.references += bool(state.references)
    return fence, usage, takes


def _takes(fence: Fence, counted: bool) -> bool:
    """Does a look at the slot count a reference?

    Where it tells nobody anything (no driver wants to know of the last one, and the fence is not
    kept) it would only make the looks of two readers depend on each other.
    """
    return (counted or fence.timeline.releases) and not is_flagged(fence)


def _slot_touches(fences: FenceList, task: Task) -> tuple[tuple[Any, int], ...]:
    index: int = task.arg[0]
    counted: bool = task.arg[1]
    fence = fences.entries[index][0]
    if not counted and not fence.timeline.releases:
        return ((fences, READ),)
    return ((fences, READ), (fence, WRITE if _takes(fence, counted) else READ))


RESTART = Op(
    "resv.restart",
    action=_restart,
    touches=_restart_touches,
    says="begins to look at the fences of {}",
)
READ_SLOT = Op("resv.slot", action=_slot, touches=_slot_touches, says="looks at a slot of {}")
CURRENT = Op(
    "resv.current",
    action=lambda resv, _task: resv.fences,
    access=READ,
    says="asks whether {} still has the same list",
)

# -- the holder of the lock ----------------------------------------------------------------------


def _swap(resv: Resv, task: Task) -> None:
    resv.fences = task.arg


def _set(fences: FenceList, task: Task) -> None:
    """Put a fence into a slot, the one after the last to append: it has a reference of its own."""
    index, fence, usage = task.arg
    state = state_of(fence)
    state.references += bool(state.references)
    state.flags |= PUBLISHED
    fences.entries[index : index + 1] = [(fence, usage)]


def _set_touches(fences: FenceList, task: Task) -> tuple[tuple[Any, int], ...]:
    return ((fences, WRITE), *publication_touches(task.arg[1]))


SWAP = Op("resv.swap", action=_swap, says="replaces the list of fences of {}")
SET = Op("resv.set", action=_set, touches=_set_touches, says="sets a slot of {}")
