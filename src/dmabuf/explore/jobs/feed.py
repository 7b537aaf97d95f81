"""A pool that is fed little by little, so that what waits can still be taken back.

A `ProcessPoolExecutor` takes three calls for one worker before any of them can no longer be
cancelled; of the pieces of a search, these can be most of the work.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with Fed(ThreadPoolExecutor(1), 1) as pool:
    ...     [future.result() for future in [pool.submit(abs, n) for n in (-1, -2, -3, -4)]]
    [1, 2, 3, 4]
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

__all__ = ["Fed"]


class Fed(Executor):
    """Hands a pool one call for each worker and one more, as it must not wait for the next.

    Args:
        pool: does the work; ends with this one.
        workers: how many it has.
    """

    def __init__(self, pool: Executor, workers: int) -> None:
        self._pool = pool
        self._free = workers + 1
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of a call, which can be cancelled until the pool has it."""
        future: Future[Any] = Future()
        self._waiting.append((future, functools.partial(fn, *args, **kwargs)))
        self._feed()
        return future

    def _feed(self) -> None:
        while True:
            with self._lock:
                if not self._free or not self._waiting:
                    return
                future, call = self._waiting.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self._free -= 1
            try:
                given = self._pool.submit(call)
            except Exception as error:  # noqa: BLE001 - the pool is broken, or was shut down
                self._settle(future, error)
                continue
            given.add_done_callback(functools.partial(self._came, future))

    def _came(self, future: Future[Any], given: Future[Any]) -> None:
        """In a thread of the pool: hand the answer on, and the pool the next call."""
        try:
            result = given.result()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
            self._settle(future, error)
        else:
            self._settle(future, None, result)
        self._feed()

    def _settle(
        self, future: Future[Any], error: BaseException | None, result: object = None
    ) -> None:
        with self._lock:
            self._free += 1
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As every executor; what waits is done first, or cancelled."""
        if cancel_futures:
            with self._lock:
                waiting = list(self._waiting)
                self._waiting.clear()
            for future, _call in waiting:
                future.cancel()
        self._pool.shutdown(wait, cancel_futures=cancel_futures)
