"""The emulator: started, watched, ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tools.vm import guest
from tools.vm.kernel import Kernel, bootable
from tools.vm.modules import built_in, closure, find
from tools.vm.need import PACKAGES, Missing

__all__ = ["DIED", "LATE", "Job", "arguments", "has_kvm", "run"]

LATE = 124
"""Exit status of a command that took too long."""
DIED = 125
"""Exit status when the guest ended before it could say how the command did."""

_GLANCE_S = 0.03
_CONSOLE_LINES = 30


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, and in what machine.

    Attributes:
        command: the words of it.
        load: modules to load before.
        built: module files to load that are no part of the kernel's package.
        devices: qemu devices, as after its `-device`.
        out: where `$OUT` is on the host; a folder that is thrown away if None.
        environment: set for the command.
        boot_s: until the command must have started; also the limit of one boot.
        timeout_s: from then until it must have ended.
        memory_mb: of the guest.
    """

    command: tuple[str, ...]
    load: tuple[str, ...] = ()
    built: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ()
    out: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    boot_s: float = 90
    timeout_s: float = 300
    memory_mb: int = 1024


def has_kvm(cpuinfo: str, device: Path = Path("/dev/kvm")) -> bool:
    """May hardware virtualisation be used? The device alone proves nothing.

    >>> has_kvm("flags : fpu sse2")
    False
    """
    flags = next((line.split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return bool({"vmx", "svm"} & set(flags)) and os.access(device, os.R_OK | os.W_OK)


def arguments(
    job: Job, kernel: Path, first: Path, out: Path, console: Path, *, kvm: bool
) -> list[str]:
    """The emulator's command line."""
    host = "local,id=host,path=/,readonly=on,security_model=none,multidevs=remap"
    words = ["qemu-system-x86_64", "-M", "q35", "-nodefaults", "-no-user-config", "-no-reboot"]
    words += ["-accel", "kvm" if kvm else "tcg,thread=multi", "-cpu", "host" if kvm else "max"]
    words += ["-m", str(job.memory_mb), "-smp", "2", "-display", "none"]
    words += ["-kernel", str(kernel), "-initrd", str(first)]
    words += ["-append", "console=ttyS0 panic=-1 oops=panic quiet loglevel=5"]
    words += ["-serial", f"file:{console}"]
    words += ["-fsdev", host, "-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]
    words += ["-fsdev", f"local,id=out,path={out},security_model=none"]
    words += ["-device", "virtio-9p-pci,fsdev=out,mount_tag=out"]
    for device in job.devices:
        words += ["-device", device]
    return words


def run(job: Job, kernel: Kernel, *, where: Path | None = None) -> int:
    """Run a job; its output goes to ours while it runs. Returns its exit status, LATE or DIED.

    A guest that ends before the command has started is booted once more: about one boot in some
    hundred fails under emulation. A command that has started is never repeated.

    Raises:
        Missing: a program or a module is not there.
    """
    busybox = shutil.which("busybox")
    if busybox is None or not shutil.which("qemu-system-x86_64"):
        raise Missing(f"qemu or busybox is not here; install {' and '.join(PACKAGES.values())}")
    built = {path.stem: path for path in job.built}
    wanted = (*guest.BASE_MODULES, *job.load, *built)
    modules = closure(wanted, {**find(kernel.modules), **built}, built_in(kernel.modules))
    kvm = has_kvm(Path("/proc/cpuinfo").read_text())
    with tempfile.TemporaryDirectory(prefix="dmabuf-vm-") as scratch:
        own = Path(scratch)
        out = (job.out or own / "out").absolute()
        out.mkdir(parents=True, exist_ok=True)
        for name in (guest.STARTED, guest.STATUS, guest.STDOUT, guest.STDERR):
            (out / name).unlink(missing_ok=True)
        script = guest.job(job.command, where or Path.cwd(), job.environment)
        (out / guest.JOB).write_text(script)
        first, console = own / "first", own / "console"
        first.write_bytes(guest.first_files(Path(busybox).read_bytes(), modules))
        words = arguments(job, bootable(kernel), first, out, console, kvm=kvm)
        status = _attempt(words, job, out)
        if status == DIED and not (out / guest.STARTED).exists():
            print("vm: the guest ended before the command: booting once more", file=sys.stderr)
            status = _attempt(words, job, out)
        if status in (LATE, DIED):
            _tell(status, job, console)
        return status


def _attempt(words: list[str], job: Job, out: Path) -> int:
    """Boot once and follow the command."""
    streams = [_Stream(out / guest.STDOUT, sys.stdout), _Stream(out / guest.STDERR, sys.stderr)]
    started = out / guest.STARTED
    limit = time.monotonic() + job.boot_s
    has_started = late = False
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as emulator:
        try:
            while emulator.poll() is None and not late:
                time.sleep(_GLANCE_S)
                if not has_started and started.exists():
                    has_started, limit = True, time.monotonic() + job.timeout_s
                for stream in streams:
                    stream.follow()
                late = time.monotonic() > limit
        finally:
            emulator.kill()
    for stream in streams:
        stream.follow()
    if late:
        return LATE if has_started else DIED
    try:
        return int((out / guest.STATUS).read_text())
    except (OSError, ValueError):
        return DIED


def _tell(status: int, job: Job, console: Path) -> None:
    """Why there is no exit status, with the end of the kernel's console."""
    late = f"the command took longer than {job.timeout_s:.0f} s"
    print(f"vm: {late if status == LATE else 'the guest ended early'}", file=sys.stderr)
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    for line in lines[-_CONSOLE_LINES:]:
        print(f"  console: {line}", file=sys.stderr)


class _Stream:
    """A file that grows, copied to one of our streams as it does."""

    def __init__(self, path: Path, target: TextIO) -> None:
        self.path = path
        self.target = target
        self.done = 0

    def follow(self) -> None:
        """Copy what has come since."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.done)
                data = file.read()
        except FileNotFoundError:
            return
        if data:
            self.done += len(data)
            self.target.write(data.decode(errors="replace"))
            self.target.flush()
