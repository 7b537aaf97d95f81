"""What frontrun and interleave-test say of designs written with `threading`: run by peers.py.

    VENV/bin/frontrun python benchmarks/peers_in_python.py frontrun
    VENV/bin/python benchmarks/peers_in_python.py interleave-test

Prints one JSON object: for each design and task, executions, seconds, and what was found. This file
runs in an environment of its own, without dmabuf.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

MOST = 10_000
SECONDS = 20.0


class Table:
    """Philosophers; `in_order`: each takes the lower fork first."""

    def __init__(self, guests: int, *, in_order: bool) -> None:
        self.forks = [threading.Lock() for _ in range(guests)]
        self.in_order = in_order

    def workers(self) -> list[Callable[[Any], None]]:
        """What each does."""

        def eat(n: int) -> Callable[[Any], None]:
            def body(table: Table) -> None:
                left, right = n, (n + 1) % len(table.forks)
                if table.in_order and left > right:
                    left, right = right, left
                with table.forks[left], table.forks[right]:
                    pass

            return body

        return [eat(n) for n in range(len(self.forks))]


class Fence:
    """A fence as people write it in Python: a lock, and an event that is waited for under it."""

    def __init__(self, *, locked: bool) -> None:
        self.lock = threading.Lock()
        self.event = threading.Event()
        self.locked = locked

    def workers(self) -> list[Callable[[Any], None]]:
        """The waiter and the signaller."""

        def waits(fence: Fence) -> None:
            if fence.locked:
                with fence.lock:
                    fence.event.wait()
                return
            with fence.lock:
                pass
            fence.event.wait()

        def signals(fence: Fence) -> None:
            with fence.lock:
                pass
            fence.event.set()

        return [signals, waits]


class TwoLocks:
    """Two locks in two orders."""

    def __init__(self) -> None:
        self.a, self.b = threading.Lock(), threading.Lock()

    def workers(self) -> list[Callable[[Any], None]]:
        """Forth and back."""

        def forth(locks: TwoLocks) -> None:
            with locks.a, locks.b:
                pass

        def back(locks: TwoLocks) -> None:
            with locks.b, locks.a:
                pass

        return [forth, back]


DESIGNS: dict[str, Callable[[], Any]] = {
    "abba": TwoLocks,
    "lock_across_wait": lambda: Fence(locked=True),
    "wait_without_lock": lambda: Fence(locked=False),
    "dining_3": lambda: Table(3, in_order=False),
    "dining_3_in_order": lambda: Table(3, in_order=True),
    "dining_5": lambda: Table(5, in_order=False),
}


def by_frontrun(make: Callable[[], Any], *, first: bool) -> dict[str, Any]:
    """Source-DPOR without a bound on preemptions."""
    frontrun: Any = importlib.import_module("frontrun")

    started = time.perf_counter()
    result = frontrun.explore(
        setup=make,
        workers=make().workers(),
        invariant=lambda _state: True,
        max_executions=MOST,
        preemption_bound=None,
        stop_on_first=first,
        reproduce_on_failure=0,
        deadlock_timeout=1.0,
        timeout_per_run=2.0,
        total_timeout=SECONDS,
    )
    seconds = time.perf_counter() - started
    said = {True: "holds", False: "bug", None: "inconclusive"}[result.property_holds]
    return {"executions": result.num_explored, "seconds": seconds, "said": said}


def by_interleave_test(make: Callable[[], Any], *, first: bool) -> dict[str, Any]:
    """Depth first, line by line, with at most two preemptions: the most it exhausts."""
    interleave_test: Any = importlib.import_module("interleave_test")

    def model() -> None:
        state = make()
        tasks = [interleave_test.spawn(worker, state) for worker in state.workers()]
        for task in tasks:
            task.join()

    del first  # it stops at the first failure in any case
    started = time.perf_counter()
    result = interleave_test.explore(
        model, iterations=MOST, strategy="dfs", granularity="line", raise_on_failure=False
    )
    seconds = time.perf_counter() - started
    said = "bug" if result.failure else "holds, 2 preemptions" if result.exhausted else "gave up"
    return {"executions": result.schedules_run, "seconds": seconds, "said": said}


def main(peer: str) -> None:
    """Measure one peer on all designs."""
    explore = by_frontrun if peer == "frontrun" else by_interleave_test
    found: dict[str, Any] = {}
    for name, make in DESIGNS.items():
        found[name] = {
            "first": explore(make, first=True),
            "all": explore(make, first=False) if peer == "frontrun" else None,
        }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
