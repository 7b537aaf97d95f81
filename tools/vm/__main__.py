"""The command: `python -m tools.vm [--load MODULES] [--device DEVICE] -- COMMAND...`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.vm import sw_sync
from tools.vm.kernel import Kernel, fetch, in_folder
from tools.vm.machine import Job, run
from tools.vm.need import Missing, install

MISSING = 3
"""Exit status when there cannot be a machine; one sentence says why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.vm",
        description="Run a command under a real kernel, in a virtual machine over this root.",
        epilog="Exit status: the command's; 3 something is missing; 124 too late; 125 guest died.",
    )
    parser.add_argument(
        "--load", default="", metavar="A,B", help="modules to load before; sw_sync is built"
    )
    parser.add_argument("--device", action="append", default=[], help="as after qemu's -device")
    parser.add_argument("--kernel", type=Path, help="folder of an unpacked kernel package")
    parser.add_argument("--out", type=Path, help="the command's $OUT")
    parser.add_argument("--timeout", type=float, default=300, metavar="S")
    parser.add_argument("--memory", type=int, default=1024, metavar="MB")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=TEXT")
    parser.add_argument("--install", action="store_true", help="may install packages (as root)")
    parser.add_argument("--prepare", action="store_true", help="only see that all is there")
    parser.add_argument("command", nargs="*")
    return parser


def _kernel(given: Path | None) -> Kernel:
    if given is None:
        return fetch()
    kernel = in_folder(given)
    if kernel is None:
        raise Missing(f"{given} holds no unpacked kernel package; see dpkg-deb -x")
    return kernel


def main(words: list[str] | None = None) -> int:
    """Run it."""
    parser = _parser()
    given = parser.parse_args(words)
    if not given.command and not given.prepare:
        parser.error("which command?")
    try:
        install(allowed=given.install)
        kernel = _kernel(given.kernel)
        load = tuple(filter(None, given.load.split(",")))
        built = (sw_sync.build(kernel),) if "sw_sync" in load else ()
        if given.prepare:
            print(kernel.release)
            return 0
        job = Job(
            command=tuple(given.command),
            load=tuple(one for one in load if one != "sw_sync"),
            built=built,
            devices=tuple(given.device),
            out=given.out,
            environment=dict(one.split("=", 1) for one in given.env),
            timeout_s=given.timeout,
            memory_mb=given.memory,
        )
        return run(job, kernel)
    except Missing as missing:
        print(f"vm: cannot run: {missing}", file=sys.stderr)
        return MISSING


if __name__ == "__main__":
    sys.exit(main())
