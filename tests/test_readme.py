"""README.md says what really happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

from readme_block import README, block

ROOT = Path(__file__).resolve().parent.parent


def _timeless(text: str) -> str:
    return re.sub(r"\d+\.\d+ s\b", "0 s", text).strip()


def test_readme_output_is_what_the_command_prints():
    """The report in the README is the one that the main command prints."""
    command = [sys.executable, "-m", "dmabuf", "check", "examples/lock_across_wait.py"]

    width = {**os.environ, "COLUMNS": "100"}
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=width, check=False
    )

    assert 1 == found.returncode
    assert _timeless(block(README.read_text(), "output: main")) == _timeless(found.stdout)


def test_readme_python_runs():
    """The README's Python example runs as it stands and prints what it says."""
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    assert example is not None
    found = subprocess.run(
        [sys.executable, "-c", example[1]], capture_output=True, text=True, check=True
    )

    assert "signalled, status 1" == found.stdout.strip()
