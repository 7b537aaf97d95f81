"""What is missing for a virtual machine, in one sentence with the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["PACKAGES", "Missing", "cache", "install", "lacking"]

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "zstd": "zstd",
}
"""Programs and the Debian packages that bring them."""

_ROOT = Path(__file__).resolve().parents[2]


class Missing(Exception):
    """Something that this machine lacks; the text is a sentence and says what to do."""


def cache() -> Path:
    """Where kernels are kept: $DMABUF_VM_CACHE, or `.cache/vm` in the checkout."""
    given = os.environ.get("DMABUF_VM_CACHE")
    return Path(given) if given else _ROOT / ".cache" / "vm"


def lacking() -> list[str]:
    """The packages whose programs are not here."""
    return [package for program, package in PACKAGES.items() if not shutil.which(program)]


def install(*, allowed: bool) -> None:
    """See to it that the programs are here.

    Args:
        allowed: may packages be installed (as root)?

    Raises:
        Missing: they are not, and cannot be had.
    """
    packages = lacking()
    if not packages:
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    remedy = f"run as root: {' '.join(command)}"
    if not allowed or os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"the packages {', '.join(packages)} are not installed; {remedy}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False, capture_output=True)
    done = subprocess.run(command, env=quiet, check=False, capture_output=True, text=True)
    if lacking():
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Missing(f"the packages {', '.join(packages)} could not be installed ({reason})")
