"""Which kernel modules a guest needs, and in which order they must be loaded.

The guest gets them in its first file system, unpacked and in order, so that neither `depmod` on
the host nor `modprobe` in the guest is needed.
"""

from __future__ import annotations

import gzip
import lzma
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tools.vm.need import Missing

__all__ = ["built_in", "closure", "depends", "find", "unpacked"]

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_FILE = re.compile(r"(.+)\.ko(\.xz|\.gz|\.zst)?")


def name_of(spelling: str) -> str:
    """Modules are spelt with dashes or underscores; this is the one that lists use.

    >>> name_of("virtio-gpu")
    'virtio_gpu'
    """
    return spelling.replace("-", "_")


def find(folder: Path) -> dict[str, Path]:
    """Every module below a folder, by name."""
    matches = ((_FILE.fullmatch(path.name), path) for path in folder.rglob("*.ko*"))
    return {name_of(match[1]): path for match, path in matches if match}


def built_in(folder: Path) -> set[str]:
    """The modules that are a part of the kernel itself, by name."""
    listing = folder / "modules.builtin"
    lines = listing.read_text().split() if listing.exists() else []
    return {name_of(Path(line).stem) for line in lines}


def unpacked(path: Path) -> bytes:
    """The bytes of a module, whatever it is packed with."""
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return subprocess.run(
                ["zstd", "-dc"], input=data, check=True, capture_output=True
            ).stdout
        case _:
            return data


def depends(module: bytes) -> list[str]:
    """What a module says that it needs.

    >>> depends(b"name=a" + bytes(1) + b"depends=drm,virtio-ring" + bytes(1))
    ['drm', 'virtio_ring']
    """
    match = _DEPENDS.search(module)
    return [name_of(one) for one in match[1].decode().split(",") if one] if match else []


def closure(
    wanted: Iterable[str],
    modules: Mapping[str, Path],
    built: set[str],
    read: Callable[[Path], bytes] = unpacked,
) -> dict[str, bytes]:
    """The wanted modules and all they need, each after what it needs.

    Raises:
        Missing: the kernel has no such module.
    """
    ready: dict[str, bytes] = {}
    seen: dict[str, bytes] = {}
    todo = [name_of(name) for name in reversed(list(wanted))]
    while todo:
        name = todo[-1]
        if name in ready or name in built:
            todo.pop()
            continue
        if name in seen:  # all it needs is ready now
            ready[todo.pop()] = seen[name]
            continue
        if name not in modules:
            raise Missing(f"the kernel has no module {name}; take another kernel or load another")
        seen[name] = read(modules[name])
        todo += [one for one in depends(seen[name]) if one not in ready and one not in seen]
    return ready
