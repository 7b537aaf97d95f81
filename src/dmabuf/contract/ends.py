"""What runs, and who waits for its end or for something it does: work, timers, handlers, events.

Mirrors: kernel/workqueue.c, kernel/time/timer.c (their lock maps), facts

An item that runs is like a lock that is held: whoever waits for its end while holding L waits for
all that the item takes. That is so whether or not the item runs, or is queued, at that moment.

A completion is different: nobody holds it, and what the task that completes it has to take first is
known only if it says so (it is in a signalling section). Else what it took since it last
waited for something is a guess, and what follows from it a suspicion.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from dmabuf.contract.classes import LockClass
from dmabuf.contract.graph import GUESSED
from dmabuf.contract.known import Known, TaskHolder
from dmabuf.contract.modes import EXCLUSIVE, READ, kind_of
from dmabuf.contract.order import Link, Node
from dmabuf.contract.prime import FENCE
from dmabuf.contract.stacks import frames_here
from dmabuf.contract.usage import NO_IRQ
from dmabuf.sync.kthread import Kthread

__all__ = ["Ends"]

_OF_TASK = "sync.kthread.of_task"


class Ends:
    """Ends and events.

    Args:
        known: classes and holders.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._order = known.order

    def begin(self, holder: TaskHolder, obj: Any) -> None:
        """Something begins to run in a task; `obj`: where the step says so."""
        running = _what_runs(holder.task.value, obj)
        if not running:
            return
        if not holder.running:
            holder.forgets()
        holder.running.append(running)
        for one in running:
            self._hold(holder, one)

    def end(self, holder: TaskHolder) -> None:
        """What began last has ended."""
        if holder.running:
            for one in reversed(holder.running.pop()):
                self._order.release(holder, one)
        holder.forgets()

    def enter(self, holder: TaskHolder) -> None:
        """A process enters the kernel: nobody waits for the end of that."""

    def of_kthread(self, holder: TaskHolder) -> None:
        """All that a kernel thread does, it does before its end."""
        thread = holder.task.runtime.extras.get(_OF_TASK, {}).get(holder.task)
        if isinstance(thread, Kthread):
            self._hold(holder, thread)

    def wait(self, holder: TaskHolder, obj: Any) -> None:
        """A task waits for the end of something, or for an event."""
        cls = self._known.of(obj)
        if cls is not None:
            self._order.touch(holder, obj, cls, NO_IRQ)

    def complete(self, holder: TaskHolder, obj: Any) -> None:
        """A task completes what others wait for: all it took on the way was needed for that."""
        cls = self._known.of(obj)
        if cls is not None:
            surely = holder.section is not None and not holder.is_own
            self._needs(holder, cls, obj, "completes", surely=surely)

    def signal(self, holder: TaskHolder, fence: Any, since: int) -> None:
        """A task signals without saying so beforehand: the same for all fences, as a guess.

        Args:
            holder: the task.
            fence: what it signals.
            since: in which of its epochs it published the fence; 0 if another task did.
        """
        cls = self._known.roles[FENCE]
        self._needs(holder, cls, fence, "signals", surely=False, since=since)

    def _needs(
        self,
        holder: TaskHolder,
        event: LockClass,
        obj: Any,
        verb: str,
        *,
        surely: bool,
        since: int = 0,
    ) -> None:
        frames = frames_here()
        label = self._order.label(obj)
        for cls, node in holder.took(since).items():
            if cls is event or cls.role == FENCE:
                continue
            link = _link(event, cls, node, surely=surely)
            why = f"takes {node.instance} before it {verb} {label}"
            self._order.depend(
                event, cls, replace(link, who=holder.name, held_frames=frames, held=label, why=why)
            )

    def _hold(self, holder: TaskHolder, obj: Any) -> None:
        cls = self._known.of(obj)
        if cls is not None:
            self._order.acquire(holder, obj, cls, EXCLUSIVE, 0, NO_IRQ)


def _what_runs(value: Any, obj: Any) -> list[Any]:
    """What began with a step: a queue and its item, a timer, irq work, the line itself."""
    if hasattr(obj, "raised"):
        return [obj]
    first: Any = value
    if isinstance(value, tuple):
        first = cast("tuple[Any, ...]", value)[0]  # type: ignore[redundant-cast]
    if first is None:
        return []
    return [obj, first] if hasattr(obj, "mem_reclaim") else [first]


def _link(event: LockClass, cls: LockClass, node: Node, *, surely: bool) -> Link:
    kind = kind_of(READ if event.role == FENCE else EXCLUSIVE, node.mode)
    return Link(
        event,
        cls,
        kind | (0 if surely else GUESSED),
        node.who,
        event.name,
        node.instance,
        (),
        node.stack,
        EXCLUSIVE,
        node.mode,
    )
