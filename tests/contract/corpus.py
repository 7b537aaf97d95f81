"""The corpus as data: its cases, what each must tell, and a validator that has watched one."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from dmabuf.contract.validator import Validator
from tests.support import ground

__all__ = ["Told", "all_cases", "expected", "told", "watched"]

_CASES = Path(__file__).parent / "cases"
_MARK = re.compile(r"# (expect|suspect): (DF\d+)")

Told = list[tuple[int, str, str]]
"""Line, whether expected or suspected, and rule; in order, and as often as told."""


def all_cases() -> dict[str, Any]:
    """The cases by name, that of their module first."""
    found: dict[str, Any] = {}
    for path in sorted(_CASES.glob("[a-z]*.py")):
        module = importlib.import_module(f"tests.contract.cases.{path.stem}")
        for name, fn in vars(module).items():
            if inspect.isfunction(fn) and fn.__module__ == module.__name__ and name[0] != "_":
                found[f"{path.stem}-{name}"] = fn
    return found


def expected(case: Any) -> Told:
    """What the marks on a case's lines say."""
    lines, first = inspect.getsourcelines(case)
    found = ((first + index, _MARK.search(line)) for index, line in enumerate(lines))
    return [(number, match[1], match[2]) for number, match in found if match]


def watched(case: Any, kind: str, **how: Any) -> Validator:
    """A validator that has watched a case on one kind of runtime.

    Args:
        case: one of the corpus.
        kind: of runtime, see `tests.support`.
        how: what differs from the kernel that the case names.
    """
    on = ground(kind)
    validator = Validator(**{**getattr(case, "how", {}), **how})

    def run() -> None:
        with validator.watching(on.runtime):
            case(on)

    on.reports(run)
    assert not validator.limits
    return validator


def told(case: Any, validator: Validator) -> Told:
    """What it says of the case, each at a line of it."""
    found: Told = []
    for prediction in validator.predictions:
        place = prediction.finding.place
        assert place is not None, prediction.finding.message
        assert place.file == case.__code__.co_filename, prediction.finding.message
        verb = "suspect" if prediction.is_suspicion else "expect"
        found.append((place.line, verb, prediction.finding.code))
    return sorted(found)
