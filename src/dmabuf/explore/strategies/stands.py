"""Where a task stands before a step, whether it makes it or not: what its ways depend on.

How that takes part in races is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.dependence import independent
from dmabuf.rt.api import READ, WRITE

if TYPE_CHECKING:
    from dmabuf.explore.strategies.choice import Choice
    from dmabuf.explore.strategies.watch import Guard, Watch

__all__ = ["Stand"]

Footprint = tuple[int, ...]


class Stand:
    """A task that stands at a step: one that it makes at last, or is left in at the end.

    Attributes:
        index: of the step; the number of steps made if it is not made.
        task: whose step it is.
        ordinal: of that task.
        known: the steps that the task's arrival there depends on.
        led: these, or what came before the task was there at all.
        watch: what its ways depend on.
        beside: what of it matters for steps before; for time only a timeout asks.
        guard: what alone decides whether it is possible, if nothing else does.
        decides: the object that it asks.
        obj: its object, as read.
        access: how it touches that if it touches nothing else; as read if it may.
        starts: it starts a handler, on any CPU that is open to it.
        is_bound: it starts one that is bound to a CPU.
        is_ready: it is possible; of one that is not made.
        is_closed: its guard says no, whoever has its CPU; of one that is not made.
        raced: earlier steps that it stood beside, and races with.
    """

    __slots__ = (
        "access",
        "beside",
        "decides",
        "guard",
        "index",
        "is_bound",
        "is_closed",
        "is_plain",
        "is_ready",
        "known",
        "led",
        "obj",
        "ordinal",
        "own",
        "raced",
        "starts",
        "task",
        "watch",
    )

    def __init__(self, index: int, task: int, ordinal: int, watch: Watch) -> None:
        self.index = index
        self.task = task
        self.ordinal = ordinal
        self.watch = watch
        self.beside = watch.firm + watch.time
        self.known = 0
        self.led = 0
        self.guard: Guard | None = None
        self.decides = -1
        self.obj = -1
        self.access = READ
        self.is_plain = False
        self.own = -1
        self.is_ready = True
        self.is_closed = False
        self.starts = False
        self.is_bound = False
        self.raced: list[int] = []

    def bound(self) -> Footprint | None:
        """At most what the step touches whichever way it goes; None if not known."""
        if not self.is_plain or self.watch.time:
            return None
        changed = [number | WRITE for number in self.watch.whole]
        return (self.obj | self.access, self.own & ~WRITE, *changed)

    def turns_at(self, node: Choice) -> Footprint:
        """What the step's way depends on from a node on; a possible step is ended by nothing.

        What it would have touched is left to the races of the step itself.
        """
        return self.watch.firm if node.lets_pass(self.task) else self.watch.whole

    def timing_at(self, node: Choice) -> Footprint:
        """The same if only a timeout matters."""
        if node.lets_pass(self.task):
            return self.turns_at(node)
        return self.watch.firm + self.watch.time

    def is_there(self, earlier: int, node: Choice) -> bool:
        """Did the task stand at its step already before an earlier step?"""
        return self.ordinal < node.tasks and not self.led >> earlier

    def is_closed_at(self, node: Choice) -> bool:
        """Was its step impossible at a node, wherever the task was, until after the node's step?"""
        if node.taken >= 0 and self._is_kept_out(node.taken):
            return True
        if self.guard is None:
            return False
        if self.decides in node.owned:
            return True
        if self.obj != node.obj or independent(node.footprint, (self.decides | WRITE,)):
            return False
        return self.guard in node.closed or (self.guard, self.task) in node.closed

    def _is_kept_out(self, taken: int) -> bool:
        """Has somebody else its CPU, or does it start a handler there and interrupts are off?"""
        return taken & ~WRITE in self.watch.firm and (self.is_bound or not taken & WRITE)

    def is_open_at(self, node: Choice) -> bool:
        """Was its step possible just before a node's step, but for what led its task there?

        The node's step changes the object, so that none that is independent of it closes it.
        """
        if self.guard is None or not self.is_plain or not self.decides == self.obj == node.obj:
            return False
        if independent(node.footprint, (self.obj,)) or self.ordinal >= node.tasks:
            return False
        if self.guard in node.closed or (self.guard, self.task) in node.closed:
            return False
        return any(guard is self.guard for guard, _asks in node.asked)

    def would_touch(self) -> Footprint:
        """What it touches, at most, where it is possible and touches its object alone."""
        return (self.obj | self.access, *(number | WRITE for number in self.watch.firm[1:]))
