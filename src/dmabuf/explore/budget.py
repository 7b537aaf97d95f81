"""A budget as people write it.

>>> parse_budget("2m"), parse_budget("5000x,500ms").executions
(Budget(seconds=120.0, executions=None, steps_per_execution=2000), 5000)
"""

from __future__ import annotations

import re

from dmabuf.explore.search import Budget

__all__ = ["parse_budget"]

_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|x)\s*", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_budget(text: str) -> Budget:
    """Time (`10s`, `500ms`, `2m`), executions (`5000x`), or both with a comma between.

    Executions alone lift the limit of time, so that the outcome does not depend on the machine.
    Raises ValueError.
    """
    seconds: float | None = None
    executions: int | None = None
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or float(match[1]) == 0:
            raise ValueError(f"no budget: {part!r}; write 10s, 500ms, 2m or 5000x (executions)")
        if match[2] == "x":
            executions = max(int(float(match[1])), 1)
        else:
            seconds = float(match[1]) * _SECONDS[match[2]]
    return Budget(seconds=seconds, executions=executions)
