"""Write docs/reference/memory-table.md from `dmabuf.rules.memory_table`.

    python3 tools/memory_table.py            # writes
    python3 tools/memory_table.py --check    # exit 1 if the page is not up to date

The verdicts are data there; tests/rules/test_memory_table.py explores every cell.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dmabuf.rules.memory_table import CELLS, FLAGS, PROPOSALS, WAITERS
from generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "memory-table.md"
_MARK = "<!-- written by tools/memory_table.py: edit src/dmabuf/rules/memory_table.py -->"
_HEAD = """# Memory on the way to a signal

A job publishes its fence, allocates, and signals. What it may allocate depends on who waits for the
job when memory is short. Each cell is a small design, explored under every schedule and with memory
short at any one allocation: a rule where some schedule breaks it, else *proved*. Where ATOMIC fails
the job signals with an error.
"""
_PROPOSED = """
## What has been proposed instead

Each proposal with its situations, explored in the same way; "all memory is in buffers" has counted
pages, all of them used.
"""


def page() -> str:
    """The text of the page."""
    columns = " | ".join(f"GFP_{flags}" for flags in FLAGS)
    lines = [_MARK, _HEAD, f"| who waits | {columns} |", "|---|" + "---|" * len(FLAGS)]
    for waiter in WAITERS:
        cells = " | ".join(_verdict(CELLS[waiter.title, flags]) for flags in FLAGS)
        lines.append(f"| {waiter.title} | {cells} |")
    lines += ["", *(f"* *{waiter.title}*: {waiter.says}" for waiter in WAITERS), _PROPOSED]
    lines += ["| proposal | situation | verdict | |", "|---|---|---|---|"]
    for one in PROPOSALS:
        lines.append(f"| {one.idea} | {one.where} | {_verdict(one.code)} | {one.means} |")
    return "\n".join(lines) + "\n"


def _verdict(code: str) -> str:
    return f"[{code}](../rules/{code}.md)" if code else "*proved*"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), sys.argv[1:]))
