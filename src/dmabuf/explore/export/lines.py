"""What each task of a straight-line design does, step by step, whatever the others do.

`record` runs every schedule and puts down, for each task, the operations it announces. Where two
schedules disagree about the same step of a task, its course depends on outcomes, and the design
is refused with that step named. What no schedule reached is told apart from what was made: an
export turns it into an assertion, so that whoever reads the export can disagree.

    >>> from dmabuf.machine import design
    >>> from dmabuf.sync.shared import Shared
    >>> @design
    ... def counts(machine):
    ...     cell = Shared(0, "n")
    ...     machine.kthread(lambda: cell.add(1), "A")
    >>> [[entry.op for entry in line.entries] for line in record(counts).lines]
    [['shared.add']]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dmabuf.explore.explanations.frames import place_of_error, stack_of
from dmabuf.explore.export.refusal import NotExportable
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Design, Machine
from dmabuf.report.finding import Place
from dmabuf.rt.api import Kind, Op, Outcome, Task
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.rt.own_steps import CLOCK_NOW
from dmabuf.rt.tasks import Tasks

_TIMED_WAIT = "fence.wait"

__all__ = ["SECOND_HALVES", "Entry", "Line", "Recording", "record"]

SECOND_HALVES = frozenset({"fence.settle", "rwlock.spin", "rwsem.wait", "semaphore.wait"})
"""Steps that an operation makes only if it had to queue: the second half of the step before."""


_GO_STRAIGHT = (
    "an export takes tasks whose steps do not depend on outcomes: leave out what steers this one, "
    "such as the answer of a trylock, of a read or of a wait"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a task.

    Attributes:
        op: the operation's name.
        obj: the number of its object.
        arg: what it was given; of a step on a task, that task.
        may_stop: the task may stop for ever before it.
        owed: a task that stays blocked in it is itself a finding.
        timeout: ns from when the task last read the clock to its deadline; None without one.
        interruptible: a pending signal ends it.
        place: the line of the design that makes it.
    """

    op: str
    obj: int
    arg: Any
    may_stop: bool
    owed: bool
    timeout: int | None
    interruptible: bool
    place: Place | None = field(default=None, compare=False)


@dataclass(slots=True)
class Line:
    """What one task does.

    Attributes:
        number: of the task.
        key: creating task's key and a counter: the order of creation, and who starts it.
        entries: its steps; the last of them no schedule may have made, only announced.
        ends: it came to its end in some schedule.
        breaks: the rule that a schedule broke after this many steps, by that number.
        cpu: the CPU it is bound to.
    """

    number: int
    name: str
    kind: Kind
    key: tuple[int, ...]
    entries: list[Entry] = field(default_factory=list)
    ends: bool = False
    breaks: dict[int, str] = field(default_factory=dict)
    cpu: int | None = None


@dataclass(slots=True)
class Recording:
    """The lines of a design, and its objects as they were before their first step.

    Attributes:
        lines: in order of creation.
        labels: names of the objects, by number.
        objects: what `describe` said of each object, by number.
        creators: the number of the task that made it; the design's own body has none.
        search: the search that ran the schedules.
        any_time: timeouts may be taken in any order.
    """

    lines: list[Line]
    labels: dict[int, str]
    objects: dict[int, Any]
    creators: dict[int, int | None]
    search: Search
    any_time: bool


class _Recorder:
    """An instrument that follows one execution after the other."""

    def __init__(
        self, describe: Callable[[Any], Any], at_end: Callable[[Tasks], object] | None
    ) -> None:
        self.describe = describe
        self.at_end = at_end
        self.lines: dict[int, Line] = {}
        self.labels: dict[int, str] = {}
        self.objects: dict[int, Any] = {}
        self.creators: dict[int, int | None] = {}
        self.bent: NotExportable | None = None
        self.rt: Tasks
        self.any_time = False
        self._forget()

    def _forget(self) -> None:
        """What holds for one execution only."""
        self.made: dict[int, int] = {}
        self.met: set[int] = set()
        self.read: dict[int, int] = {}
        self.timed_wait_ended: set[int] = set()

    def begin(self, rt: Tasks) -> None:
        """A new execution."""
        self.rt = rt
        self._forget()
        rt.instrument = self
        before = rt.at_end

        def at_end(runtime: Tasks) -> None:
            self.end(runtime)
            self.any_time = runtime.any_time
            if self.at_end is not None:
                self.at_end(runtime)
            if before is not None:
                before(runtime)

        rt.at_end = at_end

    def end(self, rt: Tasks) -> None:
        """The execution has come to its end: who has ended must have ended there always."""
        for task in rt.tasks:
            if not task.finished or rt.failure is not None or rt.reports:
                continue
            line = self._line(task)
            made = self.made.get(task.number, 0)
            if made < len(line.entries):
                why = "it ends before that in another schedule"
                self._bend(task, made, why, line.entries[made])
            line.ends = True

    def _line(self, task: Task) -> Line:
        assert isinstance(task, ExploredTask)
        found = self.lines.get(task.number)
        if found is None:
            found = self.lines[task.number] = Line(
                task.number, task.name, task.kind, task.key, cpu=task.cpu
            )
        return found

    # -- the instrument --------------------------------------------------------------------------

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Compare with what is known of this step, or put it down."""
        if self._is_second_half(task, op) or self.bent:
            return
        assert isinstance(task, ExploredTask)
        line = self._line(task)
        index = self.made.get(task.number, 0)
        entry = Entry(
            op.name,
            self.rt.number_of(obj),
            _plain(obj if isinstance(obj, ExploredTask) else task.arg, self.rt),
            task.may_stop,
            _is_owed(task),
            None if task.deadline is None else task.deadline - self.read.get(task.number, 0),
            task.interruptible,
        )
        self._meet(task, obj, index, entry)
        if index == len(line.entries):
            entry = replace(entry, place=_place())
            if line.ends:
                self._bend(task, index, "it has ended by then in another schedule", entry)
            line.entries.append(entry)
        elif line.entries[index] != entry:
            why = f"{self._said(line.entries[index])} in another schedule"
            self._bend(task, index, why, replace(entry, place=_place()))

    def _meet(self, task: ExploredTask, obj: Any, index: int, entry: Entry) -> None:
        """The state of an object before its first step must be the same in every schedule."""
        number = self.rt.number_of(obj)
        if number in self.met:
            return
        self.met.add(number)
        state = self.describe(obj)
        if self.objects.setdefault(number, state) != state:
            self._bend(task, index, "its object starts otherwise in another schedule", entry)
        if number not in self.labels:
            self.labels[number] = self.rt.label(obj)
            self.creators[number] = self._creator(obj)

    def _creator(self, obj: Any) -> int | None:
        for candidate, creator in zip(self.rt.objects, self.rt.creators, strict=True):
            if candidate is obj:
                return creator.number if creator in self.rt.tasks else None
        return None

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """One step further."""
        del obj
        assert isinstance(task, ExploredTask)
        is_second = self._is_second_half(task, op)
        if op is CLOCK_NOW:
            self.read[task.number] = self.rt.clock.now()
            self.timed_wait_ended.discard(task.number)
        elif op.name == _TIMED_WAIT and task.deadline is not None and outcome is Outcome.DONE:
            self.timed_wait_ended.add(task.number)
        if not is_second and not self.bent:
            self.made[task.number] = self.made.get(task.number, 0) + 1

    def _is_second_half(self, task: Task, op: Op) -> bool:
        """Does this step belong to the one before?

        The end of a wait for a fence reads the clock once more, to say how much time was left.
        """
        assert isinstance(task, ExploredTask)
        return op.name in SECOND_HALVES or (
            op is CLOCK_NOW and task.number in self.timed_wait_ended
        )

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """Live only."""

    def created(self, task: Task, obj: Any) -> None:
        """Objects are met at their first step."""

    def reported(self, code: str, message: str) -> None:
        """A broken rule ends an execution, so also the line of who broke it."""
        del message
        task = self.rt._current
        self._line(task).breaks[self.made.get(task.number, 0)] = code

    # -- refusing --------------------------------------------------------------------------------

    def _said(self, entry: Entry) -> str:
        return f"{entry.op} of {self.labels.get(entry.obj, 'something')}"

    def _bend(self, task: Task, index: int, why: str, entry: Entry) -> None:
        if self.bent is None:
            message = f"step {index + 1} of {task.name} ({self._said(entry)}): {why}"
            self.bent = NotExportable(message, remedy=_GO_STRAIGHT, place=entry.place)


def _place() -> Place | None:
    """The design's line that announces a step."""
    stack = stack_of(sys._getframe(1))
    return stack[0] if stack else None


def _plain(arg: Any, rt: Tasks) -> Any:
    """An argument as something that can be compared between executions."""
    if arg is None or isinstance(arg, bool | int | str):
        return arg
    if isinstance(arg, ExploredTask):
        return ("task", arg.key)
    try:
        return ("object", rt.number_of(arg))
    except KeyError:
        return (type(arg).__name__,)


def _is_owed(task: ExploredTask) -> bool:
    """Must this task not stay blocked here for ever?"""
    if task.kind is Kind.USER:
        return task.in_kernel and bool(task.held)
    return task.kind is not Kind.HARDWARE and not task.idle


def record(
    design: Design,
    *,
    describe: Callable[[Any], Any] = lambda _obj: None,
    budget: Budget | None = None,
    search: Callable[[Design, Budget], Search] = Search,
    at_end: Callable[[Tasks], object] | None = None,
) -> Recording:
    """Run every schedule of a design and put down what its tasks do.

    Args:
        design: what to run.
        describe: says of an object in which state it starts.
        budget: limits of the search; one that is reached refuses the design.
        search: makes the search, for whoever wants to look at it.
        at_end: called at the end of each execution, while its tasks are where they stood.

    Raises:
        NotExportable: a task's steps depend on outcomes, a task raised, or not all schedules ran.
    """
    recorder = _Recorder(describe, at_end)

    def recorded(machine: Machine) -> object:
        assert isinstance(machine.rt, Tasks)
        recorder.begin(machine.rt)
        return design(machine)

    made = search(recorded, budget or Budget())
    asked = made.stop
    made.stop = lambda: recorder.bent is not None or (asked is not None and asked())
    made.run()
    if recorder.bent is not None:
        raise recorder.bent
    _refuse_unfinished(made)
    lines = sorted(recorder.lines.values(), key=lambda line: line.key)
    return Recording(
        lines, recorder.labels, recorder.objects, recorder.creators, made, recorder.any_time
    )


def _refuse_unfinished(made: Search) -> None:
    """Raise if a task raised, or if there are schedules that were not run."""
    for case in made.cases.values():
        if case.failure is not None:
            task, error = case.failure
            raise NotExportable(
                f"{task} raises {type(error).__name__}, which has no place elsewhere",
                remedy="an export takes tasks that raise nothing",
                place=place_of_error(error),
            )
    if made.limit:
        raise NotExportable(
            f"not every schedule was run (limit reached: {made.limit}), so whether its tasks go "
            "straight is not known",
            remedy="a larger budget may help, or a smaller design",
            limit=made.limit,
        )
