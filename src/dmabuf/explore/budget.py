"""What a search may use, as people write it.

>>> parse_budget("2m"), parse_budget("5000x,500ms").executions
(Budget(seconds=120.0, executions=None, steps_per_execution=2000), 5000)
"""

from __future__ import annotations

import re

from dmabuf.explore.search import Budget

__all__ = ["parse_budget", "parse_jobs"]

_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)(ms|steps|s|m|h|x)\s*", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_JOBS = 256
_EXAMPLES = "write 10s, 500ms, 2m, 5000x (executions) or 900steps (of one execution)"


def parse_budget(text: str) -> Budget:
    """Time (`10s`, `500ms`, `2m`), executions (`5000x`), length (`900steps`), comma-separated.

    Executions without a time lift the limit of time, so that the outcome does not depend on the
    machine. Raises ValueError.
    """
    amounts: dict[str, float] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or float(match[1]) == 0:
            raise ValueError(f"no budget: {part!r}; {_EXAMPLES}")
        unit = match[2] if match[2] in ("x", "steps") else "s"
        amounts[unit] = float(match[1]) * _SECONDS.get(match[2], 1)
    executions = max(int(amounts["x"]), 1) if "x" in amounts else None
    seconds = amounts.get("s", Budget().seconds if executions is None else None)
    steps = max(int(amounts.get("steps", Budget().steps_per_execution)), 1)
    return Budget(seconds=seconds, executions=executions, steps_per_execution=steps)


def parse_jobs(text: str) -> int:
    """A number of worker processes; 0 for an empty text. Raises ValueError.

    >>> parse_jobs("4"), parse_jobs("")
    (4, 0)
    """
    if not text:
        return 0
    jobs = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= jobs <= _MOST_JOBS:
        raise ValueError(f"--jobs takes a number of processes, 1 to {_MOST_JOBS}, not {text!r}")
    return jobs
