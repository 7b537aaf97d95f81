"""How many of the violations that maintainers fixed or admitted does the auditor find?

    python -m tests.audit.fixed /usr/src/linux-source-6.1 /usr/src/linux-source-6.12

Of a tree those are asked for that stand in its release; what else is told is whether what was
fixed in the next one has gone there. An audit takes a minute or two; what `dmabuf check --json
--level info` wrote may be given instead: `TREE=FILE`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmabuf.report.source_finding import Level, SourceFinding
from tests.audit.designs import findings_of

__all__ = ["CATALOGUE", "Violation", "best", "catalogue", "matches", "release_of"]

CATALOGUE = Path(__file__).with_name("fixed_violations.toml")
_FOLDERS = ("drivers/gpu/drm", "drivers/dma-buf", "drivers/gpu/host1x", "drivers/accel")
_SHOWN = (Level.ERROR, Level.WARNING)
"""What is shown unless more is asked for."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One entry of the catalogue; its head says what the fields are."""

    id: str
    trees: tuple[str, ...]
    file: str
    function: str
    through: tuple[str, ...]
    rules: tuple[str, ...]
    kind: str
    seen: str
    what: str

    def stands_in(self, tree: Path) -> bool:
        """Are the function and its file there?"""
        file = tree / self.file
        if not file.is_file():
            return False
        text = file.read_text("latin-1")
        return any(re.search(rf"\b{name}\b", text) for name in self.function.split("|"))


def catalogue() -> list[Violation]:
    """All entries."""
    entries: list[dict[str, Any]] = tomllib.loads(CATALOGUE.read_text("utf-8"))["violation"]
    lists = ("trees", "through", "rules")
    return [
        Violation(**{key: tuple(value) if key in lists else value for key, value in entry.items()})
        for entry in entries
    ]


def _names(finding: SourceFinding) -> set[str]:
    """What a finding's chain goes through: functions, what their lines do, and what it ends in."""
    return {
        finding.root,
        finding.key.rpartition(":")[2],
        *(hop.place.function for hop in finding.hops),
        *(hop.text for hop in finding.hops),
        *(sink.place.function for sink in finding.sinks),
        *(sink.text for sink in finding.sinks),
    }


def matches(violation: Violation, finding: SourceFinding) -> bool:
    """Is the finding about this violation?"""
    if finding.code not in violation.rules:
        return False
    names = _names(finding)
    return all(any(one in names for one in part.split("|")) for part in violation.through)


def best(violation: Violation, findings: Iterable[SourceFinding]) -> SourceFinding | None:
    """The gravest and surest finding about it; None if there is none."""
    found = [one for one in findings if matches(violation, one)]
    return min(found, key=lambda one: (one.level.rank, -one.sure, one.key), default=None)


def release_of(tree: Path) -> str:
    """Such as "6.12"."""
    text = (tree / "Makefile").read_text("utf-8")
    major, minor = (re.search(rf"^{name} = (\d+)", text, re.MULTILINE) for name in _NUMBERS)
    return f"{major[1]}.{minor[1]}" if major and minor else ""


_NUMBERS = ("VERSION", "PATCHLEVEL")


def _findings(tree: Path) -> list[SourceFinding]:
    paths = [str(tree / folder) for folder in _FOLDERS if (tree / folder).exists()]
    command = [sys.executable, "-m", "dmabuf", "check", "--json", "--level", "info", *paths]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
    return list(findings_of(json.loads(output)))


def _told(release: str, tree: Path, found: Sequence[SourceFinding]) -> Iterator[str]:
    """A line an entry of this release, and the sum."""
    here = [one for one in catalogue() if release in one.trees]
    levels: list[Level | None] = []
    for one in here:
        finding = best(one, found)
        levels.append(finding.level if finding else None)
        verdict = f"{finding.level.value:8}{finding.key}" if finding else "missed"
        lost = "" if one.stands_in(tree) else "  (its file or function is not in this tree)"
        yield f"{release:6}{one.id:40}{verdict}{lost}"
    some = sum(level is not None for level in levels)
    shown = sum(level in _SHOWN for level in levels)
    yield f"{release}: {some} of {len(here)} found, {shown} of them as error or warning"


def _gone(found: dict[str, Sequence[SourceFinding]]) -> Iterator[str]:
    """What a later tree has otherwise: is its finding still there?"""
    for one in catalogue():
        before = [tree for tree in one.trees if tree in found]
        for release in found if before and one.kind == "fixed" else ():
            if _number(release) > max(map(_number, one.trees)):
                finding = best(one, found[release])
                verdict = "gone, as it should be"
                if finding is not None:
                    verdict = f"still there: {finding.level.value} {finding.key}"
                yield f"{release:6}{one.id:40}{verdict}"


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def main(arguments: Sequence[str]) -> int:
    """Audit, compare, tell; 1 if one is missed."""
    found: dict[str, Sequence[SourceFinding]] = {}
    lines: list[str] = []
    for argument in arguments:
        name, _is, file = argument.partition("=")
        tree = Path(name)
        release = release_of(tree)
        text = Path(file).read_text("utf-8") if file else ""
        found[release] = list(findings_of(json.loads(text))) if file else _findings(tree)
        lines += _told(release, tree, found[release])
    lines += _gone(found)
    print("\n".join(lines))  # noqa: T201 - a command
    return int(any(" missed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
