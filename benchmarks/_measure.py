"""How the benchmarks measure: interleaved rounds, medians, ratios in one run.

Rounds go through all candidates in a new random order each time, so that nobody always runs
after the same neighbour; the collector is off; objects of one round are dropped before the next,
so the heap is warm. Ratios of medians are what counts: the machines that run this are shared.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import statistics
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Must:
    """A floor: `label` has to be at least `floor` times better than `peer`."""

    label: str
    value: float
    floor: float

    @property
    def holds(self) -> bool:
        return self.value >= self.floor


def medians(
    candidates: dict[str, Callable[[], float]], *, rounds: int, seed: int = 1
) -> dict[str, float]:
    """Each candidate returns one measurement; the median over interleaved rounds of each."""
    order = random.Random(seed)
    found: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            order.shuffle(names)
            for name in names:
                found[name].append(candidates[name]())
            gc.collect(0)
    finally:
        if collecting:
            gc.enable()
    return {name: statistics.median(values) for name, values in found.items()}


def bytes_each(make: Callable[[], Any], count: int = 20_000) -> float:
    """Memory of one object, all that belongs to it included."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(count)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return (after - before) / count - 8


def options(doc: str) -> argparse.Namespace:
    """The options that all benchmarks share, as given."""
    return options_of(doc).parse_args()


def options_of(doc: str) -> argparse.ArgumentParser:
    """A parser of the options that all benchmarks share, for one with more of them."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--check", action="store_true", help="exit 1 if a floor is missed")
    return parser


def show(rows: dict[str, dict[str, float]], unit: str) -> None:
    """Rows by candidate, a column a measurement."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    width = max(len(name) for name in rows) + 2
    print(f"Python {platform.python_version()}, {unit}")
    print(" " * width + "".join(f"{column:>18}" for column in columns))
    for name, row in rows.items():
        cells = "".join(f"{row[c]:>18,.1f}" if c in row else f"{'-':>18}" for c in columns)
        print(f"{name:<{width}}{cells}")


def finish(
    args: argparse.Namespace, rows: dict[str, dict[str, float]], unit: str, musts: list[Must]
) -> int:
    """Print figures and floors; the exit code."""
    if args.json:
        floors = {m.label: {"value": m.value, "floor": m.floor, "holds": m.holds} for m in musts}
        report = {"python": platform.python_version(), "unit": unit, "rows": rows, "musts": floors}
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        show(rows, unit)
        print()
        for must in musts:
            word = "ok  " if must.holds else "MISS"
            print(f"{word} {must.label}: {must.value:.2f}x (must {must.floor:g}x)")
    return int(args.check and not all(must.holds for must in musts))
