"""Explore the pieces of a search by the workers of any `concurrent.futures.Executor`.

Pieces are parts of a search with sleep sets, or stems of one with source-DPOR. What is done, and in
which order its results are taken, is a function of the design alone: a fixed number of pieces of
work is under way at any time, each of a fixed number of executions; the result of the oldest is
waited for, what it leaves is put back in its place, and the next piece is made of the parts in
front. Stems are under way all together, and explored to their end. So the number of workers decides
how long it takes, and nothing else. Numbers of tasks and objects have to be `StableNames`.

Whoever collects the results may be one of the workers: it does the first piece, which is the
largest of stems, while the others start, and what nobody has begun while it waits. A piece whose
worker dies, or answers with anything but a result, is done again here.

    >>> from concurrent.futures import Executor
    >>> isinstance(InProcess(), Executor)
    True
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from dmabuf.explore.again import StartAgain
from dmabuf.explore.cases import MAX_CASES, Case
from dmabuf.explore.jobs.parts import split
from dmabuf.explore.jobs.work import Done, Piece, Settings, Work, do_work, restored
from dmabuf.explore.portfolio import DPOR, NAIVE, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.stems import stems_of
from dmabuf.machine import Design, Machine
from dmabuf.rt.carriers import carrier_named

__all__ = ["Crew", "Given", "InProcess", "Window", "can_be_divided"]

UNDER_WAY = 16
"""Pieces of work that are under way together: more than any sensible number of workers."""
EXECUTIONS = 100
"""Executions of one piece."""
STEMS = 8
"""Stems of source-DPOR, at least: each level of states explored in full costs executions."""
_MOST_PIECES = 64
_LOOK_S = 0.1
_MOST_PARTS = 8
"""Parts of one piece: they may all be small."""
_MOST_RENEWED = 3
"""So often a pool whose worker died is started again; from then on all is done here."""


@dataclass(frozen=True, slots=True)
class Given:
    """Where workers find a design that can be pickled, or that shares their process."""

    design: Design

    def __call__(self) -> Design:
        """The design."""
        return self.design


class InProcess(Executor):
    """Does at once, in the caller's thread, what it is given: one worker, and none to start."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of a call that has been made."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)
        return future


class Crew:
    """Workers that are called when there is work for them, and where they find the design.

    Args:
        make: starts an executor; called when first needed, and again when a worker has died.
        source: gives a worker the design; has to be pickled where workers are processes.
        close: shut the executor down at the end; not for one that others use as well.
        helps: whoever collects the results does pieces as well.

    Attributes:
        notes: what went wrong with workers, in sentences.
    """

    def __init__(
        self,
        make: Callable[[], Executor],
        source: Callable[[], Design],
        *,
        close: bool = True,
        helps: bool = False,
    ) -> None:
        self.source = source
        self.helps = helps
        self.notes: list[str] = []
        self._make = make
        self._close = close
        self._executor: Executor | None = None
        self._renewed = 0

    def submit(self, work: Work) -> Future[Done]:
        """Have some work done; whatever goes wrong with that is in the future."""
        failed: Future[Done] = Future()
        if self._renewed > _MOST_RENEWED:
            failed.set_exception(BrokenExecutor("no more workers are started"))
            return failed
        try:
            if self._executor is None:
                self._executor = self._make()
            return self._executor.submit(do_work, self.source, work)
        except Exception as error:  # noqa: BLE001 - of a foreign executor
            self.lost(error)
            failed.set_exception(error)
            return failed

    def lost(self, error: BaseException) -> None:
        """A worker did not answer: say so, and start others if none can answer any more."""
        said = f"a worker was lost ({type(error).__name__}); its part was explored again"
        if said not in self.notes:
            self.notes.append(said)
        if isinstance(error, BrokenExecutor) and self._executor is not None:
            self.close(wait=False)
            self._renewed += 1

    def close(self, *, wait: bool = True) -> None:
        """Let the workers go, if they are the crew's own."""
        executor, self._executor = self._executor, None
        if executor is not None and self._close:
            executor.shutdown(wait=wait, cancel_futures=True)


@dataclass(slots=True)
class _Sent:
    """A piece of work under way; without a future it is done here."""

    work: Work
    future: Future[Done] | None


class Window:
    """A search that a crew goes on with.

    Args:
        search: left after some executions; takes all results.
        crew: who does the work.
    """

    def __init__(self, search: Search, crew: Crew) -> None:
        self.search = search
        self.crew = crew
        self.settings = Settings(
            search.engine,
            search.budget.steps_per_execution,
            search.seed,
            search.carrier,
            search.names.early,
            search.first,
        )
        self.parts = _pieces_of(search)
        self._together = max(len(self.parts) // _MOST_PIECES, 1) if search.engine == DPOR else 0
        self._under_way: deque[_Sent] = deque()
        self._promised = 0

    def run(self, share: Budget) -> None:
        """Go on until nothing is left or a share of the budget is used."""
        started, spent = time.monotonic(), self.search.seconds
        first = self.search.made
        while True:
            while self._has_room(left := self._left(share, started, first)):
                self._send(self._next_work(left))
            if not self._under_way:
                break
            oldest = self._under_way.popleft()
            if not self._has_come(oldest):
                self.parts.extendleft(reversed(oldest.work.parts))
                break
            self._absorb(oldest)
            self.search.seconds = spent + time.monotonic() - started
            self.search.tell()
        self.search.exhausted = not self.parts and not self.search.is_broken
        ordered = sorted(self.search.cases.items(), key=lambda item: item[1].found)
        self.search.cases = dict(ordered)

    def _left(self, share: Budget, started: float, first: int) -> Budget:
        """What may still be promised to workers."""
        seconds, executions = share.seconds, share.executions
        if seconds is not None:
            seconds = max(seconds - (time.monotonic() - started), 0.0)
        if executions is not None:
            executions -= self.search.made - first + self._promised
        return replace(share, seconds=seconds, executions=executions)

    def _has_room(self, left: Budget) -> bool:
        if self.search.is_broken or self.search.is_stopped or not self.parts:
            return False
        used_up = left.seconds == 0.0 or (left.executions is not None and left.executions <= 0)
        return not used_up and (self._together > 0 or len(self._under_way) < UNDER_WAY)

    def _next_work(self, left: Budget) -> Work:
        count = self._together or min(max(len(self.parts) // UNDER_WAY, 1), _MOST_PARTS)
        parts = tuple(self.parts.popleft() for _ in range(min(count, len(self.parts))))
        executions = EXECUTIONS if left.executions is None else min(EXECUTIONS, left.executions)
        return Work(self.settings, parts, executions, left.seconds)

    def _has_come(self, oldest: _Sent) -> bool:
        """Wait for a result, or see to it; False if somebody asks to stop first."""
        if oldest.future is None:
            self._do(oldest)
        while oldest.future is not None and not oldest.future.done():
            if self.search.is_stopped:
                return False
            if not (self.crew.helps and self._help(oldest)):
                wait([oldest.future], _LOOK_S)
            self.search.tell()
        return True

    def _help(self, oldest: _Sent) -> bool:
        """Do a piece here that no worker has begun; False if there is none."""
        for one in (oldest, *self._under_way):
            if one.future is not None and one.future.cancel():
                self._do(one)
                return True
        return False

    def _do(self, one: _Sent) -> None:
        done: Future[Done] = Future()
        done.set_result(do_work(Given(self.search.design), one.work, self._is_to_stop))
        one.future = done

    def _is_to_stop(self) -> bool:
        """Between executions of a piece that is done here."""
        self.search.tell()
        return self.search.is_stopped

    def _send(self, work: Work) -> None:
        self._promised += work.executions
        is_ours = self.crew.helps and not self._under_way
        self._under_way.append(_Sent(work, None if is_ours else self.crew.submit(work)))

    def _absorb(self, oldest: _Sent) -> None:
        """Take the oldest piece's result."""
        self._promised -= oldest.work.executions
        assert oldest.future is not None
        try:
            done = _answer_of(oldest.future)
        except StartAgain:
            raise
        except Exception as error:  # noqa: BLE001 - of a worker, or on the way from it
            self.crew.lost(error)
            done = do_work(Given(self.search.design), oldest.work)
        self.parts.extendleft(reversed(done.parts))
        search = self.search
        search.executions += done.executions
        search.asleep += done.asleep
        search.cut += done.cut
        search.steps += done.steps
        search.replayed += done.replayed
        search.traits |= done.traits
        for obj, tasks in done.wakers.items():
            search.wakers.setdefault(obj, set()).update(tasks)
        if done.diverged is not None and search.strategy.diverged is None:
            search.strategy.diverged = done.diverged
        self._merge(restored(case) for case in done.cases)

    def _merge(self, cases: Iterable[Case]) -> None:
        """Keep of each finding the schedule that one search alone would have kept."""
        for case in cases:
            known = self.search.kept(case.key)
            other = known.get(case.key)
            if other is None:
                if len(known) < MAX_CASES:
                    known[case.key] = case
                continue
            best = min(case, other, key=lambda one: (one.switches, one.told))
            known[case.key] = replace(best, found=min(case.found, other.found))


def can_be_divided(search: Search, share: Budget) -> bool:
    """Is it a search whose pieces are independent?

    Those of source-DPOR are explored to their end, so a number of executions cannot be kept to.
    """
    if search.engine == DPOR:
        return share.executions is None
    return search.engine in (SLEEP, NAIVE)


def _pieces_of(search: Search) -> deque[Piece]:
    """What is left of a search with sleep sets; all of one with source-DPOR."""
    if search.engine != DPOR:
        return deque(split(search.strategy.path))
    stems, asleep = stems_of(
        lambda runtime: search.design(Machine(runtime)),
        count=STEMS,
        seed=search.seed,
        names=search.names,
        carrier=lambda: carrier_named(search.carrier),
    )
    search.executions = search.cut = search.steps = search.replayed = search.visits = 0
    search.asleep = asleep
    return deque(stems)


def _answer_of(future: Future[Any]) -> Done:
    """A worker's result; an executor of somebody else's may hand over anything."""
    done = future.result()
    if not isinstance(done, Done):
        raise TypeError(f"a worker answered with {type(done).__name__}")
    return done
