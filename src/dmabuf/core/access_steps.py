"""The indivisible steps of accesses to a buffer, and what is wrong with one that begins.

Mirrors: no kernel header, see `core.access`.

    >>> Brackets().allow(write=False)
    False
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.dma_map import Direction
from dmabuf.rt.api import READ, WRITE, Op, Task, Touch

if TYPE_CHECKING:
    from dmabuf.core.access import Accesses, Span
    from dmabuf.core.dma_map import SgTable

__all__ = [
    "BEGIN",
    "CLOSE",
    "END",
    "OPEN",
    "RELEASE",
    "RELEASED",
    "REMAP",
    "UNCOVERED",
    "UNMAP",
    "Brackets",
    "Who",
    "Wrong",
]


class Who(enum.Enum):
    """What touches the bytes."""

    CPU = "CPU"
    DEVICE = "device"
    MOVE = "move"


class Brackets:
    """How many CPU brackets are open for reading and for writing; one may be both.

    An object of its own, so that devices and brackets have nothing to do with each other.
    """

    __slots__ = ("counts", "openers")

    def __init__(self) -> None:
        self.counts = [0, 0]
        self.openers: tuple[list[Task], list[Task]] = ([], [])

    @no_kernel("nothing in the kernel counts brackets")
    def allow(self, *, write: bool) -> bool:
        """May the CPU read or write now?"""
        return self.counts[write] > 0


_READING, _WRITING = 0, 1
_COUNTED = {
    Direction.BIDIRECTIONAL: (_READING, _WRITING),
    Direction.TO_DEVICE: (_WRITING,),
    Direction.FROM_DEVICE: (_READING,),
    Direction.NONE: (),
}


# -- steps ---------------------------------------------------------------------------------------
#
# What a step answers is what is wrong: a rule and the other access, if there is one. Readers only
# read the record, although each adds itself: who looks at readers is a writer, which changes it.

Wrong = tuple[str, "Span | None"]

UNCOVERED = "DF601"
_EARLY_OR_LATE = "DF603"
_OVERLAP = "DF604"
RELEASED = "DF004"


def _touches(accesses: Accesses, task: Task) -> tuple[Touch, ...]:
    span: Span = task.arg
    record = (accesses, WRITE if span.write else READ)
    return (record, (accesses.brackets, READ)) if span.who is Who.CPU else (record,)


def _begin(accesses: Accesses, task: Task) -> Wrong | None:
    span: Span = task.arg
    wrong = _judge(accesses, span)
    accesses.ongoing[span] = None
    return wrong


def _judge(accesses: Accesses, span: Span) -> Wrong | None:
    """What is wrong with an access that begins now; the most specific rule."""
    if accesses.is_released or (span.table is not None and not span.table.maps):
        return RELEASED, None
    if span.who is Who.CPU and not accesses.brackets.allow(write=span.write):
        return UNCOVERED, None
    others = [other for other in accesses.ongoing if other.conflicts(span)]
    if others:
        other = min(others, key=lambda one: (one.who is not Who.MOVE, one.task.key))
        moves = Who.MOVE in (span.who, other.who)
        return _EARLY_OR_LATE if moves else _OVERLAP, other
    if span.table is not None and span.table.generation != accesses.arrived:
        return _EARLY_OR_LATE, None
    return None


def _end(accesses: Accesses, task: Task) -> None:
    span: Span = task.arg
    accesses.ongoing.pop(span, None)
    if span.who is Who.MOVE:
        accesses.arrived = max(accesses.arrived, span.target)


def _open(accesses: Accesses, task: Task) -> None:
    for kind in _COUNTED[task.arg]:
        accesses.brackets.counts[kind] += 1
        accesses.brackets.openers[kind].append(task)


def _close(accesses: Accesses, task: Task) -> Wrong | None:
    """A bracket that is not open has not been closed; one that is may end too soon."""
    brackets = accesses.brackets
    kinds = _COUNTED[task.arg]
    if not all(brackets.counts[kind] for kind in kinds):
        return UNCOVERED, None
    for kind in kinds:
        brackets.counts[kind] -= 1
        openers = brackets.openers[kind]
        openers.remove(task if task in openers else openers[0])  # any task may end a bracket
    by_cpu = (span for span in accesses.ongoing if span.who is Who.CPU)
    left = [span for span in by_cpu if not brackets.allow(write=span.write)]
    return (UNCOVERED, min(left, key=lambda span: span.task.key)) if left else None


def _remap(_accesses: Accesses, task: Task) -> None:
    table, generation = task.arg
    table.maps += 1
    table.generation = generation


def _unmap(accesses: Accesses, task: Task) -> Span | None:
    """The access that goes on through a table that is given back."""
    table: SgTable = task.arg
    table.maps -= 1
    users = [span for span in accesses.ongoing if span.table is table] if not table.maps else []
    return min(users, key=lambda span: span.task.key, default=None)


def _release(accesses: Accesses, _task: Task) -> tuple[int, Span | None]:
    accesses.is_released = True
    first = min(accesses.ongoing, key=lambda span: span.task.key, default=None)
    return max(accesses.brackets.counts), first


BEGIN = Op("access.begin", action=_begin, touches=_touches, says="begins to use {}")
END = Op("access.end", action=_end, touches=_touches, says="has used {}")
OPEN = Op(
    "access.open",
    action=_open,
    touches=lambda accesses, _task: ((accesses.brackets, WRITE),),
    says="opens a CPU bracket of {}",
)
CLOSE = Op(
    "access.close",
    action=_close,
    touches=lambda accesses, _task: ((accesses.brackets, WRITE),),
    says="closes a CPU bracket of {}",
)
REMAP = Op("access.remap", action=_remap, says="maps {} with a table used before")
UNMAP = Op("access.unmap", action=_unmap, says="gives a table of {} back")
RELEASE = Op(
    "access.release",
    action=_release,
    touches=lambda accesses, _task: ((accesses, WRITE), (accesses.brackets, WRITE)),
    says="says that nobody uses {} any more",
)
