"""Explore a design by one engine after the other, and put together what they found.

Each engine has a `Search` of its own, which can be left and gone on with; names, wakers and traits
belong to all of them. One search `leads`: it decides whether the schedules are exhausted, and its
counts are the answer's. The others only add findings. So whether random walks were made, and how
many, is never a reason for a pass.

    >>> from dmabuf.machine import design
    >>> @design
    ... def empty(machine): pass
    >>> found = explore(empty, Budget())
    >>> found.is_proof, found.lead.engine
    (True, 'source-DPOR')
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dmabuf.explore import portfolio
from dmabuf.explore.again import knowing
from dmabuf.explore.cases import Case
from dmabuf.explore.portfolio import engine_named
from dmabuf.explore.search import INTERRUPTED, Budget, Progress, Search
from dmabuf.explore.timer_clause import UNDECIDED, decide
from dmabuf.machine import Design
from dmabuf.rt.explored_task import Names

if TYPE_CHECKING:
    from dmabuf.explore.jobs.parallel import Crew, Window
    from dmabuf.explore.lassos.timers import Armed

__all__ = ["Exploration", "explore"]


@dataclass(slots=True)
class Exploration:
    """What the engines found out about a design.

    Attributes:
        lead: the search whose extent is the answer's.
        cases: what went wrong, by what it means, each with its simplest schedule.
        wakers: by object number, the tasks that ended a wait on it in some run.
        traits: of the design, that the answer depends on.
        standing: timed waits and the fences that they stand by for (`timer_clause`).
        names: the numbers of tasks and objects.
        limit: why this is no proof; empty if it is.
        sampled: executions of engines that prove nothing.
        seconds: of all searches.
    """

    design: Design
    carrier: str
    lead: Search
    names: Names
    wakers: dict[int, set[int]]
    traits: set[str]
    cases: dict[Any, Case] = field(default_factory=dict)
    standing: frozenset[tuple[Armed, int]] = frozenset()
    limit: str = ""
    sampled: int = 0
    seconds: float = 0.0

    @property
    def is_proof(self) -> bool:
        """Were all schedules run, each to its end? Then `cases` is all there is."""
        return self.lead.exhausted and not self.limit

    @property
    def is_bounded(self) -> bool:
        """Were all schedules run, but some of them cut, or those within a bound only?"""
        return self.lead.exhausted and bool(self.limit)


def explore(
    design: Design,
    budget: Budget,
    *,
    engine: str = "",
    seed: int = 0,
    carrier: str = "",
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    crew: Crew | None = None,
) -> Exploration:
    """Explore a design until its schedules are exhausted or the budget is.

    Args:
        design: the design.
        budget: for all engines together.
        engine: the only one to use; picked by `portfolio` if empty. Raises EngineError.
        seed: of orders and chances.
        carrier: what tasks run on.
        progress: called now and then.
        stop: asked between executions whether to end with what is known.
        crew: workers for an engine whose work can be divided.
    """
    name = portfolio.engine_named(engine).name if engine else ""
    names = Names() if crew is None else _stable_names()
    started = time.monotonic()
    try:
        given = (design, budget, seed, carrier, progress, stop, crew, names, started)
        return knowing(names, lambda: _Phases(*given).explore(name))
    finally:
        if crew is not None:
            crew.close()


class _Phases:
    """The searches of one design, and what is left of their common budget."""

    def __init__(
        self,
        design: Design,
        budget: Budget,
        seed: int,
        carrier: str,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
        crew: Crew | None,
        names: Names,
        started: float,
    ) -> None:
        self.design = design
        self.budget = budget
        self.seed = seed
        self.carrier = carrier
        self.progress = progress
        self.stop = stop
        self.crew = crew
        self.windows: dict[str, Window] = {}
        self.names = names
        self.wakers: dict[int, set[int]] = {}
        self.traits: set[str] = set()
        self.searches: dict[str, Search] = {}
        self.started = started

    def explore(self, engine: str) -> Exploration:
        """By one engine, or by those that `portfolio` picks. Raises StartAgain."""
        if engine:
            lead = self.search(engine)
            self.advance(lead, self.left())
        else:
            lead = self.pick_and_run()
        return self.put_together(lead)

    def search(self, engine: str) -> Search:
        """The search with that engine; it goes on where it was left."""
        if engine not in self.searches:
            self.searches[engine] = Search(
                self.design,
                self.budget,
                seed=self.seed,
                carrier=self.carrier,
                engine=engine,
                progress=self._told if self.progress is not None else None,
                stop=self.stop,
                names=self.names,
                wakers=self.wakers,
                traits=self.traits,
            )
        return self.searches[engine]

    def _told(self, progress: Progress) -> None:
        assert self.progress is not None
        self.progress(
            replace(
                progress,
                executions=self._made(),
                steps=sum(one.steps for one in self.searches.values()),
                findings=len({key for one in self.searches.values() for key in one.cases}),
                seconds=time.monotonic() - self.started,
            )
        )

    def _made(self) -> int:
        return sum(one.made for one in self.searches.values())

    # -- the budget ----------------------------------------------------------------------------

    def left(self, share: float = 1.0) -> Budget:
        """That share of what is left of the budget."""
        seconds, executions = self.budget.seconds, self.budget.executions
        if seconds is not None:
            seconds = max(seconds - (time.monotonic() - self.started), 0.0) * share
        if executions is not None:
            executions = int(max(executions - self._made(), 0) * share)
        return replace(self.budget, seconds=seconds, executions=executions)

    def advance(
        self, search: Search, share: Budget, *, steps: int | None = None, until_cut: bool = False
    ) -> bool:
        """Go on with a search; True if it is over: exhausted, or not deterministic."""
        if share.executions != 0:
            whole = steps is None and not until_cut
            if self.crew is not None and whole and _can_be_divided(search, share):
                self._advance_with(self.crew, search, share)
            else:
                search.explore(share, steps=steps, until_cut=until_cut)
        return search.exhausted or search.is_broken

    def _advance_with(self, crew: Crew, search: Search, share: Budget) -> None:
        """The same by workers, after the first moments."""
        window = self.windows.get(search.engine)
        if window is None:
            made, started = search.made, time.monotonic()
            first = max(portfolio.FIRST_EXECUTIONS - made, 0)
            if share.executions is not None:
                first = min(first, share.executions)
            if first:
                search.explore(replace(share, executions=first))
            share = _without(share, search.made - made, time.monotonic() - started)
            if search.exhausted or search.is_broken or share.executions == 0:
                return
            from dmabuf.explore.jobs.parallel import Window

            window = self.windows[search.engine] = Window(search, crew)
        window.run(share)

    def _at_most(self, executions: int) -> Budget:
        left = self.left()
        known = executions if left.executions is None else left.executions
        return replace(left, executions=min(known, executions))

    # -- the order of engines --------------------------------------------------------------------

    def pick_and_run(self) -> Search:
        """Run one engine after the other; returns the search that decides."""
        proof = self.search(portfolio.engine_that_proves())
        first = self._at_most(portfolio.FIRST_EXECUTIONS)
        if self.advance(proof, first, until_cut=True) and not proof.cut:
            return proof
        if not proof.cut:
            self._sample()
        graph = self.search(portfolio.GRAPH)
        if self._decides(graph, proof, portfolio.LOOP_STEPS):
            return graph
        if proof.cut:
            self._sample()
        if self.advance(proof, self.left(), steps=portfolio.PROOF_STEPS):
            return proof
        if not graph.cases and self._decides(graph, proof, portfolio.STATES_STEPS):
            return graph
        if portfolio.BOUNDED not in portfolio.ENGINES:
            self.advance(proof, self.left())
            return proof
        return self._run_bounded(proof)

    def _sample(self) -> None:
        for engine in (portfolio.RANDOM, portfolio.PCT):
            share = self._at_most(portfolio.SAMPLES)
            self.advance(self.search(engine), share, steps=portfolio.SAMPLE_STEPS)

    def _decides(self, graph: Search, proof: Search, steps: int) -> bool:
        """Are the states exhausted within some steps, where executions cannot be or are too many?

        Where ways lead back to where they came from, only states can be. Elsewhere the proof has
        the better schedules for what it finds.
        """
        share = self.left(portfolio.LOOP_SHARE)
        is_over = self.advance(graph, share, steps=steps)
        loops = proof.cut > 0 or graph.loops
        if loops and not is_over:
            is_over = self.advance(graph, self.left(portfolio.LOOP_SHARE))
        if not is_over or graph.bound:
            return False
        return loops or not (graph.cases or proof.cases)

    def _run_bounded(self, proof: Search) -> Search:
        """Where the schedules are too many, at least all that have few preemptions."""
        if self.advance(proof, self.left(portfolio.PROOF_SHARE)):
            return proof
        bounded = self.search(portfolio.BOUNDED)
        self.advance(bounded, self.left(portfolio.BOUNDED_SHARE))
        if self.advance(proof, self.left()) or not (bounded.bound and bounded.made):
            return proof
        return bounded

    # -- the answer ------------------------------------------------------------------------------

    def put_together(self, lead: Search) -> Exploration:
        """The findings of all searches: of the same one the schedule of the fewest switches."""
        searches = (lead, *self.searches.values())
        cases = _simplest(search.cases for search in searches)
        suspects = _simplest(search.suspects for search in searches)
        clause = decide(cases, suspects, self._all_states)
        return Exploration(
            self.design,
            self.carrier,
            lead,
            self.names,
            self.wakers,
            self.traits,
            cases | clause.cases,
            clause.standing,
            limit=self._limit(lead) or ("" if clause.is_decided else UNDECIDED),
            sampled=sum(
                one.made for one in self.searches.values() if not engine_named(one.engine).proves
            ),
            seconds=sum(search.seconds for search in self.searches.values()),
        )

    def _all_states(self) -> Search:
        """The search of states, gone on with as far as the budget goes."""
        graph = self.search(portfolio.GRAPH)
        if not graph.exhausted:
            self.advance(graph, self.left(portfolio.CLAUSE_SHARE))
        return graph

    def _limit(self, lead: Search) -> str:
        """Why this is no proof; empty if it is one."""
        if lead.exhausted:
            return lead.bound
        if lead.is_broken:
            return ""
        if lead.is_stopped:
            return INTERRUPTED
        left = self.left()
        if left.executions == 0:
            return f"{self.budget.executions} executions"
        assert self.budget.seconds is not None
        return f"{self.budget.seconds:g} s"


def _simplest(found: Iterable[Mapping[Any, Case]]) -> dict[Any, Case]:
    """Of the same case the schedule with the fewest switches."""
    best: dict[Any, Case] = {}
    for cases in found:
        for key, case in cases.items():
            if key not in best or case.switches < best[key].switches:
                best[key] = case
    return best


def _can_be_divided(search: Search, share: Budget) -> bool:
    from dmabuf.explore.jobs.parallel import can_be_divided

    return can_be_divided(search, share)


def _stable_names() -> Names:
    from dmabuf.explore.jobs.numbers import StableNames

    return StableNames()


def _without(share: Budget, executions: int, seconds: float) -> Budget:
    """What is left of a share after so many executions and seconds."""
    return replace(
        share,
        seconds=None if share.seconds is None else max(share.seconds - seconds, 0.0),
        executions=None if share.executions is None else share.executions - executions,
    )
