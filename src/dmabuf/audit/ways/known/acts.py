"""The words in which the tables of this room say what a kernel function does.

Arguments are counted from 0. A function may do several things; they stand in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from dmabuf.sync.gfp import Gfp

__all__ = [
    "Act",
    "Allocates",
    "Calls",
    "Closes",
    "Drops",
    "Flushes",
    "Nothing",
    "Opens",
    "Passes",
    "Queues",
    "Signals",
    "Sleeps",
    "Takes",
    "TouchesUser",
    "Waits",
]


@dataclass(frozen=True, slots=True)
class Allocates:
    """An allocation.

    Attributes:
        argument: which argument has the flags; None where they are implied.
        implied: these flags, also where the argument is left out.
        added: bits that are added to those of the argument.
    """

    argument: int | None = None
    implied: Gfp = Gfp.KERNEL
    added: int = 0


@dataclass(frozen=True, slots=True)
class Takes:
    """Takes a lock.

    Attributes:
        argument: which argument is the lock; None for a lock that the name tells.
        kind: "lock", "resv" or "mmap_lock".
        attempt: gives up at once where it is held.
        spins: never sleeps for it.
        context: which argument is the acquire context; None without one.
        scoped: until the end of the block.
        momentary: drops it before it returns.
        last: takes it only with the last reference, so not where another one is held in a scope of
            that name.
    """

    argument: int | None = 0
    kind: str = "lock"
    attempt: bool = False
    spins: bool = False
    context: int | None = None
    scoped: bool = False
    momentary: bool = False
    last: str = ""


@dataclass(frozen=True, slots=True)
class Passes:
    """Takes a lock of the kernel's core, and has dropped it when it returns; see `core_locks`."""

    lock: str


@dataclass(frozen=True, slots=True)
class Drops:
    """Drops a lock: what `Takes` says of it."""

    argument: int | None = 0
    kind: str = "lock"
    spins: bool = False


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits.

    Attributes:
        what: "fence", or what else it waits for.
        argument: what is waited for; None where it is not in an argument.
        timeout: which argument bounds the wait; None for a wait without bound.
        owed: kernel or hardware owes the end: it comes whatever drivers do.
    """

    what: str
    argument: int | None = 0
    timeout: int | None = None
    owed: bool = False


@dataclass(frozen=True, slots=True)
class Flushes:
    """Waits until something that was queued has run: "work", "queue", "timer", "irq", "thread"."""

    what: str
    argument: int | None = 0


@dataclass(frozen=True, slots=True)
class Queues:
    """Queues a work.

    Attributes:
        argument: the work.
        queue: the argument that is its queue; None for `system`.
        system: the queue of the kernel that it goes to.
    """

    argument: int
    queue: int | None = None
    system: str = "system_wq"


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals a fence ("fence") or wakes those who wait for a completion ("completion")."""

    what: str
    argument: int = 0


@dataclass(frozen=True, slots=True)
class Opens:
    """Opens a scope: "noreclaim", "nofs", "noio", "signalling", "nofault", "reclaim", "mm".

    In "mm" a reference of an address space is held.
    """

    scope: str


@dataclass(frozen=True, slots=True)
class Closes:
    """Closes a scope."""

    scope: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls one of its arguments, at once.

    Attributes:
        argument: which.
        passes: which of its own arguments it hands on, None for others.
        sure: how sure it is that it does: a release function is only called for the last reference.
    """

    argument: int
    passes: tuple[int | None, ...] = ()
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class TouchesUser:
    """Touches user memory: may fault, and a fault takes mmap_lock and what it needs."""


@dataclass(frozen=True, slots=True)
class Sleeps:
    """Sleeps for a time that ends by itself."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Does nothing that matters here, whatever its body says."""


Act: TypeAlias = (
    Allocates
    | Calls
    | Closes
    | Drops
    | Flushes
    | Nothing
    | Opens
    | Passes
    | Queues
    | Signals
    | Sleeps
    | Takes
    | TouchesUser
    | Waits
)
