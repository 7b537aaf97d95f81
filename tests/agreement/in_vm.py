"""The whole suite and some random calls in a VM: `python -m tests.agreement.in_vm`.

Exit status 3 and one line "agreement: SKIPPED, because ..." where there cannot be a VM; that is no
pass, and whoever calls this says so.

    --install        packages that are missing may be installed (as root)
    --steps 2000     random calls after the suite
    -- WORDS         for pytest, instead of tests/agreement
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from tools.vm.__main__ import MISSING

__all__ = ["WITHOUT", "lacking", "machine", "main"]

VM = ("--load", "vgem,virtio-gpu,vivid", "--device", "virtio-gpu-pci")
"""What the suite needs beside the stock kernel: fences, sync objects, and a camera."""
WITHOUT = "DMABUF_WITHOUT"
"""Names what is not in the VM; rows that need it are left out, and a line says so."""

_PYTEST = ("-n", "0", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")


def inside(words: list[str], steps: int, seed: int) -> str:
    """The shell command that runs in the guest."""
    python = sys.executable
    suite = [python, "-m", "pytest", *_PYTEST, *(words or ["tests/agreement"])]
    calls = [python, "-m", "tests.agreement.random_calls"]
    calls += ["--steps", str(steps), "--seed", str(seed)]
    parts = [f"{' '.join(suite)}"]
    if steps:
        parts.append(" ".join(calls))
    return " && ".join(parts)


def lacking(outside: list[str]) -> list[str]:
    """What this machine cannot bring into the VM (`sw_sync` or nothing), said in a line."""
    command = [*outside, "--prepare", "--load", "sw_sync"]
    ready = subprocess.run(command, check=False, capture_output=True, text=True)
    if ready.returncode == 0:
        return []
    why = ready.stderr.strip().removeprefix("vm: cannot run: ") or f"status {ready.returncode}"
    print(f"agreement: its rows of sw_sync are SKIPPED, because {why}", flush=True)
    return ["sw_sync"]


def machine(lacks: list[str]) -> list[str]:
    """The VM's options."""
    return [VM[0], ",".join([VM[1], *(["sw_sync"] * ("sw_sync" not in lacks))]), *VM[2:]]


def main(words: list[str] | None = None) -> int:
    """Run it; 0, 1, or `MISSING` if there cannot be a VM."""
    parser = argparse.ArgumentParser(prog="python -m tests.agreement.in_vm")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("words", nargs="*")
    given = parser.parse_args(words)
    outside = [sys.executable, "-m", "tools.vm", *(["--install"] if given.install else [])]
    ready = subprocess.run([*outside, "--prepare"], check=False, capture_output=True, text=True)
    if ready.returncode == MISSING:
        why = ready.stderr.strip().removeprefix("vm: cannot run: ")
        print(f"agreement: SKIPPED, because {why}")
        return MISSING
    lacks = lacking(outside)
    settings = {"DMABUF_REAL_KERNEL": "1", "PYTHONPATH": os.pathsep.join(["src", "."])}
    settings[WITHOUT] = ",".join(lacks)
    options = [word for name, text in settings.items() for word in ("--env", f"{name}={text}")]
    options += ["--timeout", str(given.timeout)]
    command = inside(given.words, given.steps, given.seed)
    started = time.monotonic()
    status = subprocess.run(
        [*outside, *machine(lacks), *options, "--", "sh", "-c", command], check=False
    )
    verdict = "the same" if status.returncode == 0 else f"FAILED ({status.returncode})"
    print(f"agreement: {verdict}, {time.monotonic() - started:.0f} s")
    return int(status.returncode != 0)  # never `MISSING`, which pytest has a use for too


if __name__ == "__main__":
    sys.exit(main())
