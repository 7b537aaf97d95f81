"""Run one schedule once more, slowly, and note each step's words, lines and outcome."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dmabuf.explore.explanations.divergence import first_change
from dmabuf.explore.explanations.frames import stack_of
from dmabuf.explore.explanations.shrink import Event
from dmabuf.explore.explanations.spans import Spans
from dmabuf.explore.explanations.token import TokenError
from dmabuf.explore.properties import build
from dmabuf.explore.strategies.replay import Replay
from dmabuf.hardware import is_reset
from dmabuf.machine import Design
from dmabuf.mm.page_alloc import ALLOC, SHORTAGES
from dmabuf.report.finding import Place, Stack, Step, Taken
from dmabuf.rt.api import OPS
from dmabuf.rt.carriers import carrier_named
from dmabuf.rt.explored_task import Names
from dmabuf.rt.strategy import BLOCK, INTERRUPT, TIMEOUT, VARIANTS, task_of, variant_of
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.spurious import SPURIOUS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmabuf.rt.api import Op, Outcome, Task
    from dmabuf.rt.explored_task import ExploredTask

__all__ = ["Telling", "changed", "tell"]

_TOLD = 6


_NOTES = {0: "", TIMEOUT: "times out", INTERRUPT: "interrupted", BLOCK: "has to wait"}


class Telling:
    """One execution told step by step; an instrument and the listener of a `Replay`.

    Attributes:
        steps: what was done, in order.
        checks: the operations, for the token's check.
        events: the same steps as transitions with what they touched.
        touched: by object number, the tasks that made steps on it.
        woke: (task, object) of each step made that ends waits on the object.
        stacks: by the task's object number, the frames of the step it stands at.
        taken: by (task number, lock number), the frames of the step that took the lock.
        reported_at: where a broken rule was recorded.
        held: the locks that the task held there, each with the frames that took it.
        pending: steps that are awaited at the end.
        left_out: steps that other tasks made afterwards, until nothing happened any more.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.checks: list[str] = []
        self.events: list[Event] = []
        self.touched: dict[int, set[int]] = {}
        self.woke: set[tuple[int, int]] = set()
        self.stacks: dict[int, Stack] = {}
        self.taken: dict[tuple[int, int], Stack] = {}
        self.texts: dict[int, tuple[str, str]] = {}
        self.reported_at: Stack = ()
        self.held: tuple[Taken, ...] = ()
        self.pending: list[Step] = []
        self.left_out = 0
        self.rested = False
        self.spans = Spans()
        self.runtime: Tasks | None = None

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Note from where a task announces its next step, and in which words."""
        assert self.runtime is not None
        number = self.runtime.number_of(task)
        self.stacks[number] = stack_of(sys._getframe(2))
        self.texts[number] = (op.says.replace("{}", self.runtime.label(obj)), op.name)

    def made(self, task: ExploredTask, variant: int, footprint: tuple[int, ...]) -> None:
        """Note a step that was made and what it touched."""
        assert self.runtime is not None
        number = self.runtime.number_of(task)
        text, op = self.texts[number]
        stack = self.stacks[number]
        note = _NOTES.get(variant, f"way {variant}")
        if task.options and (variant == 0 or variant not in _NOTES):
            note = self._way(task, variant)
        place = stack[0] if stack else None
        self.steps.append(Step(task.name, text, op, place, note=note, stack=stack))
        self.checks.append(f"{task.ordinal} {op} {variant}")
        self.events.append(Event(task.number, task.number * VARIANTS + variant, footprint))
        self.spans.stepped(task)
        self.happened(task, variant, footprint)

    def happened(self, task: ExploredTask, variant: int, footprint: tuple[int, ...]) -> None:
        """Note what any step touched, also one that is not shown."""
        del variant
        assert self.runtime is not None
        for touch in footprint:
            self.touched.setdefault(touch >> 1, set()).add(task.number)
        if task.op is not None and task.op.wakes:
            self.woke.add((task.number, footprint[0] >> 1))
        here = self.stacks.get(self.runtime.number_of(task), ())
        for lock in task.held:
            self.taken.setdefault((task.number, self.runtime.number_of(lock)), here)
        if len(self.taken) > len(task.held):
            mine = {(task.number, self.runtime.number_of(lock)) for lock in task.held}
            for key in [k for k in self.taken if k[0] == task.number and k not in mine]:
                del self.taken[key]

    def _way(self, task: ExploredTask, variant: int) -> str:
        assert self.runtime is not None
        if isinstance(task.options, int):
            return f"takes way {variant} of {task.options}"
        if task.op is SPURIOUS:
            return f"that of {self.runtime.tasks[variant].name}"
        if variant == 0:
            return ""
        if task.op is ALLOC:
            return SHORTAGES[variant]
        return f"interrupts {self.runtime.tasks[variant - 1].name}"

    def before(self, rt: Tasks, enabled: list[int]) -> None:
        """Look at the state before a step, and after the last one."""
        self.spans.look(rt, enabled, self.touched)

    def ended(self, rt: Tasks) -> None:
        """Look once more where a report or an exception ended the execution."""
        if rt.reports or rt.failure is not None:
            self.spans.look(rt, rt.enabled(), self.touched)

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """Nothing more to note."""

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """Nothing more to note."""

    def created(self, task: Task, obj: Any) -> None:
        """Fences are looked at from their creation on."""
        self.spans.created(task, obj)

    def reported(self, code: str, message: str) -> None:
        """Note where a broken rule was recorded."""
        del code, message
        assert self.runtime is not None
        self.reported_at = stack_of(sys._getframe(2))
        task = self.runtime.current()
        numbers = ((lock, self.runtime.number_of(lock)) for lock in task.held)
        locks = ((self.runtime.label(lock), number) for lock, number in numbers)
        mine: int = getattr(task, "number", -1)
        self.held = tuple(Taken(label, self.taken.get((mine, n), ())) for label, n in locks)

    def at_end(self, rt: Tasks, enabled: list[int]) -> None:
        """Add the steps that are awaited, and those of tasks that may stop for ever."""
        can_move = {task_of(one) for one in enabled}
        for task in rt.tasks:
            goes_on = task.number in can_move and not task.may_stop
            if task.op is None or task.idle or goes_on:
                continue
            text, op = self.texts[rt.number_of(task)]
            stack = self.stacks[rt.number_of(task)]
            note = "until it times out" if task.deadline is not None else ""
            if is_reset(task):
                note = "no more, since the reset"
            elif task.number in can_move:
                note = "hangs" if task.kind.value == "hardware" else "stops here for ever"
            elif rt.cpus.owner(rt.cpus.of(task)) not in (None, task):
                note = "interrupted"
            place: Place | None = stack[0] if stack else None
            self.pending.append(Step(task.name, text, op, place, True, note, stack))


def tell(
    design: Design,
    moves: Sequence[tuple[int, int]],
    *,
    names: Names | None = None,
    carrier: str = "",
    at_end: Callable[[Tasks, list[int]], object] | None = None,
    completes: bool = True,
    time_passes: bool = True,
    check: str = "",
) -> tuple[Telling, Tasks]:
    """Run the schedule and capture it; the other tasks then run until nothing happens.

    Args:
        design: whose schedule it is.
        moves: (task ordinal, variant) of each step.
        names: numbers of tasks and objects, so that they are those of a search.
        carrier: "greenlet" or "threads"; the best there is if empty.
        at_end: called where nothing can happen any more.
        completes: False for a schedule that never comes to rest, which ends with its last step.
        time_passes: False for one that ends where only time goes on.
        check: of the token, which may tell what has changed where the schedule is not possible.

    Raises TokenError if the schedule is not possible.
    """
    telling = Telling()

    def end(rt: Tasks, enabled: list[int]) -> None:
        others = [one for one in enabled if time_passes or variant_of(one) != TIMEOUT]
        telling.at_end(rt, others)
        if at_end is not None:
            at_end(rt, enabled)

    replay = Replay(
        moves,
        at_end=end,
        on_step=telling.made,
        before=telling.before,
        completed=telling.happened,
        completes=completes,
        time_passes=time_passes,
    )
    rt = Tasks(replay, names=names or Names(), carrier=carrier_named(carrier))
    rt.instrument = telling
    telling.runtime = rt
    rt.at_end = telling.ended
    rt.run(lambda runtime: build(design, runtime))
    telling.left_out, telling.rested = replay.left_out, replay.rested
    if replay.stuck is not None:
        earlier = _first_change(telling, check, len(moves)) if check else ""
        raise TokenError(_misfit(rt, moves, replay.stuck, telling) + (earlier and f". {earlier}"))
    return telling, rt


def changed(telling: Telling, check: str) -> TokenError:
    """A schedule was possible, but its operations are not those that the token was made of."""
    said = _first_change(telling, check, len(telling.steps))
    return TokenError(f"this schedule does not fit the design: its operations have changed. {said}")


def _first_change(telling: Telling, check: str, count: int) -> str:
    """Which step changed first, as far as a token's check tells."""
    found = first_change(telling.checks, check, count, OPS)
    if found is None:
        return ""
    steps = telling.steps[found.first : found.last + 1]
    if found.was:
        step = steps[0]
        was = OPS[found.was].says.replace(" {}", "")
        return (
            f"Step {found.first + 1}, by {step.task}, was {found.was} ({was}), "
            f"now it is {step.op} ({step.text})"
        )
    told = [f"{n}. {step.task} {step.text}" for n, step in enumerate(steps, found.first + 1)]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    where = f"steps {found.first + 1} to {found.last + 1}" if len(steps) > 1 else "one step"
    return f"A change shows first in {where}, now {'; '.join(told[:_TOLD])}{more}"


def _misfit(rt: Tasks, moves: Sequence[tuple[int, int]], stuck: int, telling: Telling) -> str:
    """Which step of a schedule is not possible, and what is possible instead."""
    ordinal = moves[stuck][0]
    changed = "has the design changed since the token was printed?"
    if ordinal >= len(rt.tasks):
        came = f"there are only {len(rt.tasks)} tasks"
        who = f"task number {ordinal + 1}"
    else:
        task = rt.tasks[ordinal]
        who = task.name
        text, _op = telling.texts.get(rt.number_of(task), ("", ""))
        came = f"it would be at: {text}" if not task.finished and text else f"{who} has ended"
    return (
        f"this schedule does not fit the design: {who} cannot make step {stuck + 1}; "
        f"{came} ({changed})"
    )
