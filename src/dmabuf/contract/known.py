"""Which class a lock is of, and what each task holds: the package's objects as plain records."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any

from dmabuf.contract.classes import LockClass
from dmabuf.contract.order import Holder, Node, Order
from dmabuf.contract.prime import MMAP, RESV
from dmabuf.contract.stacks import Frames, site_of_creation
from dmabuf.contract.usage import HARDIRQ, HARDIRQS_OFF, SOFTIRQ, SOFTIRQS_OFF
from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.irq import IrqLine
from dmabuf.mm.shrinker import Shrinker
from dmabuf.report.finding import Place
from dmabuf.rt.api import Task
from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.kthread import Kthread
from dmabuf.sync.tasklet import Tasklet
from dmabuf.sync.timer import Timer
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["EVER", "Known", "TaskHolder", "context_of", "has_ended"]

_EVENTS = (Work, WorkQueue, Timer, Tasklet, IrqLine, IrqWork, Kthread, Completion, Shrinker)
"""What is waited for is not that somebody lets go of them, but that something ends or happens."""


_EPOCHS = 64
"""So many publications and waits of one task are told apart."""

EVER = -1
"""As an epoch: since something fresh began (see `TaskHolder.forgets`)."""

_HOLDERS = 256
"""So many tasks are kept before those that have ended are looked for."""


class TaskHolder(Holder):
    """What one task holds, and what it is in the middle of.

    Attributes:
        task: whose it is.
        section: where the signalling section was opened that it is in; None outside.
        is_own: that section is only the one which each signal is of itself.
        nested: sections opened inside it, which recorded nothing.
        waited: fences waited for inside it, as (timeline, seqno).
        running: what others can wait for the end of, the innermost last.
        recent: classes taken in the present epoch, with the chain at that time; one ends when it
            publishes a fence or has waited for an event.
        earlier: the same of the epochs before.
        epoch: how many there were.
        waited_at: which of them ended with a wait.
    """

    __slots__ = (
        "earlier",
        "epoch",
        "is_own",
        "nested",
        "recent",
        "running",
        "section",
        "task",
        "waited",
        "waited_at",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task.name)
        self.task = task
        self.section: Frames | None = None
        self.is_own = False
        self.nested = 0
        self.waited: list[tuple[Any, int]] = []
        self.running: list[list[Any]] = []
        self.recent: dict[LockClass, Node] = {}
        self.earlier: list[dict[LockClass, Node]] = []
        self.epoch = 0
        self.waited_at = 0

    def publishes(self) -> int:
        """What it takes from here is on the way to what it publishes; where that begins."""
        if len(self.earlier) >= _EPOCHS:
            self.earlier[1].update(self.earlier[0])
            del self.earlier[0]
        self.earlier.append(self.recent)
        self.recent = {}
        self.epoch += 1
        return self.epoch

    def waits(self) -> None:
        """What it took so far was hardly for what it does after this wait."""
        self.waited_at = self.publishes()

    def forgets(self) -> None:
        """It begins something that has nothing to do with what it did before."""
        self.recent = {}
        self.earlier.clear()

    def took(self, since: int = 0) -> dict[LockClass, Node]:
        """What it took since that epoch began, or EVER; without one, since it last waited."""
        taken: dict[LockClass, Node] = {}
        skipped = (since or self.waited_at) - (self.epoch - len(self.earlier))
        for some in self.earlier[max(skipped, 0) :]:
            taken.update(some)
        taken.update(self.recent)
        return taken


class Known:
    """The classes of locks and the holders of a runtime's tasks.

    Args:
        order: where the classes are.
        roles: the classes that the contract itself speaks of.
    """

    def __init__(self, order: Order, roles: dict[str, LockClass]) -> None:
        self.order = order
        self.roles = roles
        self.classes: dict[int, LockClass | None] = {}
        self.holders: dict[Task, TaskHolder] = {}
        self._refs: dict[int, Any] = {}
        self._fence_locks: dict[tuple[int, str], LockClass | None] = {}
        self._late = 0
        self._most = _HOLDERS

    # -- tasks ---------------------------------------------------------------------------------

    def holder(self, task: Task) -> TaskHolder:
        """What that task holds."""
        found = self.holders.get(task)
        if found is None:
            if len(self.holders) >= self._most:
                self._sweep()
            found = self.holders[task] = TaskHolder(task)
        return found

    def _sweep(self) -> None:
        """Forget tasks that have ended and hold nothing: live, threads come and go."""
        over = [t for t, holder in self.holders.items() if not holder.locks and has_ended(t)]
        for task in over:
            del self.holders[task]
        self._most = 2 * len(self.holders) + _HOLDERS

    def forget(self) -> None:
        """A new runtime: none of its tasks and objects is known."""
        self.holders.clear()
        self.classes.clear()
        self._refs.clear()
        self._fence_locks.clear()

    # -- classes -------------------------------------------------------------------------------

    def created(self, obj: Any) -> None:
        """An object was constructed: where, is its class."""
        if isinstance(obj, (Timeline, *_EVENTS)) or getattr(obj, "is_lock", False):
            key, place = site_of_creation()
            self._enter(obj, key, place)

    def of(self, obj: Any) -> LockClass | None:
        """The class of an object; of its own if nobody listened when it was made."""
        number = id(obj)
        if number not in self.classes:
            self._late += 1
            return self._enter(obj, ("late", self._late), None)
        return self.classes[number]

    def set_class(self, obj: Any, key: Hashable, subclass: int) -> None:
        """It is of the class of that key, or without one on another level of its own class."""
        if key is None:
            own = self.of(obj)
            self._keep(obj, self.sub(own, subclass) if own is not None else None)
        else:
            self._keep(obj, self.order.classes.of(("key", key), _name(obj), subclass=subclass))

    def sub(self, cls: LockClass, subclass: int) -> LockClass | None:
        """A level of a class."""
        return self.order.classes.of(
            cls.key, cls.name, subclass=subclass, place=cls.place, role=cls.role
        )

    def of_fence_lock(self, fence: Fence) -> LockClass | None:
        """The class of a fence's lock: the driver's lock, or that of all fences made alike."""
        timeline = fence.timeline
        if timeline.lock is not None:
            return self.of(timeline.lock)
        made = self.of(timeline)
        if made is None:
            return None
        key = (made.number, type(fence).__name__)
        if key not in self._fence_locks:
            self._fence_locks[key] = self.order.classes.of(
                ("fence.lock", *key), timeline.lock_name, place=made.place
            )
        return self._fence_locks[key]

    def _enter(self, obj: Any, key: Hashable, place: Place | None) -> LockClass | None:
        role = _role(obj)
        if role:
            return self._keep(obj, self.roles[role])
        if isinstance(obj, WwMutex):
            key, place = ("ww", obj.ww_class.name), None
        is_event = isinstance(obj, _EVENTS)
        cls = self.order.classes.of(
            (key, type(obj).__name__), _name(obj), place=place, is_event=is_event
        )
        return self._keep(obj, cls)

    def _keep(self, obj: Any, cls: LockClass | None) -> LockClass | None:
        number = id(obj)
        self.classes[number] = cls
        try:
            self._refs[number] = weakref.ref(obj, lambda _ref: self._drop(number))
        except TypeError:
            self._refs[number] = obj  # lives as long as its timeline: few
        return cls

    def _drop(self, number: int) -> None:
        self.classes.pop(number, None)
        self._refs.pop(number, None)


def context_of(task: Task) -> int:
    """What a task runs as, and which interrupts cannot come in between."""
    context = 0
    if task.in_irq:
        context = HARDIRQ | HARDIRQS_OFF | SOFTIRQS_OFF
    elif task.in_softirq:
        context = SOFTIRQ | SOFTIRQS_OFF
    if task.irqs_off:
        context |= HARDIRQS_OFF | SOFTIRQS_OFF
    if task.bh_off:
        context |= SOFTIRQS_OFF
    return context


def has_ended(task: Task) -> bool:
    """Will that task do nothing more?"""
    finished = getattr(task, "finished", None)
    if finished is not None:
        return bool(finished)
    return task.carrier is not None and not task.carrier.is_alive()


def _role(obj: Any) -> str:
    """The part that an object plays in the contract."""
    if isinstance(obj, WwMutex) and obj.ww_class.name == "reservation_ww_class":
        return RESV
    return MMAP if getattr(obj, "rule_across_wait", "") == "DF203" else ""


def _name(obj: Any) -> str:
    return str(getattr(obj, "name", "") or type(obj).__name__.lower())
