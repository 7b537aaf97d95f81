"""Print a marked code block of README.md, so that what is documented is what is run.

A block is marked by the comment on the line before its fence, `<!-- command: tests -->`:

    python3 tools/readme_block.py "command: tests"
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def block(text: str, marker: str) -> str:
    """The body of the one fenced block that follows `<!-- marker -->` in `text`."""
    fenced = rf"^<!-- {re.escape(marker)} -->\n```\w*\n(.*?)^```$"
    found: list[str] = re.findall(fenced, text, re.MULTILINE | re.DOTALL)
    if len(found) != 1:
        raise LookupError(f"{len(found)} blocks marked {marker!r}; there must be exactly one")
    if not found[0].strip():
        raise LookupError(f"the block marked {marker!r} is empty")
    return found[0]


if __name__ == "__main__":
    sys.stdout.write(block(README.read_text(encoding="utf-8"), sys.argv[1]))
