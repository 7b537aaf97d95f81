"""The ground that tests of rt, sync and core stand on: one test body, every runtime.

A test takes the fixture `rt` and puts what it does into a function that runs as the main task:

    def test_mutex_excludes(rt):
        def main():
            lock = Mutex("A")
            rt.spawn(lock.lock, name="B")
            rt.settle()                       # everybody else is blocked or has ended
            assert lock.is_locked()

        rt.run(main)

`run` ends when the main task has ended and everybody else is at rest. What any task raised comes
out of it; a task that is blocked then, unless it is idle, fails the test. Nothing here waits
longer than `PATIENCE_S`.
"""

from __future__ import annotations

import gc
import os
import random
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dmabuf.built import is_built
from dmabuf.core.compiled import is_compiled, use
from dmabuf.errors import ContractViolation, KernelWarning
from dmabuf.rt.api import OPS, Kind, Op, Outcome, Task
from dmabuf.rt.carriers import Baton, Carrier, Greenlets, has_greenlet
from dmabuf.rt.clock import to_ns
from dmabuf.rt.strategy import TIMEOUT, End, task_of, variant_of
from dmabuf.rt.tasks import Tasks
from dmabuf.rt.threads import Threads

__all__ = [
    "KINDS",
    "Explored",
    "Fair",
    "Ground",
    "Listener",
    "Live",
    "errno_of",
    "ground",
    "op_of_test",
    "open_descriptors",
    "waiting",
]

T = TypeVar("T")

PATIENCE_S = 8.0
_GLANCE_S = 0.0005
_STEPS_MAX = 20_000


def op_of_test(name: str, **how: Any) -> Op:
    """An operation that is not the package's, so it does not show up in its alphabet."""
    op = Op(f"test.{name}", **how)
    del OPS[op.name]
    return op


SETTLE = op_of_test("settle", touches=lambda _obj, _task: ())
NAP = op_of_test("nap", guard=lambda _obj, _task: False)


class Listener:
    """An instrument that writes down what it hears, as (what, operation, object)."""

    def __init__(self) -> None:
        self.heard: deque[tuple[str, str, Any]] = deque()

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """A step is about to be made."""
        self.heard.append(("announced", op.name, obj))

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """A step has been made."""
        self.heard.append(("stepped", op.name, obj))

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """A step waits."""
        self.heard.append(("blocked", op.name, obj))

    def created(self, task: Task, obj: Any) -> None:
        """An object was constructed."""
        self.heard.append(("created", type(obj).__name__, obj))

    def reported(self, code: str, message: str) -> None:
        """A broken rule was recorded."""
        self.heard.append(("reported", code, message))

    def steps(self, obj: Any) -> list[str]:
        """The operations made on one object."""
        return [op for what, op, on in self.heard if what == "stepped" and on is obj]


class _Forgetful(Listener):
    """Listens and keeps nothing: objects must be collected as if nobody listened."""

    def __init__(self) -> None:
        self.heard = deque(maxlen=0)


class _Nobody:
    """What a nap waits for."""


class Ground:
    """One kind of runtime, made anew for each `run`.

    Attributes:
        kind: its name.
        explored: virtual time, a strategy picks.
        runtime: the one of the present run.
    """

    explored = False
    runtime: Any

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def run(self, fn: Callable[[], T]) -> T:
        """Run `fn` as the main task; what any task raises or breaks comes out of here."""
        value, reports = self._execute(fn)
        if reports:
            raise ContractViolation(*reports[0])
        return value

    def reports(self, fn: Callable[[], object]) -> list[tuple[str, str]]:
        """As `run`, but for breaking rules: the (code, message) of each report.

        Explored, the first report ends the execution; live, one that the kernel survives
        warns and goes on.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KernelWarning)
            try:
                _, reports = self._execute(fn)
            except ContractViolation:
                reports = self._recorded()
        return reports

    def spawn(self, fn: Callable[[], object], *, name: str = "other", **how: Any) -> Task:
        """Start another task of the present run."""
        task: Task = self.runtime.spawn(fn, name=name, **how)
        return task

    def now(self) -> int:
        """Nanoseconds on the runtime's clock."""
        return int(self.runtime.now())

    def current(self) -> Task:
        """The calling task."""
        task: Task = self.runtime.current()
        return task

    def nap(self, seconds: float) -> None:
        """Let time pass; unlike the waits of `sync`, also in atomic context."""
        nobody = _Nobody()
        self.runtime.adopt(nobody)
        self.runtime.step(NAP, nobody, deadline=self.now() + to_ns(seconds))

    def interrupt(self, task: Task) -> None:
        """Make a signal pending for a task."""
        self.runtime.interrupt(task)

    def settle(self) -> None:
        """Return when every other task is blocked or has ended; timeouts are not waited for."""
        raise NotImplementedError

    def waiting(self) -> dict[str, str]:
        """Of each blocked task that is not idle: its name and the operation; after `settle`."""
        raise NotImplementedError

    def _execute(self, fn: Callable[[], T]) -> tuple[T, list[tuple[str, str]]]:
        raise NotImplementedError

    def _recorded(self) -> list[tuple[str, str]]:
        return [tuple(report[:2]) for report in self.runtime.reports]


# --- real threads ------------------------------------------------------------------------------


class _Recorded(Threads):
    """Threads that remember their tasks and what these raised."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[Task] = []
        self.errors: list[BaseException] = []

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
        """As ever, and remembered."""

        task = super().spawn(fn, name=name, kind=kind, cpu=cpu, idle=idle)
        self.tasks.append(task)
        return task

    def note(self, told: threading.ExceptHookArgs) -> None:
        """What a thread raised: the test's own thread raises it again."""
        assert told.exc_value is not None
        self.errors.append(told.exc_value)

    def blocked(self) -> dict[Task, str]:
        """Every parked task and its operation."""
        with self.mutex:
            return {p.task: p.op.name for entries in self.parked.values() for p in entries}

    def others_at_rest(self, me: Task | None) -> bool:
        """Is every task but `me` parked or ended? (The tasks are listed after who is parked:
        a task started meanwhile then counts as moving.)
        """
        blocked = self.blocked()
        alive = [t for t in list(self.tasks) if t is not me and t.carrier.is_alive()]
        return all(task in blocked for task in alive)

    def kill_all(self, *, but: Task | None = None) -> None:
        """End every task that is left."""
        doomed = [task for task in self.tasks if task is not but]
        for task in doomed:
            with self.mutex:
                task.told_to_die = True
                self._end_parked(task, only_interruptible=False)
        self.join(doomed, PATIENCE_S)


class Live(Ground):
    """Real threads; with an observer no fused path is taken, with `pure` no compiled one."""

    runtime: _Recorded

    def __init__(self, kind: str, *, observed: bool = False, pure: bool = False) -> None:
        super().__init__(kind)
        self.observed = observed
        self.pure = pure

    def _execute(self, fn: Callable[[], T]) -> tuple[T, list[tuple[str, str]]]:
        before = use(not self.pure)
        try:
            return self._run_threads(fn)
        finally:
            use(before)

    def _run_threads(self, fn: Callable[[], T]) -> tuple[T, list[tuple[str, str]]]:
        rt = self.runtime = _Recorded()
        if self.observed:
            rt.attach(_Forgetful())
        values: list[T] = []
        before, threading.excepthook = threading.excepthook, rt.note
        try:
            main = rt.spawn(lambda: values.append(fn()), name="main")
            main.carrier.join(PATIENCE_S)
            left = self._left_behind(main)
        finally:
            rt.kill_all()
            threading.excepthook = before
        if rt.errors:
            raise rt.errors[0]
        assert not left, f"blocked for ever: {left}"
        return values[0], list(rt.reports)

    def _left_behind(self, main: Task) -> dict[str, str]:
        if main.carrier.is_alive():
            return self.waiting() or {"main": "runs on and on"}
        if not self.runtime.errors:
            self.settle()
        return self.waiting()

    def settle(self) -> None:
        """Look until all others are parked or have ended."""
        me = self.runtime.current()
        until = time.monotonic() + PATIENCE_S
        glance = threading.Event()
        while not self.runtime.others_at_rest(me):
            assert time.monotonic() < until, "a task runs on and on"
            glance.wait(_GLANCE_S)

    def waiting(self) -> dict[str, str]:
        """Who is parked in which operation."""
        return {t.name: op for t, op in self.runtime.blocked().items() if not t.idle}


# --- virtual time ------------------------------------------------------------------------------


class Fair:
    """In turn (or at random, with a seed) whoever can go on; then `settle`; then timeouts.

    Attributes:
        stuck: who was blocked, and in what, when nobody could go on any more.
        made: the steps made, as (task name, operation).
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = None if seed is None else random.Random(seed)
        self._last = -1
        self.stuck: dict[str, str] = {}
        self.made: list[tuple[str, str]] = []

    def pick(self, runtime: Tasks) -> int:
        """The next transition, -1 when nothing is possible or the run has no end."""
        enabled = runtime.enabled()
        ready = [t for t in enabled if variant_of(t) != TIMEOUT and not _settles(runtime, t)]
        settling = [t for t in enabled if _settles(runtime, t)]
        options = ready or settling or enabled
        if not options or len(self.made) > _STEPS_MAX:
            self.stuck = waiting(runtime) if not options else {"run": "has no end"}
            return -1
        return self._one_of(runtime, options)

    def _one_of(self, runtime: Tasks, options: list[int]) -> int:
        if self._random is not None:
            return self._random.choice(options)
        turns = {t: runtime.by_number[task_of(t)].ordinal for t in reversed(options)}
        chosen = min(options, key=lambda t: (turns[t] <= self._last, turns[t], t))
        self._last = turns[chosen]
        return chosen

    def executed(self, transition: int, task: Any, footprint: tuple[int, ...]) -> None:
        """Write the step down."""
        del transition, footprint
        self.made.append((task.name, task.op.name))


def _settles(runtime: Tasks, transition: int) -> bool:
    return runtime.by_number[task_of(transition)].op is SETTLE


def waiting(runtime: Tasks) -> dict[str, str]:
    """Who stands at a step that is not possible, except idle tasks."""
    movers = {task_of(t) for t in runtime.enabled() if variant_of(t) != TIMEOUT}
    return {
        task.name: task.op.name
        for task in runtime.tasks
        if task.op is not None and not task.idle and task.number not in movers
    }


class Explored(Ground):
    """Virtual time on a carrier; fair, or at random with a seed."""

    explored = True
    runtime: Tasks

    def __init__(self, kind: str, carrier: Callable[[], Carrier], seed: int | None = None) -> None:
        super().__init__(kind)
        self.carrier = carrier
        self.seed = seed

    def _execute(self, fn: Callable[[], T]) -> tuple[T, list[tuple[str, str]]]:
        strategy = Fair(self.seed)
        rt = self.runtime = Tasks(strategy, carrier=self.carrier())
        values: list[T] = []
        end = rt.run(lambda _rt: rt.spawn(lambda: values.append(fn()), name="main"))
        if rt.failure is not None:
            raise rt.failure[1]
        assert end is End.REPORTED or not strategy.stuck, f"blocked for ever: {strategy.stuck}"
        return (values or [None])[0], self._recorded()  # type: ignore[list-item, return-value]

    def settle(self) -> None:
        """A step that is made only when no other is possible."""
        self.runtime.step(SETTLE, None)

    def waiting(self) -> dict[str, str]:
        """Who stands at a step that is not possible."""
        me = self.current().name
        return {name: op for name, op in waiting(self.runtime).items() if name != me}


# --- the kinds ---------------------------------------------------------------------------------

_MAKERS: dict[str, Callable[[str], Ground]] = {
    "threads": lambda kind: Live(kind),
    "threads-pure": lambda kind: Live(kind, pure=True),
    "observed": lambda kind: Live(kind, observed=True),
    "greenlets": lambda kind: Explored(kind, Greenlets),
    "greenlets-1": lambda kind: Explored(kind, Greenlets, seed=1),
    "greenlets-2": lambda kind: Explored(kind, Greenlets, seed=2),
    "baton": lambda kind: Explored(kind, Baton),
}
needs_python_engines = pytest.mark.skipif(
    is_built(), reason="changes the engines, or derives from them; they are compiled"
)
KINDS = tuple(kind for kind in _MAKERS if kind != "threads-pure" or is_compiled())


def ground(kind: str) -> Ground:
    """The ground of that name; skips the test where greenlet is not installed."""
    if kind.startswith("greenlets") and not has_greenlet():
        pytest.skip("greenlet is not installed here")
    return _MAKERS[kind](kind)


def errno_of(fn: Callable[..., object], *args: object, **how: object) -> int:
    """The errno that a call raises, 0 if it does not."""
    try:
        fn(*args, **how)
    except OSError as error:
        return error.errno or 0
    return 0


def open_descriptors() -> set[str]:
    """Those of this process, without what garbage of other tests keeps open for a moment."""
    gc.collect()
    own = Path("/proc/self/fd")
    return {one.name for one in [*own.iterdir()] if os.path.lexists(one)}
