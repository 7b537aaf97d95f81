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
from typing import Any

from dmabuf.errors import ContractViolation, DesignError, InternalError, Unwind
from dmabuf.rt.adopted import Adopted
from dmabuf.rt.ambient import use
from dmabuf.rt.api import WRITE, Instrument, Kind, Op, Outcome, Task
from dmabuf.rt.carriers import Carrier, best_carrier
from dmabuf.rt.clock import VirtualClock
from dmabuf.rt.cpus import Cpus
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.rt.own_steps import CLOCK_ARM, CLOCK_NOW, MAKE_PENDING, SPAWN
from dmabuf.rt.strategy import (
    BLOCK,
    INTERRUPT,
    MAX_OPTIONS,
    TIMEOUT,
    VARIANTS,
    End,
    Footprint,
    Strategy,
)
from dmabuf.rt.timeouts import earliest

__all__ = ["MAX_TASKS", "Tasks"]

MAX_TASKS = 64
"""More tasks than this in one execution is taken as spawning without end."""

_MAX_REFUSALS = 200


class Tasks:
    """One execution: tasks on a carrier, a virtual clock, and a strategy that picks.

    Attributes:
        tasks: all tasks in order of creation.
        cpus: who owns which CPU.
        reports: (code, message, task) of each broken rule recorded.
        failure: the exception of a task that raised, with the task.
        at_end: called when the execution has ended, before its tasks are unwound.
        any_time: a timeout may come at any step, not only in order of deadlines.
    """

    explored = True
    quick = False
    observed = True
    parked: Any = None

    def __init__(
        self, strategy: Strategy, *, names: Names | None = None, carrier: Carrier | None = None
    ) -> None:
        self.mutex: Any = _thread.allocate_lock()
        self.strategy = strategy
        self.names = names or Names()
        self.carrier = carrier or best_carrier()
        self.clock = VirtualClock()
        self.instrument: Instrument | None = None
        self.at_end: Callable[[Tasks], object] | None = None
        self.tasks: list[ExploredTask] = []
        self.by_number: dict[int, ExploredTask] = {}
        self.reports: list[tuple[str, str, ExploredTask]] = []
        self.failure: tuple[ExploredTask, BaseException] | None = None
        self.over = False
        self.extras: dict[str, Any] = {}
        self._adopted = Adopted(self.names)
        self._numbers = self._adopted.numbers
        self.objects = self._adopted.objects
        self.creators = self._adopted.creators
        self._namer: ExploredTask | None = None
        self._in_body = True
        self._only_reads = self.any_time = False
        self.cpus = Cpus(self.names)
        self._body = self._make_task("design", Kind.KTHREAD, (), None)
        self._current = self._body
        self.adopt(self.clock, "clock")

    def _make_task(
        self, name: str, kind: Kind, key: tuple[int, ...], cpu: int | None
    ) -> ExploredTask:
        number = self.names.number(("task", *key))
        return ExploredTask(self, name, kind, key=key, number=number, cpu=cpu)

    @property
    def interrupts(self) -> bool:
        """May handlers start between any two steps?"""
        return self.cpus.interrupts

    # -- running -------------------------------------------------------------------------------

    def run(self, body: Callable[[Tasks], object]) -> End:
        """Construct the design in `body`, then run its tasks until the execution ends."""
        with use(self):
            try:
                body(self)
            except (ContractViolation, Unwind):  # of a with-block that steps on the way out
                self._must_be_recorded()
            self._in_body = False
            for task in list(self.tasks):
                if not self.over:
                    self._current = task
                    self.carrier.resume(task)
            if not self.over:
                following = self._next()
                if following is not None:
                    self.carrier.resume(following)
            if self.at_end is not None:
                self.at_end(self)
            self._unwind()
        if self.failure is not None:
            return End.RAISED
        if self.reports:
            return End.REPORTED
        return End.ENDED

    def _main(self, task: ExploredTask, fn: Callable[[], object]) -> ExploredTask | None:
        try:
            if not self.over:
                fn()
        except Unwind:
            pass
        except ContractViolation:
            self._must_be_recorded()
        except BaseException as error:  # noqa: BLE001 - whatever a design raises is its outcome
            if self.failure is None and not self.over:
                self.failure = (task, error)
            self.over = True
        task.finished = True
        task.op = None
        if task.starting:
            task.starting = False
            return self._back_to(task.spawner)
        return None if self.over else self._next()

    def _must_be_recorded(self) -> None:
        if not self.reports:
            raise InternalError("a violation was raised without being recorded") from None

    def _back_to(self, task: ExploredTask | None) -> ExploredTask | None:
        if task is not None:
            self._current = task
        return task

    def _next(self) -> ExploredTask | None:
        """Let the strategy pick, make that transition, return its task; None ends the run."""
        while (transition := self.strategy.pick(self)) >= 0:
            task = self.by_number[transition // VARIANTS]
            self._execute(task, transition)
            if transition % VARIANTS != BLOCK:
                self._current = task
                return task
        self.over = True
        return None

    def _execute(self, task: ExploredTask, transition: int) -> None:
        variant = transition % VARIANTS
        op, obj = task.op, task.obj
        assert op is not None
        if variant == BLOCK:
            footprint = self.cpus.widen(task, (self.number_of(op.awaited(obj)) << 1,))
            self.cpus.give_up(task)
            self.strategy.executed(transition, task, footprint)
            return
        self.cpus.ran(task)
        if variant == TIMEOUT:
            footprint = self._timeout(task)
        elif variant == INTERRUPT:
            read = [op.awaited(obj), task, *([] if task.deadline is None else [self.clock])]
            footprint = self.cpus.widen(task, tuple(self.number_of(one) << 1 for one in read))
            task.outcome = Outcome.INTERRUPTED
        else:
            task.arg = variant if task.options else task.arg  # `touches` may depend on the way
            footprint = self._footprint(op, obj, task)
            if task.options:
                footprint += self._take_option(task, variant)
            else:
                task.value = op.action(obj, task)
            task.outcome = Outcome.DONE
        self.strategy.executed(transition, task, footprint)

    def _timeout(self, task: ExploredTask) -> Footprint:
        assert task.op is not None
        assert task.deadline is not None
        self.clock.advance_to(task.deadline)
        task.outcome = Outcome.TIMED_OUT
        awaited = self.number_of(task.op.awaited(task.obj)) << 1
        clock = (self.number_of(self.clock) << 1) | WRITE
        return self.cpus.widen(task, (awaited, clock, *self._overtaken(task.deadline)))

    def _overtaken(self, deadline: int) -> Footprint:
        """What keeps earlier deadlines from their timeouts: an end of the wait, or no CPU."""
        touched: list[int] = []
        for other in self.tasks:
            if other.op is None or other.deadline is None or other.deadline >= deadline:
                continue
            touched.append(self.number_of(other.op.awaited(other.obj)) << 1)
            if self.cpus.depends(other):
                touched.append(self.cpus.number(self.cpus.of(other)) << 1)
        return tuple(touched)

    def _take_option(self, task: ExploredTask, variant: int) -> Footprint:
        task.value = variant
        assert task.op is not None
        task.op.action(task.obj, task)
        if task.interrupts is None:
            return ()
        return ((self.cpus.number(task.interrupts) << 1) | WRITE,)

    def _unwind(self) -> None:
        """End every task that is left; from now on `step` refuses."""
        self.over = True
        for task in self.tasks:
            if not task.finished:
                task.unwind = True
                self._current = task
                self.carrier.resume(task)

    # -- what may happen next ------------------------------------------------------------------

    def enabled(self) -> list[int]:
        """The transitions that are possible now, in order of the tasks' creation."""
        found: list[int] = []
        timed: list[ExploredTask] = []
        shared = self.cpus.are_shared
        for task in self.tasks:
            op = task.op
            if op is None or (shared and not self.cpus.may_run(task)):
                continue
            base = task.number * VARIANTS
            if op.guard(task.obj, task):
                options = task.options
                if not options:
                    found.append(base)
                elif isinstance(options, int):
                    found.extend(range(base, base + options))
                else:
                    found.extend(base + option for option in options(task))
                continue
            if task.deadline is not None:
                timed.append(task)
            if task.interruptible and task.signal_pending:
                found.append(base + INTERRUPT)
            if shared and self.cpus.must_give_up(task):
                found.append(base + BLOCK)
        due = earliest(timed, exact=not self.any_time) if timed else timed
        found += [task.number * VARIANTS + TIMEOUT for task in due]
        return found

    def _footprint(self, op: Op, obj: Any, task: ExploredTask) -> Footprint:
        if op.touches is None:
            touched: Footprint = ((self._numbers[id(obj)] << 1) | op.access,)
        else:
            numbers = self._numbers
            touched = tuple([(numbers[id(o)] << 1) | mode for o, mode in op.touches(obj, task)])
        if task.deadline is not None:
            touched += (self._numbers[id(self.clock)] << 1,)
        if task.fresh:
            touched += (self._numbers[id(task)] << 1,)
            task.fresh = False
        return self.cpus.widen(task, touched) if self.cpus.depends(task) else touched

    # -- the Runtime interface -----------------------------------------------------------------

    def now(self) -> int:
        """Virtual nanoseconds; reading the clock is a step."""
        if not self._in_body:
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
        if deadline is not None:
            self._announce(CLOCK_ARM, self.clock, None)
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
            self._refuse(task)
        task.arg = arg
        if self._in_body:
            return self._step_in_body(op, obj, task)
        task.op = op
        task.obj = obj
        task.deadline = deadline
        task.interruptible = interruptible
        task.options = options
        if self.instrument is not None:
            self.instrument.announced(task, op, obj)
        if task.starting:
            task.starting = False
            following = self._back_to(task.spawner)
        else:
            following = self._next()
        if following is not task:
            self.carrier.switch(task, following)
        if task.unwind or self.over:
            self._refuse(task)
        if self.instrument is not None:
            self.instrument.stepped(task, op, obj, task.outcome)
        return task.outcome

    def _refuse(self, task: ExploredTask) -> None:
        """The execution has its verdict: unwind; a task that swallows that is left behind."""
        task.refusals += 1
        if task.refusals > _MAX_REFUSALS:
            _LEFT_BEHIND.append(task)
            if self.failure is None:
                error = DesignError("swallows the end of its execution (a bare except)")
                self.failure = (task, error)
            task.finished = True
            self.carrier.switch(task, None)
        raise Unwind

    def _step_in_body(self, op: Op, obj: Any, task: ExploredTask) -> Outcome:
        if not op.guard(obj, task):
            raise DesignError(
                f"the design's own body would wait for {self.label(obj)}; only tasks may"
            )
        if self._only_reads and any(mode for _obj, mode in op.footprint(obj, task)):
            raise DesignError("a condition that changes something cannot be evaluated")
        task.value = op.action(obj, task)
        return Outcome.DONE

    def evaluate(self, condition: Callable[[], object]) -> bool:
        """Is a waiter's condition true now? Outside any step, so it may only read."""
        before, asker = self._in_body, self._current
        self._in_body = self._only_reads = True
        self._current = self._body  # whose announced step, with its argument, stays as it is
        try:
            return bool(condition())
        except (DesignError, ContractViolation, Unwind):
            return False
        finally:
            self._in_body, self._current, self._only_reads = before, asker, False

    def choose(self, op: Op, options: int, /) -> int:
        """A choice of the environment: every number below `options` is explored."""
        return self.decide(op, self._current, options)

    def decide(self, op: Op, obj: Any, options: Callable[[ExploredTask], list[int]] | int) -> int:
        """A step on `obj` that may go one of several ways; returns the way taken."""
        if self._in_body:
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
        if not self._in_body and self._namer is None:
            self.step(SPAWN, task)
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
        self.carrier.start(task, lambda: self._main(task, fn))
        if not self._in_body:
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

    def adopt(self, obj: Any, label: str = "") -> None:
        """Give an object its number and keep it alive until the execution has ended."""
        creator = self._namer or self._current
        self._adopted.add(creator, obj, label)
        if self.instrument is not None:
            self.instrument.created(creator, obj)

    def number_of(self, obj: Any) -> int:
        """The schedule-stable number of an adopted object."""
        return self._numbers[id(obj)]

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


_LEFT_BEHIND: list[ExploredTask] = []
"""Tasks that could not be ended; kept so that their carriers are never collected mid-flight."""
