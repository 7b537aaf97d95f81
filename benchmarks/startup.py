"""What importing and starting cost over a bare interpreter.

    python benchmarks/startup.py [--json] [--check]

Milliseconds of wall time, the median of interleaved runs of fresh interpreters.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from _measure import Must, finish, medians, options

ROUNDS = 25
_CACHED = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Compiled files are kept, as those of an installed package are."""


def running(*arguments: str) -> Callable[[], float]:
    """Milliseconds that an interpreter with these arguments takes."""

    def measure() -> float:
        started = time.perf_counter_ns()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=_CACHED)
        return (time.perf_counter_ns() - started) / 1e6

    return measure


def main() -> int:
    """Measure and print."""
    args = options(__doc__ or "")
    found = medians(
        {
            "bare": running("-c", "pass"),
            "import": running("-c", "import dmabuf"),
            "version": running("-m", "dmabuf", "--version"),
            "check": running("-m", "dmabuf", "rules", "DF202"),
        },
        rounds=ROUNDS,
    )
    bare = found["bare"]
    rows = {
        "bare interpreter": {"ms": bare},
        "import dmabuf": {"ms": found["import"], "over bare": found["import"] - bare},
        "dmabuf --version": {"ms": found["version"], "over bare": found["version"] - bare},
        "dmabuf rules DF202": {"ms": found["check"], "over bare": found["check"] - bare},
    }
    musts = [
        Must("import: 15 ms over what it takes", 15 / max(found["import"] - bare, 0.01), 1),
        Must("--version: 25 ms over what it takes", 25 / max(found["version"] - bare, 0.01), 1),
    ]
    return finish(args, rows, "ms a start", musts)


if __name__ == "__main__":
    raise SystemExit(main())
