"""What the C compiler makes of kernel headers: values of macros, layouts of structs.

`places()` are the headers that can be had: those installed (linux-libc-dev, libdrm-dev), and the
kernel's own in $DMABUF_KERNEL_HEADERS (a source tree, or what `make headers_install` writes) or,
without it, in a /usr/src/linux-source-*.tar.xz. Only there are vgem_drm.h and sw_sync.c.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LINUX = ("dma-buf.h", "dma-heap.h", "udmabuf.h", "sync_file.h", "magic.h", "videodev2.h")
DRM = ("drm.h", "drm_mode.h", "vgem_drm.h", "virtgpu_drm.h")
HEADERS = [f"linux/{one}" for one in LINUX] + [f"drm/{one}" for one in DRM]
SW_SYNC = "drivers/dma-buf/sw_sync.c"
TARBALLS = sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
GIVEN = os.environ.get("DMABUF_KERNEL_HEADERS", "")

_PROLOGUE = """
#define __user
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>
#include <linux/ioctl.h>
"""
# A number has a sign; what is none (an array, which decays to a pointer, or a struct) has none.
_SIGN = """
#define U "unsigned"
#define SIGN(x) _Generic((x), int: "signed", long: "signed", long long: "signed", \\
    unsigned char: U, unsigned short: U, unsigned: U, unsigned long: U, unsigned long long: U, \\
    default: "")
"""
# A union is its name, or, without one, its first member, which has the place of all.
_UNION = re.compile(r"union \{\s*([^;{}]*)[^{}]*\}\s*(\w*)")
_STRUCT = re.compile(r"^struct (\w+) \{$(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"(\w+)\s*(?:\[\w+\])?\s*$")
_SW_SYNC = re.compile(
    r"^(?:struct sw_sync_\w+ \{.*?^\};|#define SW_SYNC_(?!HAS)(?:[^\n]*\\\n)*[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)


class Layout(NamedTuple):
    """`sizeof`, and name -> (offset, size, "signed", "unsigned" or "" for no number)."""

    size: int
    fields: dict[str, tuple[int, int, str]]


class Compiled(NamedTuple):
    """What a header says, in numbers."""

    macros: dict[str, int]
    structs: dict[str, Layout]


def places() -> list[str]:
    """Names of the sources of headers on this machine, perhaps empty ones."""
    return ["installed", *(["kernel"] if GIVEN or TARBALLS else [])]


def trouble(place: str) -> str:
    """Why nothing can be compiled with these headers, or empty."""
    if not shutil.which("gcc"):
        return "no C compiler (gcc)"
    if not Path("/usr/include/linux/types.h").exists():
        return "no headers to compile with (linux-libc-dev, libc6-dev)"
    if place == "installed" and not Path("/usr/include/linux/dma-buf.h").exists():
        return "no linux/dma-buf.h (linux-libc-dev)"
    return ""


@functools.cache
def compiled(
    place: str, cache: Path, scratch: Path, names: tuple[str, ...], calls: tuple[str, ...]
) -> Compiled:
    """Compile and run one program that prints what the headers say of the names and calls.

    `cache` keeps what took long to unpack; `scratch` is this process's own.
    """
    flags = _flags(place, cache, scratch)
    prologue = _PROLOGUE + "".join(
        f"#if __has_include(<{one}>)\n#include <{one}>\n#endif\n"
        for one in (*HEADERS[: len(LINUX)], *DRM, "sw_sync.h")
    )
    seen = _run(["gcc", *flags, "-E", "-dD", "-xc", "-"], prologue)
    defined = set(re.findall(r"^#define (\w+)(?![\w(])", seen, re.MULTILINE))
    defined |= set(re.findall(r"^\s+(\w+)\s*=\s*\w+,$", seen, re.MULTILINE))  # of an enum
    structs = {name: _field_names(body) for name, body in _STRUCT.findall(seen)}
    program = _program(
        prologue,
        [*(one for one in names if one in defined), *(one for one in calls if _has(one, seen))],
        {one: structs[one] for one in names if one in structs},
    )
    binary = f"{scratch / 'say'}"
    _run(["gcc", *flags, "-Wall", "-Werror", "-xc", "-", "-o", binary], program)
    said = json.loads(_run([binary], ""))
    return Compiled(
        said["macros"],
        {
            name: Layout(size, {field: tuple(of) for field, of in fields.items()})
            for name, (size, fields) in said["structs"].items()
        },
    )


def _program(prologue: str, values: Iterable[str], structs: dict[str, list[str]]) -> str:
    lines = [
        prologue,
        _SIGN,
        'int main(void) { puts("{\\"macros\\": {\\"\\": 0");',
    ]
    lines += [f'printf(",\\"{one}\\": %llu\\n", (unsigned long long)({one}));' for one in values]
    lines.append('puts("}, \\"structs\\": {\\"\\": [0, {}]");')
    for name, fields in structs.items():
        lines.append(f'printf(",\\"{name}\\": [%zu, {{", sizeof(struct {name}));')
        for at, field in enumerate(fields):
            of = f"((struct {name} *)0)->{field}"
            lines.append(
                f'printf("{"," if at else ""}\\"{field}\\": [%zu, %zu, \\"%s\\"]\\n",'
                f"offsetof(struct {name}, {field}), sizeof({of}), SIGN({of}));"
            )
        lines.append('puts("}]");')
    return "\n".join([*lines, 'puts("}}"); return 0; }', ""])


def _field_names(body: str) -> list[str]:
    """Names of the fields, but for an array without length: it has no size."""
    text = re.sub(r"^\s*#.*$", "", body, flags=re.MULTILINE)
    text = _UNION.sub(lambda union: union[2] or union[1], text)
    found = (_FIELD.search(one.strip()) for one in text.split(";"))
    return [one[1] for one in found if one]


def _has(call: str, seen: str) -> bool:
    return f"#define {call.partition('(')[0]}(" in seen


def _run(command: list[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


# --- where headers are --------------------------------------------------------------------------


def _flags(place: str, cache: Path, scratch: Path) -> list[str]:
    """Where the compiler looks: our headers first, all others as installed, then the kernel's."""
    if place == "installed":
        return ["-I/usr/include/drm", "-I/usr/include/libdrm"]
    tree = Path(GIVEN) if GIVEN else _unpacked(TARBALLS[-1], cache)
    inner = tree / "include" / "uapi" if (tree / "include" / "uapi").exists() else tree
    for name in HEADERS:
        if (inner / name).exists():
            target = scratch / name
            target.parent.mkdir(exist_ok=True)
            shutil.copy(inner / name, target)
    # Of the kernel itself, not for programs; headers_install takes its inclusion out.
    (scratch / "linux/compiler.h").write_text("")
    if (tree / SW_SYNC).exists():
        found = _SW_SYNC.findall((tree / SW_SYNC).read_text("utf-8"))
        (scratch / "sw_sync.h").write_text("\n".join(found) + "\n", "utf-8")
    return [f"-I{scratch}", f"-I{scratch / 'drm'}", "-idirafter", f"{inner}"]


def _unpacked(tarball: Path, cache: Path) -> Path:
    """The files from the tarball, unpacked once (20 s) by whichever process comes first."""
    top = tarball.name.removesuffix(".tar.xz")
    kept = cache / f"{top}-{tarball.stat().st_size}"  # a newer one is another one
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            fresh = Path(tempfile.mkdtemp(dir=cache))
            files = [f"{top}/include/uapi", f"{top}/{SW_SYNC}"]
            _run(["tar", "-xJf", f"{tarball}", "-C", f"{fresh}", *files], "")
            (fresh / top).rename(kept)
            fresh.rmdir()
    return kept
