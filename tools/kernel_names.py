"""Write docs/reference/kernel-names.md: every kernel symbol and what mirrors it, by header.

python3 tools/kernel_names.py            # writes
python3 tools/kernel_names.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import defaultdict
from pathlib import Path

from dmabuf import kapi
from dmabuf._names import KERNEL_NAMES, KernelName
from dmabuf.differences import DIFFERENCES
from generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "kernel-names.md"
_MARK = "<!-- written by tools/kernel_names.py from the @kernel decorators -->"
_HEADER = re.compile(r"include/[\w./-]+\.h|drivers/[\w./-]+\.c|(?:kernel|mm)/[\w./-]+\.c")


def page() -> str:
    """The text of the page."""
    kapi.functions()
    by_header: dict[str, list[KernelName]] = defaultdict(list)
    for name in KERNEL_NAMES.values():
        by_header[_header_of(name)].append(name)
    lines = [
        _MARK,
        "# Kernel names",
        "",
        "What mirrors which kernel symbol. Every function is also callable by its kernel name,",
        "with the kernel's signature: `dmabuf.kapi.NAME`. Context: where it may be called",
        "(`process`: it may sleep).",
    ]
    for header in sorted(by_header):
        lines += ["", f"## {header}", "", "| kernel | here | context |", "|---|---|---|"]
        for name in sorted(by_header[header], key=lambda one: one.symbol.lstrip("_")):
            where = name.where.removeprefix("dmabuf.")
            lines.append(f"| `{name.symbol}` | `{where}` | {name.context} |")
    lines += ["", "## Differences", ""]
    lines += ["Names and signatures are those of the newest kernel.", ""]
    lines += ["| symbol | | up to | |", "|---|---|---|---|"]
    for one in DIFFERENCES:
        lines.append(f"| `{one.symbol}` | {one.kind.value} | {one.after} | {one.says} |")
    return "\n".join(lines) + "\n"


def _header_of(name: KernelName) -> str:
    """The header that the mirroring module names: that of the symbol's prefix, else the first."""
    module = name.where
    while module:
        module = module.rpartition(".")[0]
        try:
            text = importlib.import_module(module).__doc__ or ""
        except ModuleNotFoundError:
            continue
        found = [one[0] for one in _HEADER.finditer(text)]
        own = [one for one in found if name.symbol.lstrip("_").startswith(_prefix(one))]
        return [*own, *found, "no header of its own"][0]
    raise AssertionError(name)


def _prefix(header: str) -> str:
    """What symbols of a header begin with: dma_fence for linux/dma-fence.h."""
    return Path(header).stem.replace("-", "_")


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), sys.argv[1:]))
