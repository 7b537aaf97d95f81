"""Processes that work for an audit: one that cannot be forked is spawned, one that dies is told of.

A forked process has what this one has imported and linked; a spawned one begins with nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["Workers", "may_fork", "processes"]

Job = TypeVar("Job")
Done = TypeVar("Done")


def processes(count: int) -> Executor:
    """Workers that are processes of our own, without the cyclic collector."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork" if may_fork() else "spawn")
    return ProcessPoolExecutor(max_workers=count, mp_context=context, initializer=gc.disable)


def may_fork() -> bool:
    """A process with threads must not fork, whoever began them."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


class Workers:
    """The caller's executor, or processes of our own, started when there is work.

    Args:
        jobs: how many; 0 for one on each processor. One is the caller's process itself.
        executor: whose workers do it instead; stays open.
    """

    def __init__(self, jobs: int, executor: Executor | None) -> None:
        self.count = jobs or os.cpu_count() or 1
        self._given = executor
        self._own: Executor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)

    def submit(self, call: Callable[..., Done], *given: Any, here: bool) -> Future[Done]:
        """Hand a piece of work to whoever is free.

        Args:
            call: the work.
            given: what it is given.
            here: it is not worth the start of a process.
        """
        if self._given is not None:
            return self._given.submit(call, *given)
        if self.count == 1 or (here and self._own is None):
            return _at_once(call, *given)
        if self._own is None:
            self._own = processes(self.count)
        try:
            return self._own.submit(call, *given)
        except BrokenExecutor:
            self._own = processes(self.count)
            return self._own.submit(call, *given)

    def alone(
        self,
        jobs: Sequence[Job],
        call: Callable[[Job], Done],
        died: Callable[[Job, BrokenExecutor], Done],
        error: BrokenExecutor,
    ) -> list[Done]:
        """A worker has died: each of its jobs is tried in a process of its own.

        Args:
            jobs: what it had to do.
            call: does one.
            died: what comes of one that its process dies of, too.
            error: how the first one died; with workers of the caller's nothing is tried again.
        """
        done: list[Done] = []
        for job in jobs:
            if self._given is not None:
                done.append(died(job, error))
                continue
            with processes(1) as process:
                try:
                    done.append(process.submit(call, job).result())
                except BrokenExecutor as again:
                    done.append(died(job, again))
        return done


def _at_once(call: Callable[..., Done], *given: Any) -> Future[Done]:
    future: Future[Done] = Future()
    try:
        future.set_result(call(*given))
    except Exception as error:  # noqa: BLE001 - it is the future's
        future.set_exception(error)
    return future
