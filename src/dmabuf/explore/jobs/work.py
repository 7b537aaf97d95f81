"""One piece of a search, as a worker gets it, does it, and answers.

>>> from dmabuf.explore.search import Search
>>> from dmabuf.machine import design
>>> @design
... def chance(machine): machine.kthread(lambda: machine.choose(5), "one")
>>> search = Search(chance, engine="sleep sets", names=StableNames())
>>> search.explore(Budget(executions=2))
'2 executions'
>>> settings = Settings(search.engine, 100, 0, "")
>>> do_work(lambda: chance, Work(settings, tuple(split(search.strategy.path)), 9, None)).executions
3
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dmabuf.errors import WouldDeadlock
from dmabuf.explore.cases import Case
from dmabuf.explore.jobs.numbers import StableNames
from dmabuf.explore.jobs.parts import Made, Part, path_of, split
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.stems import Stem
from dmabuf.machine import Design

__all__ = ["Done", "Piece", "Settings", "Work", "do_work", "restored"]

Piece = Part | Stem


@dataclass(frozen=True, slots=True)
class Settings:
    """What all pieces of a search have in common.

    Attributes:
        early: what is known to take CPUs away (`Names.early`).
        first: the steps of its first execution; a worker's design has to make them as well.
    """

    engine: str
    steps_per_execution: int
    seed: int
    carrier: str
    early: frozenset[str] = frozenset()
    first: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Parts of a search, and how much of them to explore.

    Attributes:
        settings: of the search.
        parts: of a search with sleep sets, or stems of source-DPOR; one after the other.
        executions: at most so many in all parts; stems are explored to their end.
        seconds: at most so long; None for no limit.
    """

    settings: Settings
    parts: tuple[Piece, ...]
    executions: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some work; as in `Search` where names are the same.

    Attributes:
        parts: what is left of it, in order.
        diverged: a step of the prefix turned out different from what it was elsewhere.
    """

    parts: tuple[Piece, ...]
    executions: int
    asleep: int
    cut: int
    steps: int
    replayed: int
    wakers: dict[int, set[int]]
    traits: set[str]
    cases: tuple[Case, ...]
    diverged: tuple[int, tuple[str, int], tuple[str, int]] | None


def do_work(
    source: Callable[[], Design], work: Work, stop: Callable[[], bool] | None = None
) -> Done:
    """Explore parts of a design's search; runs in a worker.

    Args:
        source: gives the design.
        work: what to do.
        stop: asked between executions whether to leave the rest.

    Raises StartAgain.
    """
    settings = work.settings
    search = _search(source(), settings, SLEEP)
    if settings.first:
        search.compare(settings.first)
        if search.is_broken:
            return _done(search, work.parts)
    if settings.engine == DPOR:
        return _below_stems(search, work, stop)
    search = _search(search.design, settings, settings.engine)
    search.stop = stop
    return _of_parts(search, work)


def _search(design: Design, settings: Settings, engine: str, *, stem: Stem | None = None) -> Search:
    return Search(
        design,
        Budget(None, None, settings.steps_per_execution),
        seed=settings.seed,
        carrier=settings.carrier,
        engine=engine,
        stem=stem,
        names=StableNames(settings.early),
    )


def _of_parts(search: Search, work: Work) -> Done:
    """Parts of a search with sleep sets, as far as the work goes."""
    budget = replace(search.budget, seconds=work.seconds, executions=work.executions)
    left: list[Piece] = []
    for part in work.parts:
        share = _left(budget, search)
        if share is None or search.is_broken:
            left.append(part)
            continue
        assert isinstance(part, Part)
        search.go_on_with(path_of(part))
        search.explore(share)
        if not search.exhausted and not search.is_broken:
            left += split(search.strategy.path)
    return _done(search, left)


def _below_stems(total: Search, work: Work, stop: Callable[[], bool] | None) -> Done:
    """Source-DPOR below stems, each to its end; of one that did not get there only the findings."""
    started = time.monotonic()
    left: list[Piece] = []
    for stem in work.parts:
        assert isinstance(stem, Stem)
        seconds = None
        if work.seconds is not None:
            seconds = max(work.seconds - (time.monotonic() - started), 0.0)
        search = _search(total.design, work.settings, DPOR, stem=stem)
        search.names, search.cases = total.names, total.cases
        search.suspects, search.stop = total.suspects, stop
        search.wakers, search.traits = total.wakers, total.traits
        search.explore(replace(search.budget, seconds=seconds))
        if search.is_broken:
            return _done(search, work.parts)
        if not search.exhausted:
            left.append(stem)
            continue
        total.executions += search.executions
        total.asleep += search.asleep
        total.cut += search.cut
        total.steps += search.steps
        total.replayed += search.replayed
    return _done(total, left)


def _done(search: Search, left: Sequence[Piece]) -> Done:
    return Done(
        tuple(left),
        search.executions,
        search.asleep,
        search.cut,
        search.steps,
        search.replayed,
        search.wakers,
        search.traits,
        tuple(_portable(one) for one in (*search.cases.values(), *search.suspects.values())),
        search.strategy.diverged,
    )


def _left(budget: Budget, search: Search) -> Budget | None:
    """What is left of the budget; None if nothing."""
    assert budget.executions is not None
    executions = budget.executions - search.made
    seconds = None if budget.seconds is None else budget.seconds - search.seconds
    if executions <= 0 or (seconds is not None and seconds <= 0):
        return None
    return replace(budget, seconds=seconds, executions=executions)


class _RetoldError(Exception):
    """What is told of an exception of a design, whose class other processes may not know."""

    def __init__(self, kind: str, text: str, *, gives_way: bool = False) -> None:
        super().__init__(kind, text)
        self.kind = kind
        self.text = text
        self.gives_way = gives_way


def _portable(case: Case) -> Case:
    """The case without objects that only this process knows."""
    if case.failure is None:
        return case
    task, error = case.failure
    text = (error.strerror or "") if isinstance(error, WouldDeadlock) else _text(error)
    told = _RetoldError(type(error).__name__, text, gives_way=isinstance(error, WouldDeadlock))
    return replace(case, failure=(task, told))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - foreign __str__
        return ""


def restored(case: Case) -> Case:
    """The case of a worker, with an exception that says the same."""
    task, told = case.failure or ("", None)
    if not isinstance(told, _RetoldError):
        return case
    error: BaseException
    if told.gives_way:
        error = WouldDeadlock()
        error.strerror = told.text
    else:
        error = type(told.kind, (Exception,), {})(told.text)
    return replace(case, failure=(task, error))
