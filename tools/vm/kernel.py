"""Where a kernel comes from: a Debian package, downloaded and unpacked, never installed."""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools.vm.need import Missing, cache

__all__ = ["SERIES", "Kernel", "bootable", "fetch", "in_folder", "newest", "payload", "unpack"]

SERIES = "6.12"
"""What the agreement suite speaks of; stock, with sync objects, udmabuf and dma-heap."""

_SETUP_SECTS, _MAGIC, _PAYLOAD = 0x1F1, 0x202, 0x248  # offsets of the x86 boot protocol
_SECTOR = 512


class Kernel(NamedTuple):
    """An unpacked kernel: the file to boot, its modules, its release."""

    image: Path
    modules: Path
    release: str


def in_folder(folder: Path) -> Kernel | None:
    """The newest kernel that was unpacked below a folder, or None."""
    images = [*folder.glob("boot/vmlinuz-*"), *folder.glob("usr/lib/modules/*/vmlinuz")]
    for image in sorted(images, key=_age, reverse=True):
        release = image.name.partition("-")[2] or image.parent.name
        for modules in (folder / "lib/modules" / release, folder / "usr/lib/modules" / release):
            if modules.is_dir():
                return Kernel(image, modules, release)
    return None


def newest(listing: str, series: str = SERIES) -> str | None:
    r"""The newest stock kernel package in what `apt-cache search --names-only` prints.

    >>> newest("linux-image-6.12.9+deb12-amd64 - x\nlinux-image-6.12.107+deb12-amd64 - y")
    'linux-image-6.12.107+deb12-amd64'
    """
    pattern = rf"^(linux-image-{re.escape(series)}\.[0-9.]+\+deb\w+-amd64) "
    names = re.findall(pattern, listing + " ", re.MULTILINE)
    return max(names, key=_version, default=None)


def fetch(folder: Path | None = None, *, update: bool = True) -> Kernel:
    """The kernel of the cache, put there first if need be (107 MB).

    Args:
        folder: the cache; the usual one if not given.
        update: ask the archive anew when its lists are empty (needs root).

    Raises:
        Missing: it is not there and cannot be had.
    """
    place = (folder or cache()) / f"linux-{SERIES}"
    known = in_folder(place)
    if known:
        return known
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(program):
            raise Missing(f"there is no {program} to fetch a kernel with; pass --kernel FOLDER")
    package = _find() or (_find_after_update() if update and os.geteuid() == 0 else None)
    if package is None:
        wanted = f"linux-image-{SERIES}.*+deb*-amd64"
        raise Missing(f"the package archive has no {wanted}; run apt-get update, or pass --kernel")
    _download(package, place)
    kernel = in_folder(place)
    if kernel is None:
        raise Missing(f"{package} holds no kernel; pass --kernel FOLDER with an unpacked one")
    return kernel


def payload(image: bytes) -> bytes:
    """What is packed inside a bzImage, still packed; empty if it is no bzImage."""
    if image[_MAGIC : _MAGIC + 4] != b"HdrS":
        return b""
    start, length = struct.unpack_from("<II", image, _PAYLOAD)
    start += (image[_SETUP_SECTS] + 1) * _SECTOR
    return image[start : start + length]


def bootable(kernel: Kernel) -> Path:
    """The file to boot: the unpacked vmlinux, which halves the time, if it can be had."""
    elf = kernel.image.with_name(f"vmlinux-{kernel.release}.elf")
    if elf.exists():
        return elf
    unpacked = _unpack(payload(kernel.image.read_bytes()))
    if not unpacked.startswith(b"\x7fELF"):
        return kernel.image
    try:
        with tempfile.NamedTemporaryFile(dir=elf.parent, delete=False) as part:
            part.write(unpacked)
        Path(part.name).replace(elf)  # whole or not at all: two runs may do this at a time
    except OSError:
        return kernel.image
    return elf


def _unpack(packed: bytes) -> bytes:
    """The payload unpacked; for forms other than gzip, xz and zstd empty."""
    try:
        if packed.startswith(b"\x1f\x8b"):
            return gzip.decompress(packed)
        if packed.startswith(b"\xfd7zXZ"):
            return lzma.LZMADecompressor().decompress(packed)
    except (OSError, lzma.LZMAError):
        return b""
    if packed.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        # The last four bytes are the unpacked size, which zstd complains about after its work.
        command = ["zstd", "-dcq"]
        return subprocess.run(command, input=packed[:-4], check=False, capture_output=True).stdout
    return b""


def _find() -> str | None:
    command = ["apt-cache", "search", "--names-only", rf"^linux-image-{re.escape(SERIES)}\."]
    return newest(subprocess.run(command, check=False, capture_output=True, text=True).stdout)


def _find_after_update() -> str | None:
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    return _find()


def unpack(packages: Sequence[str], scratch: Path) -> Path:
    """Fetch packages and unpack them all into one folder below `scratch`, never install them.

    Raises:
        Missing: one cannot be had.
    """
    got = subprocess.run(
        ["apt-get", "download", "-q", *packages],
        cwd=scratch,
        check=False,
        capture_output=True,
        text=True,
    )
    archives = list(scratch.glob("*.deb"))
    if got.returncode or not archives:
        reason = (got.stderr.strip().splitlines() or ["no reason given"])[-1]
        names = " and ".join(packages)
        raise Missing(f"{names} could not be downloaded ({reason}); run apt-get update")
    unpacked = scratch / "unpacked"
    for archive in archives:
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        archive.unlink()
    return unpacked


def _download(package: str, place: Path) -> None:
    """Fetch and unpack beside `place`, then move there: never half a kernel."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        unpacked = unpack([package], Path(scratch))
        if not place.exists():
            unpacked.replace(place)


def _version(package: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", package)]


def _age(image: Path) -> list[int]:
    return _version(str(image))
