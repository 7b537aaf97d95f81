"""Engines of hardware: they run jobs, which may hang in the middle, and are reset.

Mirrors: nothing; the device behind drm_sched's timedout_job and a driver's reset function.

    engine = machine.engine("gpu", reset_may_fail=True)
    engine.run(fence.signal, "job")
    ...
    if not engine.reset():      # wherever its jobs stood, they make no further step
        ...                     # it is wedged: complete what is in flight, take no more

Explored, a reset may come between any two steps of a job. Live it ends the job's thread at its next
step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from dmabuf._names import no_kernel
from dmabuf.rt.api import READ, WRITE, Kind, Op, Runtime, Task
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.rt.strategy import Footprint, Strategy
from dmabuf.rt.tasks import Tasks
from dmabuf.rt.threads import Threads

__all__ = ["ENGINES", "Engine", "Gate", "GatedOp", "is_reset", "plain"]

ENGINES = "machine.engines"
"""Name in `Runtime.extras` of the engines of a machine."""

Touches = tuple[tuple[Any, int], ...]


def is_reset(task: Task) -> bool:
    """Was its engine reset while it ran, or wedged when it was to start?"""
    return task.kind is Kind.HARDWARE and task.told_to_die


def _stop(engine: Engine, _task: Task) -> None:
    engine.starting.clear()
    for job in engine.jobs:
        job.told_to_die = True
        if isinstance(job, ExploredTask):
            job.deadline = None
    engine.jobs.clear()


def _stop_touches(engine: Engine, _task: Task) -> Touches:
    """What each of its jobs reads; of one with a deadline also what others' timeouts depend on."""
    touched: list[tuple[Any, int]] = [(engine, WRITE)]
    for job in engine.jobs:
        if isinstance(job, ExploredTask) and job.deadline is not None and job.op is not None:
            touched += [(job.op.awaited(job.obj), WRITE), (engine.rt.clock, READ)]
    return tuple(touched)


def _wedge(engine: Engine, _task: Task) -> None:
    engine.is_wedged = True


def _submit(engine: Engine, task: Task) -> bool:
    """Answers whether the job will never begin; from now on a reset may stop it.

    Two tasks' submissions commute: who is about to start a job is in no order.
    """
    engine.starting.add(task)
    return engine.is_wedged


RESET = Op("engine.reset", action=_stop, touches=_stop_touches, says="resets {}")
WEDGE = Op("engine.wedge", action=_wedge, says="fails to reset {}")
FAILS = Op("engine.reset_fails", says="takes a chance on a reset")
SUBMIT = Op("engine.submit", action=_submit, access=READ, says="submits to {}")


@no_kernel("a device")
class Engine:
    """A unit of hardware that runs jobs.

    Args:
        name: for reports.
        rt: the runtime it belongs to.
        reset_may_fail: a reset may fail; then the engine is wedged.

    Attributes:
        is_wedged: a reset has failed; jobs that are submitted do not start.
        starting: who has submitted a job since the last reset and is about to start it.
        jobs: those that were started since the last reset.
    """

    def __init__(self, name: str, rt: Runtime, *, reset_may_fail: bool = False) -> None:
        self.name = name
        self.rt = rt
        self.reset_may_fail = reset_may_fail
        self.is_wedged = False
        self.starting: set[Task] = set()
        self.jobs: list[Task] = []
        self.all: list[Task] = []
        rt.adopt(self, name)
        engines = rt.extras.setdefault(ENGINES, [])
        if not engines and isinstance(rt, Tasks):
            rt.strategy = Gate(rt.strategy)
        engines.append(self)

    @no_kernel("what a driver writes into the ring")
    def run(self, fn: Callable[[], object], name: str = "", *, hangs: bool = True) -> Task:
        """Start a job. With `hangs` it may stop for ever at any step; a reset ends it there.

        Where the engine is wedged the job never begins. Context: any but atomic.
        """
        rt = self.rt
        rt.step(SUBMIT, self)
        me = rt.current()
        wedged = bool(me.value)
        task = rt.spawn(fn, name=name or f"{self.name} job", kind=Kind.HARDWARE)
        task.reliable = not hangs
        task.told_to_die = wedged or me not in self.starting
        self.starting.discard(me)
        self.all.append(task)
        if not task.told_to_die:
            self.jobs.append(task)
        elif not wedged and isinstance(rt, Threads):
            rt.stop(task)
        return task

    @no_kernel("a device's reset register")
    def reset(self) -> bool:
        """Stop its jobs wherever they stand; False where that failed and the engine is wedged.

        A job that had signalled has done so; one that had not never will. After a reset that
        failed, jobs that were started may still go on, or not. Context: any.
        """
        rt = self.rt
        if self.reset_may_fail and rt.choose(FAILS, 2):
            rt.step(WEDGE, self)
            return False
        stopped = list(self.jobs) if isinstance(rt, Threads) else []
        rt.step(RESET, self)
        if isinstance(rt, Threads):
            for job in stopped:
                rt.stop(job)
        return True

    def __repr__(self) -> str:
        return f"<Engine {self.name}{' wedged' if self.is_wedged else ''}>"


# -- explored: a job's steps are possible until it is reset ----------------------------------------


class GatedOp(Op):
    """An operation of a job, possible until its engine is reset.

    Attributes:
        plain: the operation itself.
        gate: the engine.
    """

    __slots__ = ("gate", "plain")

    def __init__(self, op: Op, gate: Engine) -> None:  # the name is that of `op`
        self.copy(op)
        self.plain = op
        self.gate = gate
        self.is_guarded = True
        self.guard = self._is_possible
        self.touches = self._touched

    def _is_possible(self, obj: Any, task: Task) -> bool:
        return not task.told_to_die and self.plain.guard(obj, task)

    def _touched(self, obj: Any, task: Task) -> Touches:
        return (*self.plain.footprint(obj, task), (self.gate, READ))


def plain(op: Op | None) -> Op | None:
    """The operation itself, for comparing it with a constant."""
    return op.plain if isinstance(op, GatedOp) else op


class Gate:
    """A strategy before whose picks the steps of jobs are made to depend on resets.

    A reset changes the engine, so each step of a job reads it, and is possible only before.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._gated: dict[tuple[Op, Engine], GatedOp] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def pick(self, runtime: Tasks) -> int:
        """What the strategy picks."""
        for engine in runtime.extras[ENGINES]:
            for job in cast("list[ExploredTask]", engine.all):
                op = job.op
                if op is not None and not isinstance(op, GatedOp):
                    gated = self._gated.get((op, engine))
                    if gated is None:
                        gated = self._gated[op, engine] = GatedOp(op, engine)
                    job.op = gated
        return self._strategy.pick(runtime)

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """For the strategy."""
        self._strategy.executed(transition, task, footprint)
