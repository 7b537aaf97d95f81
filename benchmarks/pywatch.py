"""What it costs to have the locks of an ordinary program watched.

    python benchmarks/pywatch.py [--json] [--check]

Microseconds for one round of a program: two nested locks with and without some work under them, an
event set and waited for, an item through a queue. Plain, watched, and with the locks that a
watcher has left behind.

Peers are taken if they are installed (`pip install locklib threadle`). Both are locks to write into
the source, look at who waits for whom at the moment, and so tell of a deadlock only once it is
there; "foresees" is 1 for who names two orders that one run came through.

Time is that of the thread, not of the clock: other programs on the machine do not count.
"""

from __future__ import annotations

import importlib
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from _measure import Must, finish, medians, options

from dmabuf.pywatch import watch

ROUNDS = 15
COUNT = 2000
WORK = 100
"""Loop turns under the locks: about a microsecond."""

MOST = {"two locks": 12, "with work": 5, "event": 5, "queue": 10}
"""Times as long as plain: the floors."""

Make = Callable[[], Any]


def nested(make: Make, turns: int) -> Callable[[], float]:
    """Two locks, one inside the other, and work in between."""
    outer = make()
    inner = make()

    def measure() -> float:
        started = time.thread_time_ns()
        for _ in range(COUNT):
            with outer, inner:
                for _ in range(turns):
                    pass
        return (time.thread_time_ns() - started) / 1e3 / COUNT

    return measure


def events() -> Callable[[], float]:
    """An event, set and waited for."""
    made = threading.Event()

    def measure() -> float:
        started = time.thread_time_ns()
        for _ in range(COUNT):
            made.set()
            made.wait()
            made.clear()
        return (time.thread_time_ns() - started) / 1e3 / COUNT

    return measure


def items() -> Callable[[], float]:
    """An item through a queue."""
    made: queue.Queue[int] = queue.Queue()

    def measure() -> float:
        started = time.thread_time_ns()
        for number in range(COUNT):
            made.put(number)
            made.get()
        return (time.thread_time_ns() - started) / 1e3 / COUNT

    return measure


def programs(make: Make, *, own_events: bool = True) -> dict[str, Callable[[], float]]:
    """The programs with locks from that factory."""
    found = {"two locks": nested(make, 0), "with work": nested(make, WORK)}
    if own_events:
        found |= {"event": events(), "queue": items()}
    return found


def foresees(make: Make, told: Callable[[], bool]) -> float:
    """Are two orders told that two threads have kept, one after the other?"""
    a, b = make(), make()

    def take(first: Any, second: Any) -> None:
        with first, second:
            pass

    threads = [threading.Thread(target=take, args=pair) for pair in ((a, b), (b, a))]
    gate = threading.Event()
    for thread in threads:
        thread.start()
        while thread.is_alive():  # one after the other, without the order that a join is
            gate.wait(0.001)
    return float(told())


def peers() -> dict[str, tuple[Make, Callable[[], bool]]]:
    """Locks of other packages, if they are there, and whether those name a deadlock."""
    found: dict[str, tuple[Make, Callable[[], bool]]] = {}
    with suppress(ImportError):
        locklib: Any = importlib.import_module("locklib")
        found["locklib.SmartLock"] = (locklib.SmartLock, lambda: False)  # it raises, or nothing
    with suppress(ImportError):
        threadle: Any = importlib.import_module("threadle")
        found["threadle.TrackedLock"] = (
            lambda: _WithStatement(threadle.TrackedLock(f"lock {time.monotonic_ns()}")),
            lambda: threadle.detect_deadlocks() is not None,
        )
    return found


class _WithStatement:
    """For a lock that has `acquire` and `release` only."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def main() -> int:
    """Measure and print."""
    args = options(__doc__ or "")
    rows = {"plain": medians(programs(threading.Lock), rounds=ROUNDS)}
    with watch() as watcher:
        watched = programs(threading.Lock)
        rows["watched"] = medians(watched, rounds=ROUNDS)
        rows["watched"]["foresees"] = foresees(
            threading.Lock, lambda: len(watcher.certain) == len(watcher.findings) == 1
        )
    rows["left behind"] = medians(watched, rounds=ROUNDS)
    for name, (make, told) in peers().items():
        rows[name] = medians(programs(make, own_events=False), rounds=ROUNDS)
        rows[name]["foresees"] = foresees(make, told)
    plain = rows["plain"]
    ratios = {
        f"{name} / plain": {p: row[p] / plain[p] for p in row if p in plain}
        for name, row in rows.items()
        if name != "plain"
    }
    rows["begin and end"] = {"once": medians({"once": _begin_and_end}, rounds=ROUNDS)["once"]}
    ratio = ratios["watched / plain"]
    musts = [
        Must(f"{program}: watched takes at most {most}x", most / ratio[program], 1)
        for program, most in MOST.items()
    ]
    return finish(args, {**rows, **ratios}, "us of thread time a round", musts)


def _begin_and_end() -> float:
    started = time.thread_time_ns()
    with watch():
        pass
    return (time.thread_time_ns() - started) / 1e3


if __name__ == "__main__":
    raise SystemExit(main())
