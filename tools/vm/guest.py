"""What runs inside the guest: the first program, and the job that it starts.

The first program mounts the host's root below a layer of memory, the out folder beside it, loads
the modules in their order, and runs the job there as root. The job's output goes into files of the
out folder, which the host follows: a serial line would mix and bend it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.vm.archive import Entry, cpio, folder, program

__all__ = ["BASE_MODULES", "JOB", "STARTED", "STATUS", "STDERR", "STDOUT", "first_files", "job"]

BASE_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""For the two shared folders."""

JOB, STARTED, STATUS = ".job", ".started", ".status"
STDOUT, STDERR = "stdout", "stderr"

_SHARE = "trans=virtio,version=9p2000.L,msize=512000"

_INIT = f"""#!/bin/busybox sh
B=/bin/busybox
fail() {{ echo "vm: $1" > /dev/console; $B poweroff -f; }}
$B mkdir -p /proc /sys /dev /host /layer /new
$B mount -t proc none /proc && $B mount -t sysfs none /sys && $B mount -t devtmpfs none /dev
for m in $($B cat /modules/order); do $B insmod /modules/$m || fail "module $m"; done
$B mount -t 9p -o ro,{_SHARE},cache=loose host /host || fail "no host share"
$B mount -t tmpfs none /layer && $B mkdir /layer/upper /layer/work
$B mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work none /new \\
  || fail "no overlay"
for kind in proc sysfs; do
  $B mount -t $kind none /new/$($B echo $kind | $B sed s/sysfs/sys/)
done
$B mount -t debugfs none /new/sys/kernel/debug
$B mount -t tracefs none /new/sys/kernel/tracing
$B mount -t devtmpfs none /new/dev
$B mkdir -p /new/dev/shm /new/dev/pts
$B mount -t tmpfs none /new/dev/shm && $B mount -t devpts none /new/dev/pts
$B mount -t tmpfs none /new/run && $B mkdir /new/run/out
$B mount -t 9p -o rw,{_SHARE},cache=none out /new/run/out || fail "no out share"
$B ip link set lo up
$B chroot /new /bin/sh /run/out/{JOB} < /dev/null
$B sync
$B poweroff -f
"""


def first_files(busybox: bytes, modules: Mapping[str, bytes]) -> bytes:
    """The archive that the guest starts with: one program, one script, the modules in order."""
    order = "".join(f"{name}.ko\n" for name in modules)
    files = [program(f"modules/{name}.ko", data) for name, data in modules.items()]
    return cpio(
        [
            *map(folder, ("bin", "modules", "dev")),
            program("bin/busybox", busybox),
            program("init", _INIT.encode()),
            Entry("modules/order", 0o100644, order.encode()),
            *files,
        ]
    )


def job(command: Iterable[str], where: Path, environment: Mapping[str, str]) -> str:
    """The script that runs the command in `where` and says how it ended."""
    settings = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "OUT": "/run/out",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    exports = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in settings.items())
    return (
        f"{exports}"
        f"cd {shlex.quote(str(where))} || exit\n"
        f"cut -d' ' -f1 /proc/uptime > $OUT/{STARTED}\n"
        f"{shlex.join(command)} > $OUT/{STDOUT} 2> $OUT/{STDERR}\n"
        f"echo $? > $OUT/{STATUS}\n"
    )
