"""Write docs/reference/kernel-changes.md: what kernels answer otherwise than each other.

python3 tools/changes_page.py            # writes
python3 tools/changes_page.py --check    # exit 1 if the page is not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path

from dmabuf.changes import CHANGES, Change

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


def main(arguments: list[str]) -> int:
    """Write the page, or say that it is out of date."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, "utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text("utf-8") == text:
        return 0
    sys.stderr.write(f"{PAGE.name} is out of date: run python3 tools/changes_page.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
