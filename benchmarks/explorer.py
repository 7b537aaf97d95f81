"""The explorer: steps a second, executions beside naive search, the seed's deadlock explained.

    python benchmarks/explorer.py [--json] [--check]

`steps/s` counts steps made for the first time, replayed ones not; `all/s` counts both. Times are
process time, of source-DPOR and sleep sets the best of as many rounds as two seconds have: a
search takes some milliseconds, and twice that while a neighbour has the other half of the
processor. `median steps/s` says how busy the machine was. Naive search runs every schedule, up to
20,000. Where the time goes is told by `explorer_parts.py`.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

from _measure import Must, finish, options

from dmabuf.built import is_built
from dmabuf.explore.check import check_design
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Design, Machine, design
from dmabuf.rt.carriers import has_greenlet
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.waitqueue import WaitQueue

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))
import lock_across_wait

NAIVE_CAP = 20_000
SECONDS = 2.0
"""Of process time for each figure that is the best of rounds."""


def dining(guests: int) -> Design:
    """Philosophers who all take the left fork first."""

    @design
    def table(machine: Machine) -> None:
        forks = [Mutex(f"fork {n}") for n in range(guests)]

        def eat(n: int) -> None:
            with forks[n], forks[(n + 1) % guests]:
                pass

        for n in range(guests):
            machine.kthread(lambda n=n: eat(n), f"guest {n}")  # type: ignore[misc]

    return table


@design
def abba(machine: Machine) -> None:
    """Two locks in two orders."""
    a, b = Mutex("A"), Mutex("B")

    def forth() -> None:
        with a, b:
            pass

    def back() -> None:
        with b, a:
            pass

    machine.kthread(forth)
    machine.kthread(back)


@design
def missed(machine: Machine) -> None:
    """A flag tested before the waiter is queued."""
    queue, flag = WaitQueue("queue"), Shared(False, "flag")

    def waiter() -> None:
        if not flag.read():
            queue.prepare_to_wait()
            queue.schedule()
            queue.finish_wait()

    def waker() -> None:
        flag.write(True)
        queue.wake_up()

    machine.kthread(waiter)
    machine.kthread(waker)


PROBLEMS: dict[str, Design] = {
    "seed deadlock": lock_across_wait.broken,
    "seed, corrected": lock_across_wait.fixed,
    "ABBA": abba,
    "missed wake-up": missed,
    "dining 3": dining(3),
    "dining 4": dining(4),
    "dining 5": dining(5),
    "dining 6": dining(6),
}


def switch_ns() -> float:
    """Nanoseconds of a bare greenlet switch, there and back counted as two."""
    import greenlet  # an extra: the benchmark runs without it too

    main: Any = greenlet.getcurrent()

    def ping() -> None:
        while True:
            main.switch()

    other: Any = greenlet.greenlet(ping)
    count = 100_000
    started = time.perf_counter_ns()
    for _ in range(count):
        other.switch()
    return (time.perf_counter_ns() - started) / count / 2


def timed(problem: Design, seconds: float, **how: Any) -> tuple[Search, list[float]]:
    """A search, and what its rounds took until so many seconds of process time had gone."""
    took: list[float] = []
    while True:
        search = Search(problem, **how)
        started = time.process_time()
        search.run()
        took.append(time.process_time() - started)
        if sum(took) >= seconds:
            return search, took


def measured(problem: Design) -> dict[str, float]:
    """Source-DPOR, sleep sets and naive search on one problem."""
    whole, capped = Budget(seconds=60), Budget(seconds=60, executions=NAIVE_CAP)
    dpor, rounds = timed(problem, SECONDS, budget=whole, engine=DPOR)
    dpor_s = min(rounds)
    sleep, sleep_rounds = timed(problem, SECONDS, budget=whole, engine=SLEEP)
    naive, (naive_s, *_) = timed(problem, 0, budget=capped, sleep=False)
    return {
        "executions": dpor.executions,
        "asleep": dpor.asleep,
        "asleep, sleep sets": sleep.asleep,
        "naive": naive.executions,
        "steps/s": dpor.steps / dpor_s,
        "median steps/s": dpor.steps / statistics.median(rounds),
        "all/s": (dpor.steps + dpor.replayed) / dpor_s,
        "naive all/s": (naive.steps + naive.replayed) / naive_s,
        "ms": dpor_s * 1000,
        "ms, sleep sets": min(sleep_rounds) * 1000,
    }


def explained_ms() -> float:
    """Milliseconds from the design to the explained deadlock, everything imported."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter_ns()
        check_design(lock_across_wait.broken, "seed")
        best = min(best, (time.perf_counter_ns() - started) / 1e6)
    return best


def main() -> int:
    """Measure and print."""
    args = options(__doc__ or "")
    measured(abba)
    rows = {name: measured(problem) for name, problem in PROBLEMS.items()}
    rate = rows["dining 6"]["all/s"]
    rows["seed, explained"] = {"ms": explained_ms()}
    if has_greenlet():
        rows["bare greenlet switch"] = {"all/s": 1e9 / switch_ns()}
    musts = [
        Must("100,000 steps/s, dining 6, replayed counted", rate / 100_000, 1),
        Must("100,000 new steps/s, dining 6", rows["dining 6"]["steps/s"] / 100_000, 1),
        Must("seed explained in 200 ms", 200 / rows["seed, explained"]["ms"], 1),
    ]
    engines = "compiled" if is_built() else "Python"
    said = f"naive search is capped at 20,000 executions; engines: {engines}"
    return finish(args, rows, said, musts)


if __name__ == "__main__":
    raise SystemExit(main())
