"""Write docs/reference/abi.md: the ioctls and structs of dmabuf.abi.

python3 tools/abi_page.py            # writes
python3 tools/abi_page.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from dmabuf import abi
from dmabuf.abi.ioctls import IOCTLS
from dmabuf.abi.layout import Struct
from generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "abi.md"
_HEAD = """\
<!-- written by tools/abi_page.py from dmabuf.abi -->
# Numbers and layouts

What `dmabuf.abi` has: the kernel's uAPI under the names of its headers, a module a header.
The tests compare all of it with the C compiler and the headers that are installed; with
`DMABUF_KERNEL_HEADERS=DIR` also with those of a kernel (a source tree, or what
`make headers_install` writes). Why structs are not `ctypes`: see the package's docstring.

```python
from dmabuf.abi.sync_file import sync_merge_data

asked = sync_merge_data.unpack(argument)  # exactly SIZE bytes; names lose the NULs at their end
asked.fence = fd
answer = asked.pack()
```

Numbers are for 64-bit programs on x86, Arm and RISC-V. Sizes in parentheses are those of older
headers, where the last fields were missing: a DRM ioctl is the same with each of its sizes.
"""


def page() -> str:
    """The text of the page."""
    lines = [_HEAD, "## Ioctls", "", "| ioctl | number | argument | module |", "|---|---|---|---|"]
    modules = list(_modules())
    home = {name: _short(module) for module in modules for name in module.__all__}
    for one in IOCTLS:
        argument = f"`{one.argument.__name__}`" if one.argument else "no struct"
        number = f"`0x{one.number:08X}`"
        lines.append(f"| `{one.name}` | {number} | {argument} | `{home[one.name]}` |")
    lines += ["", "## Structs", "", "Offset and kind of each field."]
    for module in modules:
        structs = list(_structs(module))
        if structs:
            lines += [
                "",
                f"### {_short(module)}",
                "",
                "| struct | bytes | fields |",
                "|---|---|---|",
            ]
            lines += map(_row, structs)
    lines += ["", "## Other numbers"]
    for module in modules:
        numbers = list(_numbers(module))
        if numbers:
            lines += ["", f"### {_short(module)}", "", "| name | value |", "|---|---|"]
            lines += [f"| `{name}` | {value} (`0x{value:x}`) |" for name, value in numbers]
    return "\n".join(lines) + "\n"


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(abi.__path__):
        if found.name not in {"ioctls", "layout"}:
            yield importlib.import_module(f"{abi.__name__}.{found.name}")


def _short(module: ModuleType) -> str:
    return module.__name__.removeprefix("dmabuf.")


def _structs(module: ModuleType) -> Iterator[type[Struct]]:
    members = (getattr(module, name) for name in module.__all__)
    return (one for one in members if isinstance(one, type) and issubclass(one, Struct))


def _numbers(module: ModuleType) -> Iterator[tuple[str, int]]:
    ioctls = {one.name for one in IOCTLS}
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, int) and name not in ioctls:
            yield name, value


def _row(one: type[Struct]) -> str:
    older = f" ({', '.join(map(str, one.OLDER_SIZES))})" if one.OLDER_SIZES else ""
    fields = ", ".join(f"{field.offset}: `{field.name}` {field.kind}" for field in one.FIELDS)
    return f"| `{one.__name__}` | {one.SIZE}{older} | {fields} |"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), sys.argv[1:]))
