"""Buffers by the thousand: linear, and nothing is left. See benchmarks/objects.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_buffers_open_and_close():
    """Ten times as many take about ten times as long, 3 kB each at the most, and none is left."""
    command = [sys.executable, ROOT / "benchmarks" / "objects.py", "--json", "--count", "20000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)

    whole = json.loads(done.stdout)["rows"]["all"]
    assert whole["growth"] < 3
    assert whole["bytes each"] < 3500
    assert whole["left"] < 0.05
