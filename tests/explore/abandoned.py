"""How many executions source-DPOR abandons, by what programs are mixed of.

    python -m tests.explore.abandoned [--programs N] [--first SEED] [--cap SCHEDULES] [--mix MIX]

Each program is compared with naive search as well. Executions of programs some of whose executions
halt are counted apart, as races with a halt ask for more. Exits 1 if the engines differ.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Final

from dmabuf.explore.portfolio import DPOR
from tests.explore.fuzz import compare
from tests.explore.random_programs import generate

__all__ = ["MIXES"]

MIXES: Final = (
    ("irq",),
    ("irq", "spin"),
    ("irq", "shared"),
    ("irq", "completion"),
    ("irq", "fence"),
    ("irq", "mutex"),
    ("irq", "spin", "shared"),
    ("irq", "spin", "completion"),
    ("spin",),
    ("time", "any"),
    ("completion", "interrupt"),
)
"""Families of acts that programs are drawn from together."""


def _measure(mix: tuple[str, ...], seeds: range, cap: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in seeds:
        found = compare(generate(seed, mix), cap=cap, engine=DPOR)
        if found.capped:
            counts["capped"] += 1
            continue
        kind = "halting" if found.halts else "plain"
        counts[f"{kind} completed"] += found.executions
        counts[f"{kind} abandoned"] += found.asleep
        if found.said:
            counts["different"] += 1
            print(f"{'+'.join(mix)} {seed}: {'; '.join(found.said)}", flush=True)  # noqa: T201
    return counts


def main() -> int:
    """Measure, print, exit 1 if there was a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=150, help="of each mix (150)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (0)")
    parser.add_argument("--cap", type=int, default=400, help="schedules of one program (400)")
    parser.add_argument("--mix", default="", help="one mix, as in irq+spin (all)")
    args = parser.parse_args()
    mixes = (tuple(args.mix.split("+")),) if args.mix else MIXES
    different = 0
    for mix in mixes:
        counts = _measure(mix, range(args.first, args.first + args.programs), args.cap)
        different += counts["different"]
        said = ", ".join(
            f"{kind}: {counts[f'{kind} abandoned']} abandoned of {counts[f'{kind} completed']}"
            f" ({counts[f'{kind} abandoned'] / max(counts[f'{kind} completed'], 1):.1%})"
            for kind in ("plain", "halting")
        )
        print(f"{'+'.join(mix)}: {said}, {counts['capped']} programs capped", flush=True)  # noqa: T201
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
