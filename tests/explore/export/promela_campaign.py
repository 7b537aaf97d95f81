"""Random programs, our verdict against SPIN's.

`python -m tests.explore.export.promela_campaign 200`

A second argument is the first seed, a third the engine ("source-DPOR"). Prints every program on
which the two disagree; exit code 1 if there is one, 3 without SPIN.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from dmabuf.explore.export.refusal import NotExportable
from tests.explore.export.promela_judge import Ours, judge, missing, prepare, unlike
from tests.explore.export.promela_programs import Program, generate

BATCH = 25
_COUNTED = (
    *("compared", "with timeouts", "with handlers", "bad", "breaks"),
    *("too large", "not straight", "unlike"),
)


def campaign(
    seeds: Iterable[int], *, most: int, engine: str = "", executions: int = 1500
) -> dict[str, int]:
    """Compare the first `most` of these programs; counts of what became of them.

    Args:
        seeds: of the programs.
        most: how many to compare.
        engine: that explores them.
        executions: what takes more is too large.
    """
    counts = dict.fromkeys(_COUNTED, 0)
    batch: list[tuple[int, Program, Ours]] = []
    for seed in seeds:
        if counts["compared"] + len(batch) >= most:
            break
        program = generate(seed)
        try:
            ours = prepare(program, len(batch), engine=engine, executions=executions)
        except NotExportable:
            counts["not straight"] += 1
            continue
        if ours is None:
            counts["too large"] += 1
            continue
        batch.append((seed, program, ours))
        if len(batch) == BATCH:
            _compare(batch, counts)
            batch = []
    if batch:
        _compare(batch, counts)
    return counts


def _compare(batch: list[tuple[int, Program, Ours]], counts: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = judge([ours for _seed, _program, ours in batch], Path(folder))
    for (seed, program, ours), theirs in zip(batch, found, strict=True):
        counts["compared"] += 1
        counts["with timeouts"] += ours.has("clock.arm")
        counts["with handlers"] += ours.has("irq.enter")
        counts["bad"] += bool(ours.bad)
        counts["breaks"] += ours.breaks
        for difference in unlike(ours, theirs):
            counts["unlike"] += 1
            sys.stdout.write(f"seed {seed}: {difference}\n  {program}\n")
            sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """The command."""
    if absent := missing():
        sys.stderr.write(absent + "\n")
        return 3
    most = int(arguments[0]) if arguments else 200
    first = int(arguments[1]) if len(arguments) > 1 else 0
    engine = arguments[2] if len(arguments) > 2 else ""
    started = time.monotonic()
    counts = campaign(range(first, first + 10 * most), most=most, engine=engine)
    became = ", ".join(f"{count} {what}" for what, count in counts.items())
    sys.stdout.write(f"{became}; {time.monotonic() - started:.0f} s\n")
    return int(counts["unlike"] > 0 or counts["compared"] < most)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
