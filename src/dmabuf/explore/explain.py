"""Run one schedule once more, slowly, and write down what a person wants to know.

The search only keeps transitions. Here each step's source line, words and outcome are captured,
and the state at the end becomes the list of who waits for whom.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from dmabuf.explore.diagnose import Diagnosis, Wakers
from dmabuf.explore.search import Case, carrier_named
from dmabuf.explore.shrink import Event, switches_of
from dmabuf.explore.snapshot import Blocked, Snapshot
from dmabuf.explore.strategies.replay import Replay
from dmabuf.explore.token import TokenError, check_of, encode
from dmabuf.explore.whose import is_of_design
from dmabuf.machine import Design, Machine
from dmabuf.report.finding import Finding, Place, Step, Wait
from dmabuf.rt.explored_task import Names
from dmabuf.rt.strategy import INTERRUPT, TIMEOUT
from dmabuf.rt.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmabuf.rt.api import Op, Outcome, Task
    from dmabuf.rt.explored_task import ExploredTask

__all__ = ["Telling", "finding_of", "place_of_error", "tell"]


def _place(frame: FrameType | None) -> Place | None:
    """The innermost frame of the design."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_of_design(filename):
            return Place(filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def place_of_error(error: BaseException) -> Place | None:
    """The innermost line of the design that an exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if is_of_design(frame.filename):
            return Place(frame.filename, frame.lineno or 0, frame.name)
    return None


class Telling:
    """One execution told step by step; an instrument and the listener of a `Replay`.

    Attributes:
        steps: what was done, in order.
        checks: the operations, for the token's check.
        places: by task number, the line of the step it stands at.
        reported_at: where a broken rule was recorded.
        touched: by object number, the tasks that made steps on it.
        woke: (task, object) of each step made that ends waits on the object.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.checks: list[str] = []
        self.events: list[Event] = []
        self.touched: dict[int, set[int]] = {}
        self.woke: set[tuple[int, int]] = set()
        self.places: dict[int, Place | None] = {}
        self.texts: dict[int, tuple[str, str]] = {}
        self.reported_at: Place | None = None
        self.pending: list[Step] = []
        self.runtime: Tasks | None = None

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Note from where a task announces its next step, and in which words."""
        assert self.runtime is not None
        number = self.runtime.number_of(task)
        self.places[number] = _place(sys._getframe(2))
        self.texts[number] = (op.says.replace("{}", self.runtime.label(obj)), op.name)

    def made(self, task: ExploredTask, variant: int, footprint: tuple[int, ...]) -> None:
        """Note a step that was made and what it touched."""
        assert self.runtime is not None
        number = self.runtime.number_of(task)
        text, op = self.texts[number]
        note = {0: "", TIMEOUT: "times out", INTERRUPT: "interrupted"}.get(
            variant, f"way {variant}"
        )
        if task.options and variant not in (TIMEOUT, INTERRUPT):
            note = self._way(task, variant)
        self.steps.append(Step(task.name, text, op, self.places[number], note=note))
        self.checks.append(f"{task.ordinal} {op} {variant}")
        self.events.append(Event(task.number, variant, ()))
        for touch in footprint:
            self.touched.setdefault(touch >> 1, set()).add(task.number)
        if task.op is not None and task.op.wakes:
            self.woke.add((task.number, footprint[0] >> 1))

    def _way(self, task: ExploredTask, variant: int) -> str:
        assert self.runtime is not None
        if isinstance(task.options, int):
            return f"takes way {variant} of {task.options}"
        if variant == 0:
            return ""
        return f"interrupts {self.runtime.tasks[variant - 1].name}"

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """Nothing more to note."""

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """Nothing more to note."""

    def created(self, task: Task, obj: Any) -> None:
        """Nothing more to note."""

    def reported(self, code: str, message: str) -> None:
        """Note where a broken rule was recorded."""
        del code, message
        self.reported_at = _place(sys._getframe(2))

    def at_end(self, rt: Tasks, enabled: list[int]) -> None:
        """Add the steps that are awaited, and those of tasks that may stop for ever."""
        can_move = {transition // 256 for transition in enabled}
        for task in rt.tasks:
            goes_on = task.number in can_move and not task.may_stop
            if task.op is None or task.idle or goes_on:
                continue
            text, op = self.texts[rt.number_of(task)]
            place = self.places[rt.number_of(task)]
            note = ""
            if task.number in can_move:
                note = "hangs" if task.kind.value == "hardware" else "stops here for ever"
            elif rt.cpus.owner(rt.cpus.of(task)) not in (None, task):
                note = "interrupted"
            self.pending.append(Step(task.name, text, op, place, blocked=True, note=note))


def tell(
    design: Design,
    moves: Sequence[tuple[int, int]],
    *,
    names: Names | None = None,
    carrier: str = "",
    at_end: Callable[[Tasks, list[int]], object] | None = None,
) -> tuple[Telling, Tasks]:
    """Run the schedule and capture it. Raises TokenError if it is not possible."""
    telling = Telling()

    def end(rt: Tasks, enabled: list[int]) -> None:
        telling.at_end(rt, enabled)
        if at_end is not None:
            at_end(rt, enabled)

    replay = Replay(moves, at_end=end, on_step=telling.made)
    rt = Tasks(replay, names=names or Names(), carrier=carrier_named(carrier))
    rt.instrument = telling
    telling.runtime = rt
    rt.run(lambda runtime: design(Machine(runtime)))
    if replay.stuck is not None:
        ordinal = moves[replay.stuck][0]
        who = rt.tasks[ordinal].name if ordinal < len(rt.tasks) else f"task number {ordinal + 1}"
        raise TokenError(
            f"this schedule does not fit the design: {who} cannot make step {replay.stuck + 1} "
            "(has the design changed since the token was printed?)"
        )
    return telling, rt


def finding_of(
    case: Case, diagnosis: Diagnosis, telling: Telling, rt: Tasks, wakers: Wakers, *, fewest: bool
) -> Finding:
    """The finding that a case's retold schedule shows."""
    waits = _waits(case.snapshot, diagnosis, telling, rt, wakers) if case.snapshot else ()
    place = telling.reported_at or next((wait.place for wait in waits if wait.place), None)
    if case.failure is not None:
        place = place_of_error(rt.failure[1] if rt.failure else case.failure[1])
    steps = (*telling.steps, *telling.pending) if case.snapshot else tuple(telling.steps)
    used = {step.task for step in steps}
    return Finding(
        code=diagnosis.code,
        message=diagnosis.message,
        implied=diagnosis.implied,
        place=place,
        waits=waits,
        tasks=tuple(task.name for task in rt.tasks if task.name in used),
        steps=steps,
        switches=switches_of(telling.events),
        fewest=fewest,
        token=encode(case.moves, check_of(telling.checks)),
    )


def _waits(
    snapshot: Snapshot, diagnosis: Diagnosis, telling: Telling, rt: Tasks, wakers: Wakers
) -> tuple[Wait, ...]:
    """The wait graph's edges, the diagnosis' chain first; idle tasks are left out."""
    idle = {task.number for task in rt.tasks if task.idle}
    rest = [n for n in (*snapshot.blocked, *snapshot.stopped) if n not in diagnosis.chain]
    order = (*diagnosis.chain, *(number for number in rest if number not in idle))
    return tuple(_wait(number, snapshot, telling, rt, wakers) for number in order)


def _wait(number: int, snapshot: Snapshot, telling: Telling, rt: Tasks, wakers: Wakers) -> Wait:
    task = rt.by_number[number]
    place = telling.places.get(rt.number_of(task))
    holds = tuple(snapshot.labels[lock] for lock in snapshot.holds.get(number, ()))
    entry = snapshot.blocked.get(number)
    if entry is None:
        state = "may stop for ever" if number in snapshot.stopped else "has ended"
        return Wait(task.name, state, holds=holds, place=None if state == "has ended" else place)
    if entry.interrupted_by is not None:
        by = (snapshot.names[entry.interrupted_by],)
        return Wait(
            task.name, "is interrupted by", by[0], by, definite=True, holds=holds, place=place
        )
    return Wait(
        task.name,
        "sleeps on" if entry.lost else "waits for",
        entry.label,
        _wakers(entry, snapshot, wakers),
        definite=bool(entry.owners),
        holds=holds,
        place=place,
    )


def _wakers(entry: Blocked, snapshot: Snapshot, wakers: Wakers) -> tuple[str, ...]:
    if entry.owners:
        return tuple(snapshot.names[owner] for owner in entry.owners)
    objects = entry.fences or (entry.obj,)
    numbers = {waker for obj in objects for waker in wakers.get(obj, ())}
    return tuple(sorted(snapshot.names.get(number, "?") for number in numbers))
