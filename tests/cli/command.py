"""The command as a process of its own, and what most tests run it on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BAD = Path("tests/explore/foreign/bad")
EXAMPLE = "examples/lock_across_wait.py"


def start(*arguments: object, **how) -> subprocess.Popen:
    """The command as a process of its own."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **how.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    command = [sys.executable, "-m", "dmabuf", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        text=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - starts no thread
        **pipes,
    )


def _hear_interrupts():
    """A shell's background job, as which the tests may run, ignores them and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
