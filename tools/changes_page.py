"""Write docs/reference/kernel-changes.md: what kernels answer otherwise than each other.

python3 tools/changes_page.py            # writes
python3 tools/changes_page.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from dmabuf.changes import CHANGES, Change
from generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "kernel-changes.md"
_HEAD = """<!-- written by tools/changes_page.py from dmabuf.changes -->
# What changed between kernels

Three kernels were read: 6.1, 6.12 and 7.3. A program or a driver that has to run on several of
them can notice what is listed here. The objects of this package do what the newest does, unless
the last column says otherwise and why. Names that changed are in [the table of
names](kernel-names.md#differences).

| | what | 6.1 | 6.12 | 7.3 | here |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    return _HEAD + "".join(_row(one) for one in CHANGES)


def _row(one: Change) -> str:
    answers = list(one.answers.values())
    cells = ['"' if at and text == answers[at - 1] else text for at, text in enumerate(answers)]
    return f"| {' | '.join([one.id, one.what, *cells, one.here])} |\n"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), sys.argv[1:]))
