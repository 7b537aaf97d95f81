"""Does every finding become a design that shows it? For findings of whole trees.

    dmabuf check drivers/gpu/drm --json > found.json
    python -m tests.audit.designs found.json

Each finding of level error or warning is written as a design and explored; told is what the
explorer reports where the design says that it will report something else.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dmabuf.audit.checks.design import Untold, design_of
from dmabuf.audit.checks.plots import plot_of
from dmabuf.explore.check import check_design
from dmabuf.machine import is_design
from dmabuf.report.source_finding import Level, SourceFinding

__all__ = ["findings_of", "shown_by"]


def findings_of(document: dict[str, Any]) -> Iterator[SourceFinding]:
    """The findings of an output of `dmabuf check --json`."""
    fields = SourceFinding.__dataclass_fields__
    for result in document["results"]:
        for data in result.get("findings", ()):
            yield SourceFinding.from_data({name: data[name] for name in fields if name in data})


def shown_by(finding: SourceFinding) -> str:
    """The rule that the explorer reports for the finding's design. Raises Untold."""
    names: dict[str, object] = {}
    exec(compile(design_of(finding), "<design>", "exec"), names)
    (design,) = (value for value in names.values() if is_design(value))
    verdict = check_design(design, "written")
    return verdict.findings[0].code if verdict.findings else verdict.status.name


def main(files: list[str]) -> int:
    """Explore them all; 1 if one shows what it does not say."""
    counts: Counter[str] = Counter()
    others: list[str] = []
    for file in files:
        for finding in findings_of(json.loads(Path(file).read_text("utf-8"))):
            if finding.level is Level.INFO:
                continue
            try:
                shown = shown_by(finding)
            except Untold:
                counts[f"{finding.code}: no design"] += 1
                continue
            plot = plot_of(finding)
            expected = (plot.shows if plot else "") or finding.code
            counts[f"{finding.code}: shows {shown}"] += 1
            if shown != expected:
                others.append(f"{finding.key} shows {shown}, and says {expected}")
    lines = [
        *others,
        *(f"{count:5} {text}" for text, count in sorted(counts.items())),
        f"{counts.total()} findings, {len(others)} show what they do not say",
    ]
    print("\n".join(lines))  # noqa: T201 - a command
    return int(bool(others))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
