"""A budget as people write it.

>>> parse_budget("2m"), parse_budget("5000x,500ms").executions
(Budget(seconds=120.0, executions=None, steps_per_execution=2000), 5000)
"""

from __future__ import annotations

import re

from dmabuf.explore.search import Budget

__all__ = ["parse_budget"]

_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)(ms|steps|s|m|h|x)\s*", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
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
