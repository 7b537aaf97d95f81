"""Where the explorer's time goes: setting up, repeating and making steps, states, two workers.

    python benchmarks/explorer_parts.py [--json] [--check]

Process time, the best of interleaved rounds, on six philosophers who take their forks in order.
`instructions` are those of the interpreter, counted: the same on a busy machine; compiled engines
make none. `two workers` compares CPU seconds of one process with those of the busier of two.
"""

from __future__ import annotations

import functools
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from _measure import Must, finish, options

from dmabuf.built import is_built
from dmabuf.explore.jobs.parallel import Crew, InProcess
from dmabuf.explore.jobs.workers import _processes
from dmabuf.explore.phases import explore
from dmabuf.explore.portfolio import DPOR, GRAPH, SLEEP
from dmabuf.explore.properties import build
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.dfs import DepthFirst
from dmabuf.explore.strategies.dpor import SourceSets
from dmabuf.machine import Design, Machine, design
from dmabuf.rt.carriers import carrier_named
from dmabuf.rt.explored_task import Names
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.mutex import Mutex

ROUNDS = 40
GUESTS = 13
"""Philosophers of a search of several seconds."""
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


def rate(problem: Design, engine: str, seconds: float = 2.0) -> dict[str, float]:
    """New steps and executions in a second of process time, the best of some seconds' rounds."""
    took: list[float] = []
    while True:
        search = Search(problem, Budget(None, CAP), engine=engine)
        started = time.process_time()
        search.run()
        took.append(time.process_time() - started)
        if sum(took) >= seconds:
            break
    best = min(took)
    return {
        "new steps/s": search.steps / best,
        "median new steps/s": search.steps / statistics.median(took),
        "all/s": (search.steps + search.replayed) / best,
        "us an execution": best * 1e6 / search.made,
    }


def two_workers(guests: int) -> dict[str, float]:
    """A search by one process, and by one that collects and explores and another that explores.

    CPU seconds of the busier one, its start included, are what the search would take on two
    idle processors; wall time says something only where there are two.
    """
    found: dict[str, float] = {}
    source = functools.partial(dining, guests)
    cpu: dict[int, float] = {}
    for jobs in (1, 2):
        crew = Crew(InProcess, source)
        if jobs == 2:
            crew = Crew(functools.partial(_processes, 1), source, helps=True)
        wall, mine, others = time.monotonic(), time.process_time(), _of_children()
        lead = explore(source(), Budget(None), engine=DPOR, crew=crew).lead
        mine, others = time.process_time() - mine, _of_children() - others
        cpu[jobs] = max(mine, others)
        found[f"{jobs}, wall s"] = time.monotonic() - wall
        found[f"{jobs}, busier one, CPU s"] = cpu[jobs]
        found["new steps"] = lead.steps
    return {"times, by CPU": cpu[1] / cpu[2], **found}


def _of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def main() -> int:
    """Measure and print."""
    args = options(__doc__ or "")
    six = dining(6)
    rows = {"parts": parts(six)}
    for engine in (DPOR, SLEEP, GRAPH):
        rows[engine] = {**rate(six, engine), **instructions(six, engine)}
    rows["two workers"] = two_workers(GUESTS)
    musts = [
        Must("100,000 new steps/s, source-DPOR", rows[DPOR]["new steps/s"] / 100_000, 1),
        Must("two workers: 1.7 times one", rows["two workers"]["times, by CPU"] / 1.7, 1),
    ]
    engines = "compiled" if is_built() else "Python"
    said = f"process time, best of interleaved rounds; engines: {engines}"
    return finish(args, rows, said, musts)


if __name__ == "__main__":
    raise SystemExit(main())
