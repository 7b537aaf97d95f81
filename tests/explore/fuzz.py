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

from dmabuf.rt.explored_task import Names
from tests.explore.oracle import differences, everything, reduced, redundant
from tests.explore.random_programs import generate
from tests.explore.straight_line import Program, smaller

__all__ = ["CAP", "Comparison", "compare", "minimal"]

CAP = 1500
"""Programs with more schedules than this are counted, not compared."""


@dataclass
class Comparison:
    """How the two searches compare on one program.

    Attributes:
        said: where they differ.
        capped: there were too many schedules for the naive one.
        schedules: how many it ran.
        executions: how many the reduced search completed, one for each class.
        asleep: how many it gave up.
    """

    said: list[str] = field(default_factory=list)
    capped: bool = False
    schedules: int = 0
    executions: int = 0
    asleep: int = 0


def compare(program: Program, *, cap: int = CAP, seed: int = 0, engine: str = "") -> Comparison:
    """Run both searches on a program; `seed` is the order of the reduced one."""
    names = Names()
    collecting = gc.isenabled()
    gc.disable()
    try:
        naive = everything(program, cap=cap, names=names)
        if naive.capped:
            return Comparison(capped=True, schedules=naive.executions)
        ours = reduced(program, names=names, seed=seed, engine=engine)
    finally:
        if collecting:
            gc.enable()
    said = differences(naive, ours) + redundant(naive, ours)
    if ours.search.limit or ours.search.cut:
        said.append(f"the search was not exhausted: {ours.search.limit}")
    return Comparison(said, False, naive.executions, ours.search.executions, ours.search.asleep)


def minimal(program: Program, *, cap: int = CAP, engine: str = "") -> Program:
    """A program from which nothing more can be left out without the difference going away."""
    for candidate in smaller(program):
        if compare(candidate, cap=cap, engine=engine).said:
            return minimal(candidate, cap=cap, engine=engine)
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
