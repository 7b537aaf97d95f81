"""Run a design again and again until its schedules are exhausted or the budget is.

The search collects what came to rest badly (snapshots, by what they mean), what was reported,
who raised, and who ended waits on which object; it does not judge.
"""

from __future__ import annotations

import gc
import itertools
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dmabuf.errors import InternalError
from dmabuf.explore.again import StartAgain, check_known
from dmabuf.explore.calm import is_calm
from dmabuf.explore.cases import SUSPECT, Case, keep
from dmabuf.explore.foreign.whose import is_our_assertion
from dmabuf.explore.jobs.parts import Made, made_of, nodes_of
from dmabuf.explore.lassos.liveness import lassos
from dmabuf.explore.lassos.timers import suspect
from dmabuf.explore.lassos.turns import go_round
from dmabuf.explore.portfolio import DPOR, NAIVE, SLEEP, engine_named, engine_that_proves
from dmabuf.explore.properties import build, is_judged
from dmabuf.explore.snapshot import Past, past_of, take_cycle, take_snapshot
from dmabuf.explore.strategies.dfs import DepthFirst, Node
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.explore.strategies.graph import Graph
from dmabuf.explore.strategies.setup import Setup
from dmabuf.explore.strategies.stops import Visit
from dmabuf.explore.traits import add_traits
from dmabuf.explore.wakers import learn_wakers
from dmabuf.machine import Design
from dmabuf.rt.api import OPS
from dmabuf.rt.carriers import Carrier, carrier_named
from dmabuf.rt.explored_task import Names
from dmabuf.rt.tasks import Tasks

if TYPE_CHECKING:
    from dmabuf.explore.strategies.stems import Stem

__all__ = [
    "INTERRUPTED",
    "Budget",
    "Progress",
    "Search",
]

_TELL_EVERY_S = 0.1
_COLLECT_EVERY = 256
_COLLECT_ALL_EVERY = 16 * _COLLECT_EVERY
_NOT_THE_OLDEST, _ALL = 1, 2
"""Generations: the oldest holds all that was imported, which takes longer than 50 executions."""
_VERIFY_TIMES = 3
INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may use.

    Attributes:
        seconds: of wall time; None for no limit.
        executions: complete, cut or abandoned; None for no limit.
        steps_per_execution: a longer execution is cut.
    """

    seconds: float | None = 30.0
    executions: int | None = None
    steps_per_execution: int = 2000


@dataclass(slots=True)
class Progress:
    """Where a search stands; `phase` is the engine at work."""

    executions: int
    steps: int
    depth: int
    findings: int
    seconds: float
    phase: str = DPOR

    @property
    def rate(self) -> float:
        """Executions in a second, so far."""
        return self.executions / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class Search:
    """The state of a search; `run` does it.

    Attributes:
        engine: a name of `portfolio`; the one that proves if empty.
        sleep: False for naive search, the oracle of tests.
        visits: states of rest that were looked at besides the executions.
        cases: what went wrong, by what it means.
        suspects: the same of what perhaps did (`lassos.timers`), decided when all is known.
        wakers: by object number, the tasks that ended a wait on it in some run.
        assumed: traits of the design that the answer depends on.
        limit: which limit ended the search; empty if all schedules were run.
        exhausted: there is no further execution.
        stop: asked between executions whether to end.
        strategy: goes from execution to execution.
        first: the steps of the first execution.
        stem: the steps that all executions are to begin with; another search covers the rest.
        make: the strategy, if it is none of the engines.
        on_start: called with each runtime before its first step.
        on_end: called with it when its tasks still stand where they ended.
    """

    design: Design
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    carrier: str = ""
    sleep: bool = True
    engine: str = ""
    progress: Callable[[Progress], None] | None = None
    stop: Callable[[], bool] | None = None
    cases: dict[Any, Case] = field(default_factory=dict)
    suspects: dict[Any, Case] = field(default_factory=dict)
    wakers: dict[int, set[int]] = field(default_factory=dict)
    traits: set[str] = field(default_factory=set)
    executions: int = 0
    asleep: int = 0
    cut: int = 0
    steps: int = 0
    replayed: int = 0
    limit: str = ""
    seconds: float = 0.0
    exhausted: bool = False
    names: Names = field(default_factory=Names)
    on_complete: Callable[[Tasks, DepthFirst], None] | None = None
    visits: int = 0
    first: tuple[Made, ...] = ()
    stem: Stem | None = None
    make: Callable[[Setup], DepthFirst] | None = None
    on_start: Callable[[Tasks], object] | None = None
    on_end: Callable[[Tasks], object] | None = None
    strategy: DepthFirst = field(init=False)
    _path: list[Node] = field(init=False)
    _waking: frozenset[str] = field(init=False)
    _touched: dict[int, set[int]] = field(init=False)
    _ready: bool = True
    _verified: bool = False
    _told: float = 0.0
    _carried_by: Carrier | None = None

    def __post_init__(self) -> None:
        self._verified = self.stem is not None
        self.engine = engine_named(
            self.engine or (engine_that_proves() if self.sleep else NAIVE)
        ).name
        self.strategy = self._make_strategy()
        self._waking = frozenset(name for name, op in OPS.items() if op.wakes)
        self._touched = {}

    def _make_strategy(self) -> DepthFirst:
        steps = self.budget.steps_per_execution
        setup = Setup(self.seed, steps, self._at_rest, self._at_cut, self._at_wait, self.stem)
        return (self.make or engine_named(self.engine).make)(setup)

    @property
    def used(self) -> str:
        """The engine that does the search, or did it."""
        return self.engine

    @property
    def made(self) -> int:
        """Executions of every kind."""
        return self.executions + self.asleep + self.cut

    def run(self) -> Search:
        """Explore until exhausted or out of budget; returns itself."""
        self.limit = self.go_on(self.budget) or self.bound
        return self

    def go_on(self, share: Budget) -> str:
        """As `explore`, but it begins again by itself where it has to."""
        while True:
            try:
                return self.explore(share)
            except StartAgain as again:
                self._start_again(again.learnt)

    def _start_again(self, learnt: frozenset[str]) -> None:
        self.names.early |= learnt
        for found in (self.cases, self.suspects, self.wakers, self.traits):
            found.clear()
        self.executions = self.asleep = self.cut = self.steps = self.replayed = self.visits = 0
        self.exhausted, self._ready, self._verified = False, True, self.stem is not None
        self.strategy = self._make_strategy()

    @property
    def bound(self) -> str:
        """Which bound all executions kept to, though not all schedules do; empty if none."""
        if self.cut:
            return f"{self.budget.steps_per_execution} steps in one execution"
        return self.strategy.bound

    @property
    def is_stopped(self) -> bool:
        """Has somebody asked it to end?"""
        return self.stop is not None and self.stop()

    @property
    def is_broken(self) -> bool:
        """Did the same schedule lead elsewhere when it was run again?"""
        return self.strategy.diverged is not None

    def explore(self, share: Budget, *, steps: int | None = None, until_cut: bool = False) -> str:
        """Go on where the search stands until it is exhausted or a share of the budget is used.

        Args:
            share: seconds and executions, counted from now.
            steps: new steps, counted from now.
            until_cut: stop at the first execution that is cut.

        Returns what was used up, or INTERRUPTED; empty when the search is exhausted. Raises
        StartAgain.
        """
        self._carried_by = carrier_named(self.carrier)
        started, spent = time.monotonic(), self.seconds
        first, known = self.made, self.steps
        used = ""
        collecting = gc.isenabled()
        gc.disable()
        try:
            while self._goes_on() and not used and not self.is_stopped:
                self._execute_next()
                now = time.monotonic()
                self.seconds = spent + now - started
                self.tell()
                if share.seconds is not None and now - started > share.seconds:
                    used = f"{share.seconds:g} s"
                elif share.executions is not None and self.made - first >= share.executions:
                    used = f"{share.executions} executions"
                elif steps is not None and self.steps - known >= steps:
                    used = f"{steps} steps"
                elif until_cut and self.cut:
                    used = "an execution that was cut"
                if self.made % _COLLECT_EVERY == 0:
                    gc.collect(_ALL if self.made % _COLLECT_ALL_EVERY == 0 else _NOT_THE_OLDEST)
        finally:
            if collecting:
                gc.enable()
            self._carried_by = None
            self.seconds = spent + time.monotonic() - started
        if isinstance(self.strategy, Graph):
            self._add_lassos(self.strategy)
        return "" if self.exhausted else used or (INTERRUPTED if self.is_stopped else "")

    @property
    def loops(self) -> bool:
        """Has a way led back to a state that it has been in?"""
        return isinstance(self.strategy, Graph) and self.strategy.loops

    def _add_lassos(self, graph: Graph) -> None:
        """Judge the runs that never end, as far as the states are known."""
        for lasso in lassos(graph):
            found = go_round(
                self.design, self.names, carrier_named(self.carrier), lasso.stem, lasso.turn
            )
            snapshot = found.snapshot
            if snapshot is None or not snapshot.is_bad or found.only_without_time:
                continue
            if graph.reads_time and found.reads_clock and not found.passed:
                graph.bound = "time does not pass in a loop that reads the clock"
                continue
            key = ("for ever", snapshot.key)
            switches = sum(a[0] != b[0] for a, b in itertools.pairwise(found.moves))
            self.cases[key] = Case(key, found.moves, switches, snapshot=snapshot, exact=False)

    def _goes_on(self) -> bool:
        """Is there a further execution? Then the strategy is ready to make it."""
        strategy = self.strategy
        if self.is_broken:
            return False
        if not self._ready:
            self._ready = strategy.backtrack()
            self.exhausted = not self._ready
        return self._ready

    def _execute_next(self) -> None:
        self._ready = False
        if self._verified:
            self._execute(repeat=False)
            self._visit_rests()
        else:
            self._execute_first()

    def go_on_with(self, path: list[Node]) -> None:
        """Explore next what is left on a path that another search has left."""
        self.strategy.path[:] = path
        self.exhausted, self._ready, self._verified = False, True, True

    def tell(self) -> None:
        """Say where it stands, if it is time to."""
        now = time.monotonic()
        if self.progress is None or now - self._told < _TELL_EVERY_S:
            return
        if self._told:
            depth = len(self.strategy.path)
            done = (self.executions, self.steps, depth, len(self.cases), self.seconds)
            self.progress(Progress(*done, phase=self.engine))
        self._told = now

    def compare(self, steps: tuple[Made, ...]) -> None:
        """Make the steps of an execution elsewhere again; uncounted, but a difference is a case."""
        counted = (self.executions, self.asleep, self.cut, self.steps, self.replayed)
        self._carried_by = carrier_named(self.carrier)
        self.strategy.path[:] = nodes_of(steps)
        self._execute(repeat=True)
        self._carried_by = None
        self.executions, self.asleep, self.cut, self.steps, self.replayed = counted

    def _execute_first(self) -> None:
        self._verified = True
        self._execute(repeat=False)
        self.first = made_of(self.strategy.path)
        self._verify_first()
        self._visit_rests()

    def _verify_first(self) -> None:
        """Run the first schedule again: a design that differs then is not deterministic."""
        for _ in range(_VERIFY_TIMES):
            if not self.strategy.path or self.strategy.diverged is not None:
                return
            counted = (self.executions, self.asleep, self.cut, self.steps, self.replayed)
            self._execute(repeat=True)
            self.executions, self.asleep, self.cut, self.steps, self.replayed = counted

    def _execute(self, *, repeat: bool) -> None:
        strategy = self.strategy
        strategy.begin(repeat=repeat)
        self._path = strategy.path
        self._touched = {}
        rt = Tasks(strategy, names=self.names, carrier=self._carried_by)
        rt.at_end = lambda runtime: self._ended(runtime, repeat=repeat)
        if self.on_start is not None:
            self.on_start(rt)
        rt.run(lambda runtime: build(self.design, runtime))
        check_known(rt)
        if isinstance(strategy, SourceSets) and is_judged(rt):
            self.engine = SLEEP  # which is in every state; this one is not
            self.strategy = self._make_strategy()
            self._execute(repeat=False)
            return
        self._count(rt)
        new = strategy.path[max(strategy.replayed - 1, 0) :]
        learn_wakers(new, self._waking, self.wakers)
        if strategy.diverged is not None:
            self._add_divergence(rt)
        elif rt.failure is not None:
            self._add_failure(rt)
        elif rt.reports:
            code, message, task = rt.reports[0]
            self._add(rt, ("report", code, message), report=(code, message, task.name))
        rt.let_go()

    def _ended(self, rt: Tasks, *, repeat: bool) -> None:
        """An execution is over, and its tasks still stand where they stood."""
        strategy = self.strategy
        if self.on_end is not None:
            self.on_end(rt)
        strategy.ended(rt)
        ran = strategy.is_complete and strategy.diverged is None
        if ran and not (repeat or rt.failure or rt.reports) and self.on_complete is not None:
            self.on_complete(rt, strategy)

    def _visit_rests(self) -> None:
        """Judge the states of rest that the last execution stands for."""
        strategy = self.strategy
        if not isinstance(strategy, SourceSets):
            return
        while strategy.rests and strategy.diverged is None:
            self._path = strategy.rests.pop()
            visit = Visit(self._path, self._at_rest, self._at_wait)
            rt = Tasks(visit, names=self.names, carrier=self._carried_by)
            rt.run(lambda runtime: build(self.design, runtime))
            self.visits += 1
            self.replayed += len(self._path)
            if visit.differs:
                raise InternalError("independent steps in another order led elsewhere")
            rt.let_go()

    def _count(self, rt: Tasks) -> None:
        strategy = self.strategy
        made = len(strategy.path)
        repeated = min(max(strategy.replayed - 1, 0), made)
        self.replayed += repeated
        self.steps += made - repeated
        if strategy.fell_asleep:
            self.asleep += 1
        elif strategy.was_cut:
            self.cut += 1
        else:
            self.executions += 1
        add_traits(self.traits, rt)

    # -- what went wrong -----------------------------------------------------------------------

    def _at_rest(self, rt: Tasks, enabled: list[int]) -> None:
        if is_calm(rt):
            return
        snapshot = take_snapshot(rt, enabled, *self._past())
        if snapshot.is_bad:
            self._add(rt, ("rest", snapshot.key), snapshot=snapshot)

    def _at_wait(self, rt: Tasks, enabled: list[int]) -> None:
        """Only time goes on, perhaps: whether that is wrong is decided when all is known."""
        snapshot = suspect(rt, enabled, self._past)
        if snapshot is not None:
            self._add(rt, (SUSPECT, snapshot.pending, snapshot.timers), snapshot=snapshot)

    def _past(self) -> Past:
        return past_of(self._path, self._waking)

    def _at_cut(self, rt: Tasks, enabled: list[int]) -> None:
        """Tasks that lock each other out are found even if others never come to rest."""
        snapshot = take_cycle(rt, enabled)
        if snapshot is not None:
            self._add(rt, ("cycle", snapshot.key), only=snapshot.owed, snapshot=snapshot)

    def _add_failure(self, rt: Tasks) -> None:
        assert rt.failure is not None
        task, error = rt.failure
        last = traceback.extract_tb(error.__traceback__)[-1:]
        if isinstance(error, InternalError) or is_our_assertion(error):
            raise InternalError(f"in {task.name}: {str(error) or last[0].line}") from error
        traceback.clear_frames(error.__traceback__)  # it may hold all the memory there is
        where = [(frame.filename, frame.lineno) for frame in last]
        key = ("failure", task.name, type(error).__name__, str(where))
        self._add(rt, key, failure=(task.name, error))

    def _add_divergence(self, rt: Tasks) -> None:
        assert self.strategy.diverged is not None
        step, expected, got = self.strategy.diverged
        message = (
            f"the same schedule went another way when it was run again: step {step + 1} was "
            f"{expected[0]}, then {got[0] if got != expected else 'the same on another object'}"
        )
        task = rt.tasks[0].name if rt.tasks else "design"
        self._add(rt, ("diverged",), report=("DF005", message, task))

    def _add(
        self, rt: Tasks, key: Any, *, only: Collection[int] | None = None, **what: Any
    ) -> None:
        """Keep a case, or a simpler schedule of a known one; `only`: whose steps matter."""
        ordinals = {task.number: task.ordinal for task in rt.tasks}
        sees_every_order = not isinstance(self.strategy, Graph)
        cases = self.kept(key)
        keep(cases, key, self._path, ordinals, exact=sees_every_order, only=only, **what)

    def kept(self, key: Any) -> dict[Any, Case]:
        """Where a case of that key is kept."""
        return self.suspects if key[0] == SUSPECT else self.cases
