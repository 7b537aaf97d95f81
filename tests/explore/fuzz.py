"""Compare the search with the naive oracle on as many random programs as you like.

    python -m tests.explore.fuzz --programs 10000 [--first SEED] [--cap SCHEDULES]

A program on which the two differ is made smaller and printed as data, to be pasted into a test.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections import Counter
from dataclasses import dataclass, field

from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.rt.explored_task import Names
from tests.explore.oracle import differences, everything, reduced, redundant
from tests.explore.random_programs import generate
from tests.explore.straight_line import Program, smaller

__all__ = ["CAP", "Comparison", "compare", "minimal"]

CAP = 1500
"""Programs with more schedules than this are counted, not compared."""


@dataclass
class Comparison:
    """How the searches compare on one program.

    Attributes:
        said: where they differ.
        capped: there were too many schedules for the naive one.
        schedules: how many it ran.
        executions: how many source-DPOR completed, one for each class.
        asleep: how many it gave up.
        halts: some executions end by a broken rule or an exception.
    """

    said: list[str] = field(default_factory=list)
    capped: bool = False
    schedules: int = 0
    executions: int = 0
    asleep: int = 0
    halts: bool = False


def compare(program: Program, *, cap: int = CAP, seed: int = 0, engine: str = "") -> Comparison:
    """Run naive search and others on a program; `seed` is the order of the others.

    Both engines that prove are compared unless one is named; the counts are the first one's.
    """
    names = Names()
    collecting = gc.isenabled()
    gc.disable()
    try:
        naive = everything(program, cap=cap, names=names)
        if naive.capped:
            return Comparison(capped=True, schedules=naive.executions)
        engines = (engine,) if engine else (DPOR, SLEEP)
        others = [reduced(program, names=names, seed=seed, engine=name) for name in engines]
    finally:
        if collecting:
            gc.enable()
    said: list[str] = []
    for name, other in zip(engines, others, strict=True):
        found = differences(naive, other) + redundant(naive, other)
        if other.search.limit or other.search.cut:
            found.append(f"the search was not exhausted: {other.search.limit}")
        said += [f"{name}: {line}" for line in found]
    first = others[0]
    halts = any(key[0] != "rest" for key in first.found)
    search = first.search
    return Comparison(said, False, naive.executions, search.executions, search.asleep, halts)


def minimal(program: Program, *, cap: int = CAP) -> Program:
    """A program from which nothing more can be left out without the difference going away."""
    while True:
        smallest = program
        for candidate in smaller(program):
            if compare(candidate, cap=cap).said:
                program = candidate
                break
        if program is smallest:
            return program


def main() -> int:
    """Compare, print, exit 1 if there was a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (0)")
    parser.add_argument("--cap", type=int, default=CAP, help=f"schedules of one program ({CAP})")
    args = parser.parse_args()
    counts: Counter[str] = Counter()
    for seed in range(args.first, args.first + args.programs):
        program = generate(seed)
        found = compare(program, cap=args.cap)
        counts["capped" if found.capped else "different" if found.said else "same"] += 1
        counts["schedules"] += found.schedules
        counts["executions"] += found.executions
        counts["abandoned"] += found.asleep
        if found.said:
            small = minimal(program, cap=args.cap)
            print(f"seed {seed}: {small}", *compare(small, cap=args.cap).said, sep="\n    ")  # noqa: T201
    print(", ".join(f"{count} {what}" for what, count in counts.items()))  # noqa: T201 - a command
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
