"""Entry points, walked ahead by the workers of any `concurrent.futures.Executor`.

An answer does not depend on what was asked before it. So workers may ask all that the audit is
going to ask, driver by driver; the audit takes their answers as if it had kept them, and asks once
more: what it says is the same, whoever found it out, and what nobody found out it walks itself.

A worker needs the program. One that was forked from the audit has it. Any other gets a recipe, and
links the files again, from the cache; if they have changed meanwhile it refuses.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from dmabuf.audit.checks.audit import Walks, walks_of
from dmabuf.audit.front.gather import cache_of, gather
from dmabuf.audit.front.workers import may_fork, processes
from dmabuf.audit.kept.ahead import Found
from dmabuf.audit.kept.last import LastAudit
from dmabuf.audit.program.program import Program

__all__ = ["Recipe", "Spread"]

_FEW: Final = 100
"""Fewer entry points than this are walked sooner than workers are there."""
_BATCH: Final = 400
"""Entry points of one piece of work; a driver's share most of what they walk through."""
_runs = count()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a process comes to the program of an audit.

    Attributes:
        root: of the tree.
        folders: relative to it.
        keep: folder of the cache; None for none.
        kept: file of the last audit; None for none.
    """

    root: Path
    folders: tuple[str, ...]
    keep: Path | None
    kept: Path | None


@dataclass(frozen=True, slots=True)
class _Of:
    """Which audit: its number in which process, its recipe, and what its files were."""

    number: int
    process: int
    recipe: Recipe
    state: bytes


class _Walker:
    """A program, and who walks it; in another process, that process's own.

    Args:
        of: for which audit.
        last: of the program.
        walks: makes the entry points.
        numbered: names have the numbers that they have in the audit.
    """

    def __init__(
        self, of: _Of, last: LastAudit, walks: Callable[[], Walks], *, numbered: bool
    ) -> None:
        self._of, self._last, self._make, self._numbered = of, last, walks, numbered
        self._walks: Walks | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[_Of], _Walker], tuple[_Of]]:
        return _walker, (self._of,)

    def walk(self, numbers: tuple[int, ...]) -> Found:
        """The answers about some entry points."""
        with self._lock:
            if self._walks is None:
                self._walks = self._make()
            recorder = self._last.recorder(numbered=self._numbered)
            self._walks.ways.keeper = recorder
            for number in numbers:
                deque(self._walks.pieces[number].findings(), maxlen=0)
            return recorder.found()


_HERE: dict[_Of, _Walker] = {}
"""The registry of what this process, or the one that it was forked from, has at hand."""


def _walker(of: _Of) -> _Walker:
    """This process's walker for an audit; it has none but the last one."""
    found = _HERE.get(of)
    if found is None:
        _HERE.clear()
        found = _HERE[of] = _linked_again(of)
    return found


def _linked_again(of: _Of) -> _Walker:
    recipe = of.recipe
    cache = cache_of(recipe.root, recipe.keep) if recipe.keep is not None else None
    gathered = gather(recipe.root, recipe.folders, jobs=1, cache=cache)
    gc.disable()
    last = LastAudit(recipe.kept)
    program = last.link(gathered.files)
    if last.state != of.state:
        raise _ChangedError
    walks = walks_of(program)
    last.keeper(walks.ways.matter)
    return _Walker(of, last, lambda: walks, numbered=False)


class _ChangedError(Exception):
    def __init__(self) -> None:
        super().__init__("files have changed since they were read")


def _walked(walker: _Walker, numbers: tuple[int, ...]) -> Found:
    """In a worker."""
    return walker.walk(numbers)


class Spread:
    """Has the entry points of an audit walked ahead.

    Args:
        last: takes the answers.
        program: what is audited.
        recipe: for workers that have to link it again.
        jobs: how many processes; one walks nothing ahead.
        executor: whose workers do it instead; stays open.
        few: fewer entry points than this are left to the audit.

    Attributes:
        notes: what went wrong, in sentences.
        batches: pieces of work that were done.
        forked: by processes that had the program already.
    """

    def __init__(
        self,
        last: LastAudit,
        program: Program,
        recipe: Recipe,
        *,
        jobs: int = 0,
        executor: Executor | None = None,
        few: int = _FEW,
    ) -> None:
        self.notes: list[str] = []
        self.batches = 0
        self.forked = False
        self._last, self._program, self._recipe = last, program, recipe
        self._jobs = jobs or os.cpu_count() or 1
        self._executor, self._few = executor, few

    def __call__(self, walks: Walks) -> None:
        """Walk ahead what is not known yet."""
        batches = self._batches(walks)
        if self._jobs == 1 and self._executor is None:
            return
        if sum(map(len, batches)) < max(self._few, 1):
            return
        of = _Of(next(_runs), os.getpid(), self._recipe, self._last.state)
        _HERE[of] = walker = _Walker(of, self._last, self._walks_here(walks), numbered=True)
        try:
            with self._workers() as executor:
                self._take([_submitted(executor, walker, batch) for batch in batches])
        finally:
            del _HERE[of]

    def _walks_here(self, walks: Walks) -> Callable[[], Walks]:
        """In a forked process those of the audit; its threads get their own, which count apart."""
        process = os.getpid()
        return lambda: walks if os.getpid() != process else walks_of(self._program)

    def _batches(self, walks: Walks) -> list[tuple[int, ...]]:
        """Those that are not known, driver by driver, the largest drivers first.

        Code that drivers share leads into all of them; who walks the largest has walked half of
        what is behind it.
        """
        by_owner: dict[str, list[int]] = defaultdict(list)
        for number, piece in enumerate(walks.pieces):
            if piece.question is None or self._last.held(piece.question) is None:
                by_owner[piece.owner].append(number)
        shared = by_owner.pop("", [])
        by_size = sorted(by_owner.values(), key=len, reverse=True) or [[]]
        by_size[0] += shared
        return [
            tuple(numbers[start : start + _BATCH])
            for numbers in by_size
            for start in range(0, len(numbers), _BATCH)
        ]

    @contextmanager
    def _workers(self) -> Generator[Executor]:
        if self._executor is not None:
            yield self._executor
            return
        self.forked = may_fork()
        executor = processes(self._jobs)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)

    def _take(self, futures: list[Future[Found]]) -> None:
        lost = 0
        why = ""
        for future in as_completed(futures):
            try:
                self._last.take(future.result())
                self.batches += 1
            except Exception as error:  # noqa: BLE001 - what a worker did not do the audit does
                lost += 1
                why = why or f"{type(error).__name__}: {error}"
        if lost:
            self.notes.append(
                f"{lost} of {len(futures)} pieces of work of other processes were lost ({why}); "
                "their entry points were walked by this one"
            )


def _submitted(executor: Executor, walker: _Walker, batch: tuple[int, ...]) -> Future[Found]:
    """A piece of work; one that is lost at once if the workers are gone already."""
    try:
        return executor.submit(_walked, walker, batch)
    except BrokenExecutor as error:
        lost: Future[Found] = Future()
        lost.set_exception(error)
        return lost
