"""Which findings are shown: what is new, not suppressed, and grave enough; the rest is counted.

A suppression is a line `KEY  # reason` in a file outside the tree, where a star stands for
anything. One without a reason is refused, one that matches nothing is told.

>>> read_suppressions("DF301:toy_run*  # the pool cannot run dry")
[Suppression(pattern='DF301:toy_run*', reason='the pool cannot run dry', line=1)]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, cast

from dmabuf.report.source_finding import Audited, Level, SourceFinding

__all__ = ["Choice", "ChoiceError", "Suppression", "choose", "read_baseline", "read_suppressions"]


class ChoiceError(Exception):
    """A baseline or a file of suppressions cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """A finding that is known and left, with the reason."""

    pattern: str
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be shown.

    Attributes:
        level: the least grave that is.
        known: keys of findings that are not new.
        suppressions: findings that are left out with a reason.
    """

    level: Level = Level.WARNING
    known: frozenset[str] = frozenset()
    suppressions: tuple[Suppression, ...] = ()


def choose(audited: Audited, findings: Iterable[SourceFinding], choice: Choice) -> Audited:
    """The audit with the findings that are shown, and counts of the others."""
    shown: list[SourceFinding] = []
    used: set[int] = set()
    counts = {"known": 0, "suppressed": 0, "below": 0}
    for finding in findings:
        match = next((s for s in choice.suppressions if fnmatchcase(finding.key, s.pattern)), None)
        if match is not None:
            used.add(match.line)
            counts["suppressed"] += 1
        elif finding.key in choice.known:
            counts["known"] += 1
        elif finding.level.rank > choice.level.rank:
            counts["below"] += 1
        else:
            shown.append(finding)
    unused = [
        f"the suppression in line {one.line} matches nothing: {one.pattern}"
        for one in choice.suppressions
        if one.line not in used
    ]
    return replace(
        audited, findings=tuple(shown), notes=(*audited.notes, *unused), **cast("Any", counts)
    )


def read_suppressions(text: str) -> list[Suppression]:
    """The lines of a file. Raises ChoiceError for one without a reason."""
    found: list[Suppression] = []
    for number, line in enumerate(text.splitlines(), 1):
        pattern, hash_sign, reason = (part.strip() for part in line.partition(" #"))
        if not pattern or pattern.startswith("#"):
            continue
        if not hash_sign or not reason:
            raise ChoiceError(f"line {number}: no reason; write KEY  # why it is left")
        found.append(Suppression(pattern, reason, number))
    return found


def read_baseline(text: str) -> frozenset[str]:
    """The keys in a document that `dmabuf check --json` printed. Raises ChoiceError."""
    try:
        document: Any = json.loads(text)
    except ValueError:
        raise ChoiceError("is no JSON; write it with dmabuf check --json") from None
    results: Any = None
    if isinstance(document, dict):
        results = cast("Mapping[str, Any]", document).get("results")
    if not isinstance(results, list):
        raise ChoiceError("is no document of dmabuf check --json: it has no results")
    return frozenset(
        str(finding["key"])
        for result in _objects(results)
        if result.get("kind") == "audit"
        for finding in _objects(result.get("findings"))
        if "key" in finding
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of JSON; nothing of what is none."""
    items = cast("Sequence[Any]", value) if isinstance(value, list) else ()
    return [one for one in items if isinstance(one, dict)]
