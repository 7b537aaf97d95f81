"""Naive search, sleep sets and source-DPOR on random programs over all primitives, in turn.

    python -m tests.explore.nightly --programs 10000 [--first SEED] [--cap SCHEDULES]

Every other program is one of `random_programs`, on which classes of executions and the fewest
switches are compared as well; the rest are of the other generators, one after the other. Exits 1
if the engines differ on any program.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.explore import (
    container_programs,
    fuzz,
    test_deferred_differential,
    test_dma_buf_differential,
    test_locks_differential,
    test_memory_differential,
    test_reclaim_differential,
    test_resv_differential,
    test_syncobj_differential,
    test_wait_set_differential,
)
from tests.explore.comparison import compare
from tests.explore.random_programs import generate

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Callable[[int], Any]] = {
    "containers": container_programs.Program,
    "deferred": test_deferred_differential.Program,
    "dma_buf": test_dma_buf_differential.Program.random,
    "locks": test_locks_differential.Program,
    "memory": test_memory_differential.Program,
    "reclaim": test_reclaim_differential.Program,
    "resv": test_resv_differential.Program,
    "syncobj": test_syncobj_differential.Program,
    "wait_set": test_wait_set_differential.Program,
}
"""Programs by seed; of each both engines are compared with naive search."""


def _plain(seed: int, cap: int, counts: Counter[str]) -> str:
    found = fuzz.compare(generate(seed), cap=cap)
    what = "of programs that halt" if found.halts else "executions"
    if not found.capped:
        counts[f"completed {what}"] += found.executions
        counts[f"abandoned {what}"] += found.asleep
        counts["schedules"] += found.schedules
    return "capped" if found.capped else "; ".join(found.said) or "same"


def main() -> int:
    """Compare, print, exit 1 if there was a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (0)")
    parser.add_argument("--cap", type=int, default=400, help="schedules of one program (400)")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    others = itertools.cycle(GENERATORS.items())
    started = time.monotonic()
    different = 0
    for number in range(args.programs):
        seed = args.first + number // 2
        name = "random"
        if number % 2:
            name, make = next(others)
            said = compare(make(seed), args.cap)
        else:
            said = _plain(seed, args.cap, counts)
        if said not in ("same", "capped"):
            different += 1
            print(f"{name} {seed}: {said}", flush=True)  # noqa: T201 - a command
            said = "different"
        counts[f"{name} {said}"] += 1
        if number % 500 == 499:
            minutes = (time.monotonic() - started) / 60
            print(f"{number + 1} programs, {different} differ, {minutes:.0f} min", flush=True)  # noqa: T201
    print(", ".join(f"{what}: {count}" for what, count in sorted(counts.items())))  # noqa: T201
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
