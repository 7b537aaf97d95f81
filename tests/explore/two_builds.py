"""What every engine makes of random programs, in words: the same whether it is compiled or not.

    DMABUF_PURE= python -m tests.explore.two_builds [--programs COUNT] [--first SEED] [--cap CAP]

Prints a line for each program and engine, to be compared with those of the other build.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterator

from dmabuf.built import is_built
from dmabuf.explore.jobs.numbers import StableNames
from dmabuf.explore.portfolio import ENGINES
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.stems import Stem, stems_of
from dmabuf.machine import Machine
from dmabuf.rt.carriers import carrier_named
from tests.explore.random_programs import generate
from tests.explore.straight_line import Program

__all__ = ["said"]


def said(programs: int, *, first: int = 0, cap: int = 40) -> Iterator[str]:
    """Counts, findings and the last path of each engine on some random programs."""
    for seed in range(first, first + programs):
        for engine in ENGINES:
            search = Search(generate(seed), Budget(None, cap), engine=engine).run()
            counts = (search.executions, search.asleep, search.cut, search.steps, search.visits)
            path = [(node.chosen, node.footprint) for node in search.strategy.path]
            told = [(case.moves, case.switches) for case in search.cases.values()]
            keys = [str(key) for key in search.cases]
            wakers = sorted((obj, sorted(tasks)) for obj, tasks in search.wakers.items())
            yield f"{seed} {engine}: {counts} {keys} {told} {wakers} {search.limit!r} {path}"
        stems, asleep = _stems(generate(seed))
        yield f"{seed} stems: {pickle.loads(pickle.dumps(stems))} {asleep}"


def _stems(program: Program) -> tuple[list[Stem], int]:
    return stems_of(
        lambda rt: program(Machine(rt)),
        count=4,
        seed=0,
        names=StableNames(),
        carrier=lambda: carrier_named(""),
    )


def main() -> int:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cap", type=int, default=40)
    args = parser.parse_args()
    sys.stderr.write("compiled\n" if is_built() else "pure Python\n")
    for line in said(args.programs, first=args.first, cap=args.cap):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
