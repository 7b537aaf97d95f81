"""The fingerprint of a whole state: equal where everything that can happen next is equal.

Taken at a decision, when every task stands at an announced step: of each task the step, its trust
class and contexts, and every frame with its locals, cells and stack; and all that is reachable from
there. Times count relative to now. What may be left out, and why, is in docs/design/0010-states.md.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import PUBLISHED, State, is_flagged
from dmabuf.explore.foreign.whose import is_ours
from dmabuf.explore.properties import finite_in
from dmabuf.explore.states import forms
from dmabuf.explore.states.canonical import Walk
from dmabuf.explore.states.codes_of import name_of, per_code, reads_of
from dmabuf.explore.states.frame_values import can_read, contents, position
from dmabuf.explore.states.opaque import Opaque
from dmabuf.rt import carriers, tasks
from dmabuf.rt.life import ASK, MAIN
from dmabuf.sync import timer
from dmabuf.sync.work import Work

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Fingerprints", "known_fences"]

_RUNTIME = frozenset(filter(None, (carriers.__file__, tasks.__file__)))
"""Files of frames that are no part of a state: all that matters there is announced."""
_TIMES = frozenset({"deadline", "expiry"})
_DEAD: dict[CodeType, frozenset[str]] = {
    timer._serve.__code__: frozenset({"seen", "expiry", "following"}),
    Work._flush.__code__: frozenset({"ticket"}),
}
"""Locals of ours that are announced with the step, or written before they are read again."""


LEFT_OUT = frozenset(
    {
        "base",  # as its number
        "carrier",  # its frames are read
        "own",  # its own number, as it is written in footprints
        "place",  # its object's
        "created",  # numbers of what it makes: identity only
        "fresh",  # for footprints
        "key",  # as its number
        "name",  # for people
        "ordinal",  # as its number
        "outcome",  # of a step that is over
        "refusals",  # of a run that is over
        "runtime",
        "spawner",  # while it starts, which is no decision
        "starting",  # the same
        "unwind",  # of a run that is over
        "value",  # of a step that is over
    }
)
"""Fields of a task that no step can depend on. A test sees to it that each other one is told."""


class _Held(NamedTuple):
    """A frame as it was read."""

    code: CodeType
    position: int
    values: list[Any]


class Fingerprints:
    """Fingerprints of the states of one execution after the other.

    Attributes:
        known: numbers of the pending fences that others than their makers knew in the last state.
        reads_time: some code of the design could ask for the time.
        met: the objects of the last state, in the order in which they were met.
    """

    def __init__(self) -> None:
        self.reads_time = False
        self.met: Sequence[Any] = ()
        self._frames: dict[int, list[_Held]] = {}
        self.known: tuple[int, ...] = ()

    def forget(self, task: int = -1) -> None:
        """That task has moved; without a number, a new execution begins."""
        if task < 0:
            self._frames.clear()
        else:
            self._frames.pop(task, None)

    def take(self, rt: Tasks, touched: Mapping[int, Collection[int]]) -> bytes:
        """The fingerprint of the present state.

        Args:
            rt: the runtime.
            touched: by object number, the tasks that made steps on it in this run.

        Raises Opaque where something cannot be seen.
        """
        if not can_read():
            raise Opaque("the frames of this Python")
        known = known_fences(rt, touched)
        self.known = tuple(rt.number_of(fence) for fence in known.values())
        walk = Walk(rt.clock.now(), rt.numbers, lambda fence: id(fence) in known)
        for task in sorted(rt.tasks, key=lambda task: task.number):
            self._task(walk, rt, task)
        for cpu, owners in sorted(rt.cpus._owners.items()):
            walk.say("cpu", cpu, [task.number for task in owners])
        forms.put_extras(walk, rt.extras)
        walk.finish()
        walk.put_all(known.values())  # owed a signal even if nobody can reach them any more
        found = walk.digest()
        self.met = walk.met
        self.reads_time = self.reads_time or "time" in walk.reads
        return found

    def _task(self, walk: Walk, rt: Tasks, task: ExploredTask) -> None:
        walk.say("task", task.number, task.kind.value, task.finished, task.cpu)
        walk.put(task.held or None)
        op = task.op
        if task.finished or op is None:
            return
        walk.say(
            op.name,
            task.interruptible,
            task.signal_pending,
            task.atomic,
            task.irqs_off,
            task.bh_off,
            task.in_irq,
            task.in_softirq,
            task.idle,
            task.told_to_die,
            task.in_kernel,
            task.reliable,
            task.signalling,
            int(task.scope),
            task.interrupts,
            rt.cpus.has_its_cpu(task),
        )
        walk.put(task.obj)
        forms.put_arg(walk, op.name, task.obj, task.arg)
        walk.put(task.options)
        walk.time(task.deadline)
        if task.armed is not None:
            _put_armed(walk, task.armed)
        for held in self._frames_of(rt, task):
            _put_frame(walk, held)

    def _frames_of(self, rt: Tasks, task: ExploredTask) -> list[_Held]:
        known = self._frames.get(task.number)
        if known is None:
            known = self._frames[task.number] = _read(rt, task)
        return known


def known_fences(rt: Tasks, touched: Mapping[int, Collection[int]]) -> dict[int, Fence]:
    """By `id`, the pending fences that were published, or touched by others than their makers."""
    found = {id(fence): fence for fence in finite_in(rt.extras) if not is_flagged(fence)}
    for obj, creator in zip(rt.objects, rt.creators, strict=True):
        if isinstance(obj, Fence) and not is_flagged(obj):
            state = obj._state
            published = isinstance(state, State) and state.flags & PUBLISHED
            tasks = touched.get(rt.number_of(obj), ())
            if published or any(task != creator.number for task in tasks):
                found[id(obj)] = obj
    return found


def _read(rt: Tasks, task: ExploredTask) -> list[_Held]:
    """The frames of a task between its announced step and its first line."""
    frame: FrameType | None = rt.carrier.frame_of(task)
    if frame is None:
        frame = sys._getframe()
        while frame is not None and frame.f_code is not ASK:
            frame = frame.f_back
        frame = frame and frame.f_back
    found: list[_Held] = []
    while frame is not None and frame.f_code is not MAIN:
        if frame.f_code.co_filename not in _RUNTIME:
            found.append(_Held(frame.f_code, position(frame), contents(frame)))
        frame = frame.f_back
    if frame is None:
        raise Opaque(f"the frames of {task.name}")
    return found


@per_code
def _special(code: CodeType) -> dict[int, str]:
    """Locals that are not simply values: by their place."""
    if not is_ours(code.co_filename):
        return {}
    dead = _DEAD.get(code, frozenset())
    return {
        place: "dead" if name in dead else "time"
        for place, name in enumerate(code.co_varnames)
        if name in dead or name in _TIMES
    }


def _put_frame(walk: Walk, held: _Held) -> None:
    code, where, values = held
    walk.say(name_of(code), where, len(values))
    reads = reads_of(code)
    if reads:
        walk.reads |= reads
    special = _special(code)
    if not special:
        walk.put_all(values)
        return
    for place, value in enumerate(values):
        what = special.get(place)
        if what == "time" and isinstance(value, int):
            walk.time(value)
        elif what != "dead":
            walk.put(value)


def _put_armed(walk: Walk, armed: tuple[Any, ...]) -> None:
    """The step that is to follow when a timeout has been armed: as announced, but not yet."""
    op, obj, arg, deadline, interruptible = armed
    walk.say("armed", op.name, interruptible)
    walk.put(obj)
    forms.put_arg(walk, op.name, obj, arg)
    walk.time(deadline)
