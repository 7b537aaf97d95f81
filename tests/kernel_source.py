"""Files of the kernel's source, from the package linux-source-6.12 where it is installed.

Unpacking the archive up to a file takes some 20 s, so all that any test reads is taken out in one
pass and kept in `.cache/source`, for all workers of a run and for the next one. On a busy machine
that takes longer than a test may: `python -m tests.kernel_source` does it beforehand.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
import zlib
from pathlib import Path

import pytest

__all__ = ["AUDITED", "DRIVERS", "needs_source", "source", "tree"]

FILES = frozenset(
    {
        "drivers/base/component.c",
        "drivers/dma-buf/dma-fence-array.c",
        "drivers/dma-buf/dma-fence-chain.c",
        "drivers/dma-buf/dma-fence-unwrap.c",
        "drivers/dma-buf/dma-fence.c",
        "drivers/dma-buf/sync_file.c",
        "drivers/gpu/drm/drm_gem.c",
        "drivers/gpu/drm/drm_gem_shmem_helper.c",
        "drivers/gpu/drm/drm_syncobj.c",
        "include/drm/drm_syncobj.h",
        "include/linux/bio.h",
        "include/linux/device.h",
        "include/linux/dma-buf.h",
        "include/linux/dma-fence-array.h",
        "include/linux/dma-fence-chain.h",
        "include/linux/dma-fence-unwrap.h",
        "include/linux/dma-fence.h",
        "include/linux/dma-mapping.h",
        "include/linux/gfp.h",
        "include/linux/gfp_types.h",
        "include/linux/idr.h",
        "include/linux/iommu.h",
        "include/linux/maple_tree.h",
        "include/linux/mempool.h",
        "include/linux/mm.h",
        "include/linux/mutex.h",
        "include/linux/radix-tree.h",
        "include/linux/scatterlist.h",
        "include/linux/skbuff.h",
        "include/linux/slab.h",
        "include/linux/string.h",
        "include/linux/sync_file.h",
        "include/linux/vmalloc.h",
        "include/linux/workqueue.h",
        "include/linux/xarray.h",
    }
)
DRIVERS = tuple(
    f"drivers/gpu/drm/{name}" for name in ("etnaviv", "lima", "panfrost", "panthor", "scheduler")
)
AUDITED = (
    *DRIVERS,
    "drivers/dma-buf",
    "drivers/gpu/drm/drm_gem.c",
    "drivers/gpu/drm/drm_gem_shmem_helper.c",
)
"""The drivers, and what they give memory back by."""
FOLDERS = (
    *DRIVERS,
    "drivers/dma-buf",
    *(f"include/{name}" for name in ("asm-generic", "drm", "linux", "soc", "trace", "uapi")),
    "arch/x86/include",
)
"""What is audited, and the headers that it may read."""
ROOT = ("Kconfig", "Makefile")
"""What the root of a tree is known by."""
ARCHIVES = sorted(Path("/usr/src").glob("linux-source-6.12*.tar.*"))
_STARTS = tuple(f"{folder}/" for folder in FOLDERS)
_LAST = f"{max(_STARTS)}\uffff"
"""Archives are in the order of names: nothing wanted comes after this."""
_KEPT = Path(__file__).resolve().parent.parent / ".cache" / "source"

needs_source = pytest.mark.skipif(not ARCHIVES, reason="needs the package linux-source-6.12")


def source(name: str) -> str:
    """The text of one of `FILES`."""
    assert name in FILES, f"{name} is not taken out of the archive: add it to FILES"
    return (_unpacked() / name).read_text()


def tree() -> Path:
    """A tree of `FILES` and `FOLDERS`."""
    return _unpacked()


def _unpacked() -> Path:
    """The folder with the files, made by whoever comes first."""
    archive = ARCHIVES[0]
    names = zlib.crc32("\n".join((*sorted(FILES), *FOLDERS, *ROOT)).encode())
    folder = _KEPT / f"{archive.name}-{archive.stat().st_mtime_ns}-{names:08x}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack(archive, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    left = {*FILES, *ROOT}
    with tarfile.open(archive) as opened:
        for member in opened:
            name = member.name.partition("/")[2]
            if member.isfile() and (name in left or name.startswith(_STARTS)):
                left.discard(name)
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                file = opened.extractfile(member)
                assert file is not None
                (part / name).write_bytes(file.read())
            if name > _LAST and not left:
                break
    assert not left, f"not in the archive: {sorted(left)}"
    part.rename(folder)


if __name__ == "__main__":
    what = _unpacked().name if ARCHIVES else "the package linux-source-6.12 is not here"
    sys.stdout.write(f"{what}\n")
