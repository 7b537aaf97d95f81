"""A task of a live runtime: a thread and all that a guard or an annotation may ask about it.

>>> from dmabuf.rt.threads import Threads
>>> LiveTask(Threads(), "main").is_atomic
False
"""

from __future__ import annotations

from typing import Any

from dmabuf.rt.api import Kind, Runtime, Scope

__all__ = ["LiveTask"]

_NO_SCOPE = Scope.NONE
"""At hand: on Python 3.11 to ask an enumeration for a member takes as long as a call."""


class LiveTask:
    """See `Task` for its attributes. Never compiled: `core/_fused.c` reads its slots in place."""

    __slots__ = (
        "arg",
        "atomic",
        "bh_off",
        "carrier",
        "cpu",
        "created",
        "held",
        "idle",
        "in_irq",
        "in_kernel",
        "in_softirq",
        "irqs_off",
        "key",
        "kind",
        "name",
        "reliable",
        "runtime",
        "scope",
        "signal_pending",
        "signalling",
        "told_to_die",
        "value",
    )

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        kind: Kind = Kind.KTHREAD,
        *,
        key: tuple[int, ...] = (),
        cpu: int | None = None,
    ) -> None:
        self.runtime = runtime
        self.name = name
        self.kind = kind
        self.key = key
        self.cpu = cpu
        self.arg: Any = None
        self.value: Any = None
        self.atomic = 0
        self.irqs_off = 0
        self.bh_off = 0
        self.in_irq = False
        self.in_softirq = False
        self.idle = False
        self.signal_pending = False
        self.told_to_die = False
        self.in_kernel = False
        self.reliable = False
        self.signalling = 0
        self.scope = _NO_SCOPE
        self.held: dict[Any, int] = {}
        self.created = 0
        self.carrier: Any = None

    def hold(self, lock: Any) -> None:
        """Note that it holds a lock that it may hold several times. For actions only."""
        self.held[lock] = self.held.get(lock, 0) + 1

    def let_go(self, lock: Any) -> None:
        """Note that it holds that lock once less. For actions only."""
        times = self.held[lock] - 1
        if times:
            self.held[lock] = times
        else:
            del self.held[lock]

    @property
    def is_atomic(self) -> bool:
        """Must this task not sleep now (as in_atomic() and irqs_disabled() say)?"""
        return self.atomic > 0 or self.irqs_off > 0 or self.in_irq or self.bh_off > 0

    def __repr__(self) -> str:
        return f"<Task {self.name} {self.kind.value}>"
