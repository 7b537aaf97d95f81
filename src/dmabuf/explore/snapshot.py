"""The state in which an execution came to rest: who is blocked on what, which fences are pending.

A snapshot is taken where nothing is possible any more, or only steps of tasks that may stop
there for ever (userspace, hardware that hangs). It is plain data; `diagnose` says what it means.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dmabuf.core.access import Accesses
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import is_container
from dmabuf.core.fence_steps import PUBLISHED, State, is_flagged
from dmabuf.core.fence_steps import WAIT as FENCE_WAIT
from dmabuf.core.fence_unwrap import pending_inside
from dmabuf.core.fence_wait import SLEEP as ANY_SLEEP
from dmabuf.core.syncobj_steps import SLEEP as SYNCOBJ_SLEEP
from dmabuf.explore.properties import finite_in, unmet
from dmabuf.hardware import ENGINES, is_reset, plain
from dmabuf.rt.api import Kind
from dmabuf.rt.strategy import VARIANTS
from dmabuf.sync.acts import Act, act_of, failure_of
from dmabuf.sync.waitqueue import SCHEDULE, WaitQueue

if TYPE_CHECKING:
    from dmabuf.explore.strategies.dfs import Node
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = [
    "Blocked",
    "Past",
    "Snapshot",
    "blocked_in",
    "is_owed",
    "past_of",
    "take_cycle",
    "take_snapshot",
]

_NAMED_MAX = 4

Past = tuple[dict[int, set[int]], set[tuple[int, int]]]
"""By object number, who made steps on it; and (task, object) of each step that ends waits."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """One task that gets no further.

    Attributes:
        op: the operation it waits in.
        obj: number of the awaited object; `label` names it.
        owners: numbers of the tasks of which each must go on first, if it is a lock: who holds
            it, or the writer that a reader queues behind.
        fences: numbers of the fences awaited, if it is a wait for fences.
        rule: what is broken if the lock is held across a wait for a fence and taken on the way to
            its signal, where the lock has a rule of its own.
        lost: a wake-up came, but before it was queued.
        interrupted_by: number of the handler that keeps its CPU.
    """

    task: int
    op: str
    obj: int
    label: str
    owners: tuple[int, ...] = ()
    fences: tuple[int, ...] = ()
    lost: bool = False
    interrupted_by: int | None = None
    rule: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for waits that mean the same."""
        handler = -1 if self.interrupted_by is None else self.interrupted_by
        return self.task, self.op, self.obj, self.lost, handler


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of rest.

    Attributes:
        blocked: by task number.
        stopped: tasks that could move, but may stop here for ever.
        finished: tasks that have ended.
        pending: numbers of published fences that are not signalled.
        holds: by task number, the numbers of the locks it holds.
    """

    blocked: dict[int, Blocked]
    stopped: tuple[int, ...]
    finished: tuple[int, ...]
    pending: tuple[int, ...]
    holds: dict[int, tuple[int, ...]]
    names: dict[int, str]
    kinds: dict[int, Kind]
    labels: dict[int, str]
    owed: tuple[int, ...]
    """Tasks whose being blocked is itself wrong: kernel tasks that are not idle."""
    left: tuple[tuple[str, str], ...] = ()
    """What tasks that have ended began with a buffer and nobody ends: a rule and a sentence."""
    woke: tuple[tuple[int, int], ...] = ()
    """Who has ended, but did in this run what ends a wait on an object that others wait for."""
    loops: tuple[int, ...] = ()
    """Tasks that make the same steps for ever; then `blocked` are those that never move again."""
    endless: tuple[int, ...] = ()
    """Those of them that owe an end."""
    turn: int = 0
    """How many steps repeat; 0 at rest."""
    acts: tuple[tuple[int, Act], ...] = ()
    """What tasks are in the middle of that a rule forbids on the way to a signal."""
    failures: tuple[tuple[int, str], ...] = ()
    """What tasks asked the allocator for last and did not get."""
    timers: tuple[tuple[int, int], ...] = ()
    """(task, awaited object) of waits that time may end, in a state where nothing else goes on."""
    dead: tuple[tuple[int, str, int], ...] = ()
    """Jobs that were stopped by a reset, or run on an engine that could not be reset; why; and who
    started them (-1: they were there from the start)."""
    unmet: tuple[str, ...] = ()
    """Names of properties that were to become true, and never do."""

    @property
    def kept(self) -> tuple[int, ...]:
        """Tasks that ended with a lock held."""
        return tuple(task for task in self.finished if task in self.holds)

    @property
    def is_bad(self) -> bool:
        """Is anything owed that will never come?"""
        owes = self.pending or self.owed or self.kept or self.left
        return bool(owes or self.endless or self.unmet)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for snapshots that mean the same."""
        waits = tuple(sorted(blocked.key for blocked in self.blocked.values()))
        kept = tuple((task, self.holds[task]) for task in sorted(self.kept))
        ended = tuple(sorted(self.finished))
        key = waits, self.stopped, ended, self.pending, kept, self.left, self.woke
        more = self.loops, self.unmet, self.dead, self.acts, self.failures
        return (*key, *more) if any(more) else key


def past_of(path: Sequence[Node], waking: Collection[str]) -> Past:
    """What the steps of an execution touched, and which of them ended waits.

    Args:
        path: the steps.
        waking: names of the operations that do.
    """
    touched: dict[int, set[int]] = {}
    woke: set[tuple[int, int]] = set()
    for node in path:
        task = node.chosen // VARIANTS
        for number in node.footprint:
            touched.setdefault(number >> 1, set()).add(task)
        if node.step[0] in waking:
            woke.add((task, node.step[1] >> 1))
    return touched, woke


def take_snapshot(
    rt: Tasks,
    enabled: list[int],
    touched: dict[int, set[int]],
    woke: Collection[tuple[int, int]] = (),
) -> Snapshot:
    """The runtime's state at rest.

    Args:
        rt: the runtime.
        enabled: the transitions that are possible.
        touched: by object number, the tasks that made steps on it.
        woke: (task, object) of each step made that ends waits.
    """
    can_move = {transition // VARIANTS for transition in enabled}
    blocked = {
        task.number: blocked_in(rt, task)
        for task in rt.tasks
        if task.op is not None and task.number not in can_move and not is_reset(task)
    }
    pending = [(rt.number_of(f), f) for f in _pending(rt, touched)]
    labels = {number: rt.label(fence) for number, fence in pending}
    labels |= {entry.obj: entry.label for entry in blocked.values()}
    finished = tuple(task.number for task in rt.tasks if task.finished or is_reset(task))
    awaited = {entry.obj for entry in blocked.values()}
    return Snapshot(
        blocked=blocked,
        stopped=tuple(sorted(can_move)),
        finished=finished,
        pending=tuple(number for number, _fence in pending),
        holds={t.number: tuple(rt.number_of(lock) for lock in t.held) for t in rt.tasks if t.held},
        names={task.number: task.name for task in rt.tasks},
        kinds={task.number: task.kind for task in rt.tasks},
        labels=labels | {rt.number_of(lock): rt.label(lock) for t in rt.tasks for lock in t.held},
        owed=tuple(t.number for t in rt.tasks if t.number in blocked and is_owed(t)),
        left=() if can_move else _left(rt),
        unmet=unmet(rt),
        dead=_dead(rt),
        acts=tuple((task.number, act) for task in rt.tasks if (act := act_of(task)) is not None),
        failures=tuple((t.number, words) for t in rt.tasks if (words := failure_of(t))),
        woke=tuple(sorted((t, obj) for t, obj in set(woke) if t in finished and obj in awaited)),
    )


def _dead(rt: Tasks) -> tuple[tuple[int, str, int], ...]:
    """Why jobs do not go on: their engine was reset, or could not be."""
    found: list[tuple[int, str, int]] = []
    for engine in rt.extras.get(ENGINES, ()):
        name = rt.label(engine)
        for job in engine.all:
            starter = -1 if job.spawner is None else job.spawner.number
            if engine.is_wedged and not job.finished:
                found.append((job.number, f"the reset of {name} failed", starter))
            elif is_reset(job) and not job.finished:
                found.append((job.number, f"{name} was reset", starter))
    return tuple(found)


def _left(rt: Tasks) -> tuple[tuple[str, str], ...]:
    """What is open for ever: whoever could end it has ended or gets no further."""
    ended = {task for task in rt.tasks if task.finished}
    found = (obj.left_by(ended) for obj in rt.objects if isinstance(obj, Accesses))
    return tuple(one for of_buffer in found for one in of_buffer)


def take_cycle(rt: Tasks, enabled: list[int]) -> Snapshot | None:
    """A cycle of lock owners in an execution that never came to rest; None without one.

    Every waker in such a cycle is definite, so it is a deadlock whatever the others still do.
    """
    snapshot = take_snapshot(rt, enabled, {})
    for start in snapshot.blocked:
        seen = _circle(snapshot.blocked, start)
        if seen:
            only = {number: snapshot.blocked[number] for number in seen}
            return replace(snapshot, blocked=only, owed=seen, pending=(), stopped=(), unmet=())
    return None


def _circle(blocked: dict[int, Blocked], start: int) -> tuple[int, ...]:
    """A way from a blocked task through owners back to itself; empty without one."""
    came_from: dict[int, int] = {}
    queue = [start]
    while queue:
        task = queue.pop()
        for owner in blocked[task].owners if task in blocked else ():
            if owner == start:
                path = [task]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return tuple(reversed(path))
            if owner not in came_from:
                came_from[owner] = task
                queue.append(owner)
    return ()


def is_owed(task: ExploredTask) -> bool:
    """Must this task not stay blocked for ever?"""
    if task.kind is Kind.USER:
        return task.in_kernel and bool(task.held)
    return task.kind is not Kind.HARDWARE and not task.idle


def blocked_in(rt: Tasks, task: ExploredTask) -> Blocked:
    """What a task that cannot make its step waits for."""
    op, obj = task.op, task.obj
    assert op is not None
    awaited, label = _awaited(rt, task)
    handler = rt.cpus.owner(rt.cpus.of(task))
    return Blocked(
        task=task.number,
        op=op.name,
        obj=rt.number_of(awaited),
        label=label + _of_which(rt, task),
        owners=tuple(owner.number for owner in _owners(awaited, task)),
        fences=_fences(rt, task),
        lost=plain(op) is SCHEDULE and _is_lost(rt, obj, task),
        rule=getattr(awaited, "rule_across_wait", ""),
        interrupted_by=handler.number if handler is not None and handler is not task else None,
    )


def _awaited(rt: Tasks, task: ExploredTask) -> tuple[Any, str]:
    """What it waits for, and how that is called.

    A call that waits for sync objects is an object of its own that nobody has heard of; until all
    are submitted the answer is the one that is not.
    """
    assert task.op is not None
    if plain(task.op) is SYNCOBJ_SLEEP:
        missing = task.obj.unsubmitted()
        if missing is not None:
            return missing, f"a submission to {rt.label(missing)}"
    awaited = task.op.awaited(task.obj)
    return awaited, rt.label(awaited)


def _owners(awaited: Any, task: ExploredTask) -> tuple[ExploredTask, ...]:
    """Who must do something before `task` gets the lock that it waits for, if it is a lock."""
    if not getattr(awaited, "is_lock", False):
        return ()
    if hasattr(awaited, "blockers"):
        found: tuple[ExploredTask, ...] = awaited.blockers(task)
        return found
    return () if awaited.owner is None else (awaited.owner,)


def _fences(rt: Tasks, task: ExploredTask) -> tuple[int, ...]:
    """The fences that its wait is for; of a container those inside it that are pending."""
    awaited: Sequence[Fence] = ()
    if plain(task.op) is FENCE_WAIT:
        awaited = (task.obj,)
    elif plain(task.op) is ANY_SLEEP:
        awaited = task.obj.fences
    elif plain(task.op) is SYNCOBJ_SLEEP:
        awaited = task.obj.pending()
    inside = [rt.number_of(fence) for outer in awaited for fence in pending_inside(outer)]
    return tuple(dict.fromkeys(inside)) or tuple(rt.number_of(fence) for fence in awaited)


def _of_which(rt: Tasks, task: ExploredTask) -> str:
    """Names what is pending in a container that a task waits for."""
    if plain(task.op) is not FENCE_WAIT or not is_container(task.obj):
        return ""
    pending = [rt.label(fence) for fence in pending_inside(task.obj)]
    more = ", ..." if len(pending) > _NAMED_MAX else ""
    return f" (in it {', '.join(pending[:_NAMED_MAX])}{more})" if pending else ""


def _is_lost(rt: Tasks, queue: WaitQueue, task: ExploredTask) -> bool:
    """Does it sleep although what it waits for is true, or was woken before it was queued?"""
    condition = queue.conditions.get(task)
    if condition is not None:
        return rt.evaluate(condition)
    return queue.wakeups > queue.seen.get(task, 0)


def _pending(rt: Tasks, touched: dict[int, set[int]]) -> list[Fence]:
    """The fences that others know (or stand at a step on) and that are not signalled.

    A container that others know makes what is inside it known; it owes no signal of its own: with
    nothing pending inside, whoever asks or waits finds it signalled.
    """
    owed = {rt.number_of(one) for fence in finite_in(rt.extras) for one in pending_inside(fence)}
    reached: dict[int, set[int]] = {}
    for task in rt.tasks:
        if task.op is not None:
            for number in (*_fences(rt, task), rt.number_of(task.obj)):
                reached.setdefault(number, set()).add(task.number)
    for obj, creator in zip(rt.objects, rt.creators, strict=True):
        if isinstance(obj, Fence) and not is_flagged(obj):
            state = obj._state
            published = isinstance(state, State) and state.flags & PUBLISHED
            number = rt.number_of(obj)
            known = touched.get(number, set()) | reached.get(number, set())
            if published or known - {creator.number}:
                owed.update(rt.number_of(fence) for fence in pending_inside(obj))
    return [one for one in rt.objects if isinstance(one, Fence) and rt.number_of(one) in owed]
