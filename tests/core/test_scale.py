"""Chains, arrays and callbacks by the hundred thousand: linear, never recursing, freed.

The work is that of benchmarks/containers.py, which does it a million times over and looks at the
clock. It runs in a process of its own, as a thread with a small stack and few nested calls are
settings of the whole process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNT = 100_000


def at_scale(name):
    """What the benchmark says about one candidate, in a fresh interpreter."""
    script = ROOT / "benchmarks" / "containers.py"
    command = [sys.executable, script, "--json", "--count", str(COUNT), "--only", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)["rows"][name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bytes_max"),
    [
        ("chain", 300),
        ("chain_backwards", 300),
        ("chain_dropped", 250),
        ("chain_put", 250),
        ("array", 400),
        ("array_merged", 150),
        ("merged_again", 50),
        ("callbacks", 200),
    ],
)
def test_scale_on_a_small_stack_in_little_memory(name, bytes_max):
    """Done on a stack of 256 KiB within 120 nested calls, and next to nothing is left."""
    row = at_scale(name)

    assert row["bytes each"] < bytes_max
    assert row["left"] < 0.02
