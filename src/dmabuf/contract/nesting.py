"""What may be waited for inside what: wait types of locks.

Mirrors: include/linux/lockdep_types.h (enum lockdep_wait_type), kernel/locking/lockdep.c
(check_wait_context), facts

A raw spinlock spins in every kernel. A spinlock, and a reader-writer lock that spins, sleep under
PREEMPT_RT; everything else sleeps in every kernel. What is held sets how the next one may be
waited for. That nothing sleeps in atomic context the runtime itself looks at, in every run; what is
left is a spinlock inside a raw one, which goes wrong only on a kernel that few people run.

    >>> class Plain: is_lock = is_spinning = True
    >>> class Raw(Plain): is_raw = True
    >>> wait_type(Raw()) < wait_type(Plain()) < wait_type(object())
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf.contract.order import TRYLOCK, Holder, Node
from dmabuf.core.fence import Fence

if TYPE_CHECKING:
    from dmabuf.contract.prediction import Found

__all__ = ["CONFIG", "SLEEP", "SPIN", "Nesting", "wait_type"]

SPIN = 1
CONFIG = 2
"""It spins, or sleeps, as the kernel is configured."""
SLEEP = 3


def wait_type(obj: Any) -> int:
    """How one waits for that lock; a fence stands for its own, a spinlock."""
    if isinstance(obj, Fence):
        return CONFIG
    if not getattr(obj, "is_spinning", False):
        return SLEEP
    return SPIN if getattr(obj, "is_raw", False) else CONFIG


class Nesting:
    """Looks at each way of having taken locks once.

    Args:
        found: where findings go.
    """

    def __init__(self, found: Found) -> None:
        self._found = found

    def look(self, holder: Holder, node: Node, lock: Any) -> None:
        """A task takes a lock, with all others of its chain held; a trylock waits for nothing."""
        if node.flags & TRYLOCK or wait_type(lock) != CONFIG:
            return
        for held, below in zip(holder.locks, reversed(holder.chain()), strict=True):
            if getattr(held, "is_raw", False):
                message = (
                    f"{node.who} takes {node.instance} while it holds {below.instance}, a raw "
                    "spinlock: under PREEMPT_RT a spinlock sleeps"
                )
                self._found.violation("DF003", message, node.stack)
                return
