"""sw_sync for a stock kernel, which leaves it out: built as a module from its own source.

The source (three files of the package linux-source) meets the headers of the very kernel that is
to run, so that the module loads there. Nothing is installed; all that is kept is the module, in
the cache. The kernel is tainted by it, as by any module from elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tools.vm.kernel import SERIES, Kernel, unpack
from tools.vm.need import Missing, cache

__all__ = ["MODULE", "build", "packages"]

MODULE = "sw_sync_module"
"""Its name; `sw_sync` is the name of a file in it."""

_SOURCES = ("sw_sync.c", "sync_debug.c", "sync_debug.h", "sync_trace.h")
_PLACE = "drivers/dma-buf"  # sync_trace.h includes itself by ../../drivers/dma-buf

_MAKEFILE = f"""obj-m := {MODULE}.o
{MODULE}-objs := sw_sync.o sync_debug.o rest.o
ccflags-y := -I$(src) -include linux/module.h
"""
# The one symbol that the kernel keeps to itself names sync files in a text of debugfs. The list
# that the text is made of stays empty in a module, so this is never called.
_REST = """#include <linux/module.h>
#include <linux/sync_file.h>
char *sync_file_get_name(struct sync_file *file, char *buf, int len) { return file->user_name; }
MODULE_DESCRIPTION("sw_sync, built as a module");
MODULE_LICENSE("GPL");
"""


def packages(release: str) -> list[str]:
    """The headers of a kernel and what it takes to build with them.

    >>> packages("6.12.9+deb12-amd64")[1:]
    ['linux-headers-6.12.9+deb12-common', 'linux-kbuild-6.12.9+deb12']
    """
    version = release.removesuffix("-amd64")
    return [
        f"linux-headers-{release}",
        f"linux-headers-{version}-common",
        f"linux-kbuild-{version}",
    ]


def build(kernel: Kernel, folder: Path | None = None) -> Path:
    """The module for that kernel, from the cache or built now (17 MB of packages, 15 s).

    Raises:
        Missing: a compiler or a package is not there, or it does not build.
    """
    folder = folder or cache()
    module = folder / f"sw_sync-{kernel.release}" / f"{MODULE}.ko"
    if module.exists():
        return module
    for program in ("gcc", "make", "apt-get", "dpkg-deb"):
        if not shutil.which(program):
            raise Missing(f"sw_sync cannot be built without {program}; install it")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        built = _make(kernel.release, Path(scratch))
        module.parent.mkdir(exist_ok=True)
        built.replace(module)
    return module


def _make(release: str, scratch: Path) -> Path:
    headers = unpack(packages(release), scratch) / "usr/src" / f"linux-headers-{release}"
    makefile = headers / "Makefile"  # it names the place where its package would be installed
    makefile.write_text(makefile.read_text().replace("/usr/src", str(headers.parent)))
    place = scratch / _PLACE
    place.mkdir(parents=True)
    _take_sources(_source(release, scratch), place)
    (place / "Makefile").write_text(_MAKEFILE)
    (place / "rest.c").write_text(_REST)
    # Types for BPF need a program that is rarely there, and nothing here reads them.
    command = [
        "make",
        "-C",
        f"{headers}",
        f"M={place}",
        "CONFIG_DEBUG_INFO_BTF_MODULES=",
        "modules",
    ]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    built = place / f"{MODULE}.ko"
    if made.returncode or not built.exists():
        lines = [line for line in made.stderr.splitlines() if "rror" in line] or ["no reason"]
        raise Missing(f"sw_sync does not build for {release} ({lines[0]}); go without it")
    return built


def _source(release: str, scratch: Path) -> Path:
    """The archive of the kernel's source: as installed if of that version, or else downloaded."""
    package = f"linux-source-{SERIES}"
    number = release.partition("+")[0]
    installed = Path(f"/usr/src/{package}.tar.xz")
    if installed.exists() and f"\t{number}-" in _said(["dpkg-query", "-W"], package):
        return installed
    if f"\nVersion: {number}-" not in _said(["apt-cache", "show", "--no-all-versions"], package):
        raise Missing(f"the package archive has no {package} of {number}; run apt-get update")
    (scratch / "source").mkdir()
    return unpack([package], scratch / "source") / f"usr/src/{package}.tar.xz"


def _said(command: list[str], package: str) -> str:
    return subprocess.run([*command, package], check=False, capture_output=True, text=True).stdout


def _take_sources(archive: Path, place: Path) -> None:
    """The few files of it, and no more of it is read than that takes."""
    wanted = {f"{_PLACE}/{name}" for name in _SOURCES}
    with tarfile.open(archive, "r|xz") as members:
        for member in members:
            inside = member.name.partition("/")[2]
            file = members.extractfile(member) if inside in wanted else None
            if file is not None:
                (place / Path(inside).name).write_bytes(file.read())
                wanted.remove(inside)
            if not wanted:
                return
    raise Missing(f"{archive} has no {' and '.join(sorted(wanted))}; go without sw_sync")
