"""A page that a tool writes: write it, or say that it is out of date."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_or_check"]


def write_or_check(page: Path, text: str, arguments: Sequence[str]) -> int:
    """Write the page; with --check compare only. The exit code."""
    if "--check" not in arguments:
        page.write_text(text, "utf-8")
        return 0
    if page.exists() and page.read_text("utf-8") == text:
        return 0
    tool = Path(sys.argv[0]).name
    sys.stderr.write(f"{page.name} is out of date: run python3 tools/{tool}\n")
    return 1
