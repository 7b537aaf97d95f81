"""The search of states against naive search, on the random programs of every other comparison.

    python -m tests.explore.graph_campaign [--programs 100] [--first 0] [--cap 400]

Prints a line for each generator: how many programs are the same, had too many schedules for the
naive search, held something that cannot be seen into, or differ. Exits 1 if one differs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from typing import Any

from tests.explore.comparison import ends_of

__all__ = ["compare"]

GENERATORS = [
    "containers",
    "deferred",
    "dma_buf",
    "locks",
    "memory",
    "reclaim",
    "resv",
    "syncobj",
    "wait_set",
]


def compare(program: Any, cap: int) -> str:
    """ "same", "capped", why the states cannot be compared, or "DIFFERENT"."""
    build = program.design

    def design(machine: Any) -> None:
        build(machine)
        machine.rt.extras["world"] = program.world.logs  # what was seen is a part of the state

    def final() -> tuple[str, str]:
        return repr(program.world.logs), repr(program.world.state)

    naive, finals, wrong = ends_of(design, final, executions=cap, sleep=False)
    if naive.limit:
        return "capped"
    ours, our_finals, our_wrong = ends_of(design, final, executions=20 * cap, engine="graph")
    if ours.limit:
        return ours.limit
    return "same" if (finals, wrong) == (our_finals, our_wrong) else "DIFFERENT"


def main() -> int:
    """Compare, print, exit 1 if there was a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=100, help="of each generator (100)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (0)")
    parser.add_argument("--cap", type=int, default=400, help="schedules of one program (400)")
    args = parser.parse_args()
    different = 0
    for name in GENERATORS:
        made = importlib.import_module(f"tests.explore.test_{name}_differential").Program
        make = getattr(made, "random", made)
        counts: Counter[str] = Counter()
        for seed in range(args.first, args.first + args.programs):
            said = compare(make(seed), args.cap)
            counts[said] += 1
            if said == "DIFFERENT":
                print(f"{name} {seed} differs")  # noqa: T201 - a command
        different += counts["DIFFERENT"]
        print(name, dict(counts))  # noqa: T201 - a command
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
