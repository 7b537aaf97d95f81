"""Tasks in virtual time whose next step somebody else picks: the explored runtime.

Announce, then execute: a task names its next step (operation, object, deadline) before it
happens, so at every decision all tasks stand at a known step. A `Strategy` picks one of the
transitions that are possible; the runtime makes it and lets that task run to its next step.

    >>> from dmabuf.rt.strategy import FirstEnabled
    >>> ran = []
    >>> def body(runtime):
    ...     runtime.spawn(lambda: ran.append("task"), name="A")
    >>> Tasks(FirstEnabled()).run(body); ran
    <End.ENDED: 'ended'>
    ['task']
"""

from __future__ import annotations

import _thread
import functools
from collections.abc import Callable
from typing import Any, Final, cast

from dmabuf.errors import ContractViolation, DesignError, InternalError, Unwind
from dmabuf.rt.adopted import Adopted
from dmabuf.rt.ambient import set_ambient
from dmabuf.rt.api import Instrument, Kind, Op, Outcome, Task
from dmabuf.rt.carriers import Carrier, Greenlets, best_carrier
from dmabuf.rt.clock import VirtualClock
from dmabuf.rt.cpus import Cpus
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.rt.known import Known, Picker
from dmabuf.rt.life import ask
from dmabuf.rt.own_steps import CLOCK_ARM, CLOCK_NOW, MAKE_PENDING, SPAWN
from dmabuf.rt.possible import Possible
from dmabuf.rt.strategy import (
    BLOCK,
    MAX_OPTIONS,
    VARIANTS,
    End,
    Remembers,
    Strategy,
)
from dmabuf.rt.unwinding import refuse, unwind
from dmabuf.rt.ways import go_another_way, go_one_way, step_in_body

__all__ = ["MAX_TASKS", "Tasks"]

MAX_TASKS: Final = 64
"""More tasks than this in one execution is taken as spawning without end."""

_UNUSED: Final = _thread.allocate_lock()
_DONE: Final = Outcome.DONE
_USER: Final = Kind.USER
_HARDWARE: Final = Kind.HARDWARE


class Tasks(Possible):
    """One execution: tasks on a carrier, a virtual clock, and a strategy that picks.

    Attributes:
        tasks: all tasks in order of creation.
        cpus: who owns which CPU.
        numbers: by `id` of what was adopted, its number (see `number_of`).
        reports: (code, message, task) of each broken rule recorded.
        failure: the exception of a task that raised, with the task.
        at_end: called when the execution has ended, before its tasks are unwound.
        end: how it ended.
        in_body: the design is being made; no task has run yet.
        any_time: a timeout may come at any step, not only in order of deadlines.
        some_may_stop: there is a task of which userspace or hardware decides whether it goes on.
    """

    explored = True
    quick = False
    observed = True
    parked: Any = None

    def __init__(
        self, strategy: Strategy, *, names: Names | None = None, carrier: Carrier | None = None
    ) -> None:
        self.mutex: Any = _UNUSED
        self.strategy = strategy
        self.names = names or Names()
        self.carrier = carrier or best_carrier()
        self._greenlets = self.carrier if isinstance(self.carrier, Greenlets) else None
        self.clock = VirtualClock()
        self.instrument: Instrument | None = None
        self.at_end: Callable[[Tasks], object] | None = None
        self.tasks: list[ExploredTask] = []
        self.by_number: dict[int, ExploredTask] = {}
        self.reports: list[tuple[str, str, ExploredTask]] = []
        self.failure: tuple[ExploredTask, BaseException] | None = None
        self.over = False
        self.end: End | None = None
        self.extras: dict[str, Any] = {}
        self._adopted = Adopted(self.names)
        self.numbers = self._adopted.numbers
        self.objects = self._adopted.objects
        self.creators = self._adopted.creators
        self._namer: ExploredTask | None = None
        self.in_body = True
        self._only_reads = self.any_time = self.some_may_stop = False
        self._made = self._chained = 0
        self._memory: Remembers | None = None
        self._path: list[Known] = []
        self._known = 0
        self._is_marked = True
        self._picker: Picker | None = None
        self.cpus = Cpus(self.names)
        self._body = self._make_task("design", Kind.KTHREAD, (), None)
        self._current = self._body
        self.adopt(self.clock, "clock")

    def _make_task(
        self, name: str, kind: Kind, key: tuple[int, ...], cpu: int | None
    ) -> ExploredTask:
        number = self.names.task(key)
        return ExploredTask(self, name, kind, key=key, number=number, cpu=cpu)

    # -- running -------------------------------------------------------------------------------

    def run(self, body: Callable[[Tasks], object]) -> End:
        """Construct the design in `body`, then run its tasks until the execution ends."""
        before = set_ambient(self)
        try:
            try:
                body(self)
            except (ContractViolation, Unwind):  # of a with-block that steps on the way out
                self._must_be_recorded()
            self.in_body = False
            self._is_marked = getattr(self.strategy, "reads_frames", True)
            self._picker = self.strategy if isinstance(self.strategy, Picker) else None
            if getattr(self.strategy, "known", 0):
                memory = self._memory = cast("Remembers", self.strategy)
                self._path, self._known = memory.path, memory.known
            self._start_all()
            if self.at_end is not None:
                self.at_end(self)
            unwind(self)
        finally:
            set_ambient(before)
        raised, reported = self.failure is not None, bool(self.reports)
        self.end = End.RAISED if raised else End.REPORTED if reported else End.ENDED
        return self.end

    def _start_all(self) -> None:
        """Let each of the body's tasks run to its first step, and then make steps."""
        body = list(self.tasks)
        if not self._is_marked:
            self._chained = len(body)
            body = body[:1]
        for task in body:
            if not self.over:
                self._current = task
                self.carrier.resume(task)
        if not self.over and (following := self._begin()) is not None:
            self.carrier.resume(following)

    def _begin(self) -> ExploredTask | None:
        """All tasks of the body stand at their first step; the first one that goes on."""
        self.cpus.settle()
        return self._next()

    def raised(self, task: ExploredTask, error: BaseException) -> None:
        """A task has raised: a broken rule that was recorded, or the end of the execution."""
        if isinstance(error, ContractViolation):
            self._must_be_recorded()
            return
        if self.failure is None and not self.over:
            self.failure = (task, error)
        self.over = True

    def ended(self, task: ExploredTask) -> ExploredTask | None:
        """A task has come to its end; returns the one that goes on."""
        task.finished = True
        task.op = None
        if task.starting:
            return self._has_started(task)
        return None if self.over else self._next()

    def _must_be_recorded(self) -> None:
        if not self.reports:
            raise InternalError("a violation was raised without being recorded") from None

    def _has_started(self, task: ExploredTask) -> ExploredTask | None:
        """A task stands at its first step: back to who made it, or on to the next of the body's.

        Where frames are looked at these start from the hub: none is in the middle of a switch.
        """
        task.starting = False
        following = task.spawner
        if following is None:
            ordinal = task.ordinal + 1
            if self.over or ordinal > self._chained:
                return None
            if ordinal == self._chained:
                return self._begin()
            following = self.tasks[ordinal]
        self._current = following
        return following

    def _next(self) -> ExploredTask | None:
        """Let the strategy pick, make that transition, return its task; None ends the run."""
        if self._memory is not None:
            following = self._repeat(self._memory)
            if following is not None:
                return following
        quick = self._picker if self._picker is self.strategy and not self._is_marked else None
        while (transition := self._ask() if quick is None else quick.pick(self)) >= 0:
            task = self.by_number[transition // VARIANTS]
            variant = transition % VARIANTS
            if variant >= BLOCK:
                footprint = go_another_way(self, task, variant)
            else:
                op, obj = task.op, task.obj
                assert op is not None
                if not self.cpus.preemption:
                    self.cpus.ran(task)
                if task.options:
                    footprint = go_one_way(self, task, variant)
                else:
                    footprint = self._footprint(op, obj, task)
                    task.value = op.action(obj, task)
                task.outcome = _DONE
            self._made += 1
            if quick is None:
                self.strategy.executed(transition, task, footprint)
            else:
                quick.executed(transition, task, footprint)
            if variant != BLOCK:
                self._current = task
                return task
        self.over = True
        return None

    def _ask(self) -> int:
        return ask(self.strategy, self) if self._is_marked else self.strategy.pick(self)

    def _repeat(self, memory: Remembers) -> ExploredTask | None:
        """Make the next step of those that are known, if all about it is as it was; else None.

        What touches nothing but its object touches it again. The strategy is asked where a step
        is not made by its action, or is another one than it was: it says what that means.
        """
        made = self._made
        if made < self._known:
            node = self._path[made]
            op = node.op
            task = self.by_number.get(node.chosen // VARIANTS)
            if op is not None and task is not None and task.op is op and task.deadline is None:
                obj = task.obj
                if (
                    task.place == node.number << 1
                    and op.guard(obj, task)
                    and (op.touches is None or self._touched(op, obj, task) == node.footprint)
                ):
                    self._made = made + 1
                    task.value = op.action(obj, task)
                    task.outcome = _DONE
                    self._current = task
                    return task
        else:
            self._memory = None
        memory.go_on_at(made)
        return None

    def let_go(self) -> None:
        """Nobody looks at this execution any more: let go of what it was made of.

        What refers to itself in a circle would have to wait for the garbage collector, which takes
        longer to find it than the execution took to be set up.
        """
        for task in self.tasks:
            task.op = task.obj = task.arg = task.value = task.spawner = None
        self.tasks.clear()
        self.by_number.clear()
        self._adopted.let_go()
        self.extras.clear()
        self._current = self._body
        self._body.value = self._body.runtime = cast("Any", None)

    # -- the Runtime interface -----------------------------------------------------------------

    def now(self) -> int:
        """Virtual nanoseconds; reading the clock is a step."""
        if not self.in_body:
            self.step(CLOCK_NOW, self.clock)
        return self.clock.now()

    def timestamp(self) -> int:
        """Virtual nanoseconds, without a step."""
        return self.clock.now()

    def current(self) -> Task:
        """The task that runs."""
        return self._current

    def step(
        self,
        op: Op,
        obj: Any,
        arg: Any = None,
        /,
        *,
        deadline: int | None = None,
        interruptible: bool = False,
    ) -> Outcome:
        """Announce the step, let the strategy decide, return when it has been made."""
        task = self._current
        odd = self.in_body or self.over or task.starting
        if deadline is None and self.instrument is None and not odd:
            task.arg = arg
            task.op = op
            task.obj = obj
            task.place = self.numbers.get(id(obj), -1) << 1
            task.deadline = None
            task.interruptible = interruptible
            task.options = 0
            following = self._next()
            if following is not task:
                self._switch(task, following)
            if self.over:
                refuse(self, task)
            return task.outcome
        if deadline is not None:
            task.armed = (op, obj, arg, deadline, interruptible)
            self._announce(CLOCK_ARM, self.clock, None)
            task.armed = None
        return self._announce(op, obj, arg, deadline=deadline, interruptible=interruptible)

    def _announce(
        self,
        op: Op,
        obj: Any,
        arg: Any,
        *,
        deadline: int | None = None,
        interruptible: bool = False,
        options: Callable[[ExploredTask], list[int]] | int = 0,
    ) -> Outcome:
        task = self._current
        if self.over:
            refuse(self, task)
        task.arg = arg
        if self.in_body:
            return step_in_body(self, op, obj, task, only_reads=self._only_reads)
        task.op = op
        task.obj = obj
        task.place = self.numbers.get(id(obj), -1) << 1
        task.deadline = deadline
        task.interruptible = interruptible
        task.options = options
        if self.instrument is not None:
            self.instrument.announced(task, op, obj)
        following = self._has_started(task) if task.starting else self._next()
        if following is not task:
            self._switch(task, following)
        if task.unwind or self.over:
            refuse(self, task)
        if self.instrument is not None:
            self.instrument.stepped(task, op, obj, task.outcome)
        return task.outcome

    def _switch(self, task: ExploredTask, to: ExploredTask | None) -> None:
        greenlets = self._greenlets
        if greenlets is not None:  # a call in C, where this is compiled
            greenlets.switch(task, to)
        else:
            self.carrier.switch(task, to)

    def evaluate(self, condition: Callable[[], object]) -> bool:
        """Is a waiter's condition true now? Outside any step, so it may only read."""
        before, asker = self.in_body, self._current
        self.in_body = self._only_reads = True
        self._current = self._body  # whose announced step, with its argument, stays as it is
        try:
            return bool(condition())
        except (DesignError, ContractViolation, Unwind):
            return False
        finally:
            self.in_body, self._current, self._only_reads = before, asker, False

    def choose(self, op: Op, options: int, /) -> int:
        """A choice of the environment: every number below `options` is explored."""
        return self.decide(op, self._current, options)

    def decide(self, op: Op, obj: Any, options: Callable[[ExploredTask], list[int]] | int) -> int:
        """A step on `obj` that may go one of several ways; returns the way taken."""
        if self.in_body:
            raise DesignError("a choice belongs inside a task, not in the design's own body")
        if isinstance(options, int) and not 1 <= options <= MAX_OPTIONS:
            raise DesignError(f"a choice has 1 to {MAX_OPTIONS} options, not {options}")
        self._announce(op, obj, None, options=options)
        return int(self._current.value)

    def spawn(
        self,
        fn: Callable[[], object],
        /,
        *,
        name: str,
        kind: Kind = Kind.KTHREAD,
        cpu: int | None = None,
        idle: bool = False,
    ) -> Task:
        """Start a task; it runs to its first step at once, or when the body has ended."""
        parent = self._namer or self._current
        parent.created += 1
        task = self._make_task(name, kind, (*parent.key, parent.created), cpu)
        task.idle = idle
        self.adopt(task, name)
        task.own = self.numbers[id(task)] << 1
        if not self.in_body and self._namer is None:
            self.step(SPAWN, task, fn)
            task.fresh = True
        self._start(task, fn)
        return task

    def service(self, name: str, loop: Callable[[], object]) -> Task:
        """The one helper task of that name; it is there as if it had been from the start."""
        start = functools.partial(self.spawn, loop, name=name, kind=Kind.WORKER, idle=True)
        task: Task = self.once(f"service {name}", start)
        return task

    def _start(self, task: ExploredTask, fn: Callable[[], object]) -> None:
        """Add a task; outside the design's body it runs to its first step now."""
        if len(self.tasks) >= MAX_TASKS:
            self.report("DF005", f"more than {MAX_TASKS} tasks: does the design spawn without end?")
        self.cpus.pin(task)
        task.ordinal = len(self.tasks)
        self.tasks.append(task)
        self.by_number[task.number] = task
        self.some_may_stop |= task.kind is _USER or task.kind is _HARDWARE
        self.carrier.start(self, task, fn)
        if not self.in_body:
            namer, self._namer = self._namer, None
            parent = task.spawner = self._current
            self._current = task
            self.carrier.switch(parent, task)
            self._namer = namer

    def interrupt(self, task: Task) -> None:
        """Make a signal pending for `task`."""
        self.step(MAKE_PENDING, task)

    def wake(self, *objects: Any) -> None:
        """Guards are looked at before every decision, so there is nothing to do."""

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What exists once: named after its key, whichever task asks for it first."""
        found = self.extras.get(key)
        if found is None:
            found = self.extras[key] = self._as_root(key, make)
        return found

    def _as_root(self, name: str, make: Callable[[], Any]) -> Any:
        """Make something as if the machine itself had, so that its name tells nothing of who."""
        before, key = self._namer, self._adopted.root_key(name)
        self._namer = self._make_task(name, Kind.KTHREAD, key, None)
        try:
            return make()
        finally:
            self._namer = before

    def adopt(self, obj: Any, label: Any = "") -> None:
        """Give an object its number and keep it alive until the execution has ended."""
        creator = self._namer or self._current
        self._adopted.add(creator, obj, label)
        if self.instrument is not None:
            self.instrument.created(creator, obj)

    def number_of(self, obj: Any) -> int:
        """The schedule-stable number of an adopted object."""
        return self.numbers[id(obj)]

    def label(self, obj: Any) -> str:
        """The name of an adopted object in reports."""
        return self._adopted.label(obj)

    def report(self, code: str, message: str, *, fatal: bool = True) -> None:
        """Record a broken rule; the execution has its verdict, whatever the task catches."""
        del fatal
        if not self.over:
            self.reports.append((code, message, self._current))
            if self.instrument is not None:
                self.instrument.reported(code, message)
            self.over = True
        raise ContractViolation(code, message)

    def postpones(self, fn: Callable[[], object]) -> bool:
        """No handler starts inside a step here."""
        del fn
        return False

    def settle(self, task: Task) -> None:
        """Nothing is ever put off here."""

    def defer(self, fn: Callable[[], object]) -> None:
        """Explored, lifetime ends by an explicit put: what a finaliser wants is dropped."""
