"""Where the explorer's time goes: setting up, repeating and making steps, states, two workers.

    python benchmarks/explorer_parts.py [--json] [--check]

Process time, the best of interleaved rounds, on six philosophers who take their forks in order.
`instructions` are those of the interpreter, counted: they are the same on a busy machine. `two
workers` are the CPU seconds of one search over those of the busier of two workers, started
processes and the first executions left out: what could be gained at most.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from _measure import Must, finish, options

from dmabuf.explore.jobs.numbers import StableNames
from dmabuf.explore.portfolio import DPOR, GRAPH, SLEEP
from dmabuf.explore.properties import build
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.dfs import DepthFirst
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.explore.strategies.stems import stems_of
from dmabuf.machine import Design, Machine, design
from dmabuf.rt.carriers import carrier_named
from dmabuf.rt.explored_task import Names
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.mutex import Mutex

ROUNDS = 40
CAP = 100


def dining(guests: int) -> Design:
    """Philosophers who take the lower fork first."""

    @design
    def table(machine: Machine) -> None:
        forks = [Mutex(f"fork {n}") for n in range(guests)]

        def eat(n: int) -> None:
            first, second = sorted((n, (n + 1) % guests))
            with forks[first], forks[second]:
                pass

        for n in range(guests):
            machine.kthread(lambda n=n: eat(n), f"guest {n}")  # type: ignore[misc]

    return table


class _Ends:
    """The strategy that ends an execution before its first step."""

    def pick(self, _runtime: Tasks) -> int:
        return -1

    def executed(self, *_: object) -> None:
        pass


def best_us(candidates: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds of process time of each, the best of interleaved rounds."""
    found = dict.fromkeys(candidates, float("inf"))
    gc.disable()
    for _ in range(rounds):
        for name, call in candidates.items():
            started = time.process_time()
            for _ in range(10):
                call()
            found[name] = min(found[name], (time.process_time() - started) * 1e5)
        gc.collect()
    gc.enable()
    return found


def parts(problem: Design) -> dict[str, float]:
    """Microseconds of a set-up, and of a step that is repeated, or made by either engine."""
    names, carrier = Names(), carrier_named("")

    def run(strategy: Any) -> None:
        runtime = Tasks(strategy, names=names, carrier=carrier)
        runtime.at_end = getattr(strategy, "ended", None)
        runtime.run(lambda rt: build(problem, rt))

    def begun(strategy: Any, *, repeat: bool = False) -> Any:
        strategy.begin(repeat=repeat)
        return strategy

    known = begun(DepthFirst())
    run(known)
    steps = len(known.path)
    found = best_us(
        {
            "set-up": lambda: run(_Ends()),
            "repeated": lambda: run(begun(known, repeat=True)),
            "sleep sets": lambda: run(begun(DepthFirst())),
            "source-DPOR": lambda: run(begun(SourceSets())),
        }
    )
    setup = found.pop("set-up")
    each = {f"{name}, us a step": (us - setup) / steps for name, us in found.items()}
    return {"set-up, us": setup, **each}


def instructions(problem: Design, engine: str) -> dict[str, float]:
    """Instructions of the interpreter for an execution, and for a new step."""
    counted = [0]

    def within(frame: Any, event: str, _arg: object) -> Any:
        counted[0] += event == "opcode"
        return within

    def entered(frame: Any, _event: str, _arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return within

    search = Search(problem, Budget(None, CAP), engine=engine)
    sys.settrace(entered)
    try:
        search.run()
    finally:
        sys.settrace(None)
    return {
        "instructions an execution": counted[0] / search.made,
        "a new step": counted[0] / search.steps,
    }


def rate(problem: Design, engine: str, rounds: int = 7) -> dict[str, float]:
    """New steps and executions in a second of process time, the best of some rounds."""
    best, search = float("inf"), Search(problem, Budget(None, CAP), engine=engine)
    for _ in range(rounds):
        search = Search(problem, Budget(None, CAP), engine=engine)
        started = time.process_time()
        search.run()
        best = min(best, time.process_time() - started)
    return {
        "new steps/s": search.steps / best,
        "all/s": (search.steps + search.replayed) / best,
        "us an execution": best * 1e6 / search.made,
    }


def two_workers(problem: Design) -> dict[str, float]:
    """CPU time of source-DPOR alone, and below stems that two workers take in turn."""
    names = StableNames()
    started = time.process_time()
    alone = Search(problem, Budget(None), engine=DPOR, names=names).run()
    one = time.process_time() - started
    stems, _asleep = stems_of(
        lambda rt: problem(Machine(rt)),
        count=8,
        seed=0,
        names=names,
        carrier=lambda: carrier_named(""),
    )
    busy, steps = [0.0, 0.0], 0
    for stem in stems:
        started = time.process_time()
        steps += Search(problem, Budget(None), engine=DPOR, names=names, stem=stem).run().steps
        busy[busy.index(min(busy))] += time.process_time() - started
    return {"two workers, times": one / max(busy), "steps more, %": 100 * (steps / alone.steps - 1)}


def main() -> int:
    """Measure and print."""
    args = options(__doc__ or "")
    six = dining(6)
    rows = {"parts": parts(six)}
    for engine in (DPOR, SLEEP, GRAPH):
        rows[engine] = {**rate(six, engine), **instructions(six, engine)}
    rows["dining 10"] = two_workers(dining(10))
    musts = [
        Must("100,000 new steps/s, source-DPOR", rows[DPOR]["new steps/s"] / 100_000, 1),
        Must("two workers: 1.7 times one", rows["dining 10"]["two workers, times"] / 1.7, 1),
    ]
    return finish(args, rows, "process time, best of interleaved rounds", musts)


if __name__ == "__main__":
    raise SystemExit(main())
