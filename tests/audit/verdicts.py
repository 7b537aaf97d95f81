"""What readers said of findings, against what the auditor says of the same tree now.

    dmabuf check DIRS --level warning --json > now.json
    python -m tests.audit.verdicts docs/audits/linux-6.1.md now.json

tells the level that each finding of the page has now, and fails where one that was read as true is
no error any more. One that has the same root, first call and rule but another end counts as the
same, as the page judges clusters.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Read", "level_of", "main", "read_page"]

_HEADING = re.compile(r"^### \d+\. `([^`]+)`\n\n\*\*(true|debatable|false)", re.MULTILINE)


class Read(NamedTuple):
    """A finding of a page: its key, and the worse of both verdicts."""

    key: str
    verdict: str


def read_page(text: str) -> list[Read]:
    """The findings of a page of `docs/audits`, in their order."""
    return [Read(*found.groups()) for found in _HEADING.finditer(text)]


def level_of(key: str, levels: dict[str, str]) -> str:
    """The gravest level of a cluster now: "error", "warning", "info" or "gone"."""
    cluster = _cluster(key)
    known = {level for one, level in levels.items() if one == key or _cluster(one) == cluster}
    return next((one for one in ("error", "warning", "info") if one in known), "gone")


def _cluster(key: str) -> str:
    """A key without its end, which is the line shown; of a lock and a queue the end is the name."""
    rule = key.partition(":")[0]
    return key if rule in ("DF107", "DF202") else key.rpartition(":")[0]


def main(arguments: list[str] | None = None) -> int:
    """Tell them, and return 1 if a true one is no error any more."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.audit.verdicts")
    parser.add_argument("page", type=Path)
    parser.add_argument("now", type=Path, help="what dmabuf check --json printed")
    options = parser.parse_args(arguments)
    document = json.loads(options.now.read_text())
    found = [one for result in document["results"] for one in result.get("findings", ())]
    levels = {one["key"]: one["level"] for one in found}
    now = [(one, level_of(one.key, levels)) for one in read_page(options.page.read_text())]
    lost = sum(one.verdict == "true" and level != "error" for one, level in now)
    lines = [f"{one.verdict:9}  {level:7}  {one.key}" for one, level in now]
    lines.append(f"{lost} that were read as true are no errors")
    print("\n".join(lines))  # noqa: T201 - a command
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
