"""What a way ends in, and the way: the values that `checks` works on."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dmabuf.report.finding import Place

__all__ = ["Effect", "Hop", "Kind", "LockClass", "Way"]

LockClass = tuple[str, str]
"""A lock as a checker that does not run the code can tell it: the struct it is in and the field; of
a lock outside structs the file and its name."""


class Kind(enum.StrEnum):
    """What code may do that matters on the way to a signal."""

    RECLAIM = "reclaim"
    LOCK = "lock"
    RESV = "resv"
    MMAP_LOCK = "mmap_lock"
    USER_MEMORY = "user memory"
    FENCE_WAIT = "fence wait"
    WAIT = "wait"
    FLUSH = "flush"
    QUEUE = "queue"
    SIGNAL = "signal"
    SLEEP = "sleep"


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a function does.

    Attributes:
        kind: which thing.
        name: the kernel function that does it: "kmalloc", "mutex_lock".
        gfp: of RECLAIM the flags, as the scopes around it leave them; None if not known.
        subject: of LOCK, RESV, FLUSH, QUEUE and WAIT what it is done to, as (struct, field).
        bounded: of FENCE_WAIT and WAIT: ends by itself, after a constant time.
        attempt: of LOCK, RESV and MMAP_LOCK: a trylock.
        context: of LOCK and RESV: taken with an acquire context.
        queue: of QUEUE the workqueue, as (struct, field) or ("", "system_wq").
        flags: of QUEUE the text of the flags that the queue was made with; None if not known.
    """

    kind: Kind
    name: str
    gfp: int | None = None
    subject: LockClass | None = None
    bounded: bool = False
    attempt: bool = False
    context: bool = False
    queue: LockClass | None = None
    flags: str | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One line of a way.

    Attributes:
        place: the line, in the function that contains it.
        how: how the next function is reached: "direct", "macro", "instance", "field", "argument",
            "work", "guess"; of the last line "does".
        note: what holds there: conditions that guard the line, the table that was used.
        callee: the function called.
    """

    place: Place
    how: str
    callee: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """From a function to something it does.

    Attributes:
        root: where it begins.
        hops: the lines, outermost first; the last one does it.
        effect: what is done.
        conditions: guards on the way that could not be decided, as C text.
        sure: between 0 and 1: the product of the grades of its hops.
        scopes: scopes that are open at the end ("noreclaim", "nofs", "noio").
    """

    root: Place
    hops: tuple[Hop, ...]
    effect: Effect
    conditions: tuple[str, ...] = ()
    sure: float = 1.0
    scopes: tuple[str, ...] = ()
