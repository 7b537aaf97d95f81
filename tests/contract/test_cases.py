"""The corpus: nothing missed, nothing false, on threads and in virtual time."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from dmabuf.contract.validator import Validator
from dmabuf.rules import RULES
from tests.support import ground

_CASES = Path(__file__).parent / "cases"
_MARK = re.compile(r"# (expect|suspect): (DF\d+)")

Told = list[tuple[int, str, str]]
"""Line, whether expected or suspected, and rule; in order, and as often as told."""


def _all() -> list[Any]:
    found = []
    for path in sorted(_CASES.glob("[a-z]*.py")):
        module = importlib.import_module(f"tests.contract.cases.{path.stem}")
        found += [
            pytest.param(fn, id=f"{path.stem}-{name}")
            for name, fn in vars(module).items()
            if inspect.isfunction(fn) and fn.__module__ == module.__name__ and name[0] != "_"
        ]
    return found


def _expected(case: Any) -> Told:
    lines, first = inspect.getsourcelines(case)
    found = ((first + index, _MARK.search(line)) for index, line in enumerate(lines))
    return [(number, match[1], match[2]) for number, match in found if match]


def _told(case: Any, kind: str) -> Told:
    on = ground(kind)
    validator = Validator(**getattr(case, "how", {}))

    def run() -> None:
        with validator.watching(on.runtime):
            case(on)

    on.reports(run)
    assert not validator.limits
    told: Told = []
    for prediction in validator.predictions:
        place = prediction.finding.place
        assert place is not None, prediction.finding.message
        assert place.file == case.__code__.co_filename, prediction.finding.message
        verb = "suspect" if prediction.is_suspicion else "expect"
        told.append((place.line, verb, prediction.finding.code))
    return sorted(told)


@pytest.mark.parametrize("kind", ["threads", "greenlets", "baton"])
@pytest.mark.parametrize("case", _all())
def test_validator_tells_exactly_what_the_case_says(case: Any, kind: str) -> None:
    """Each marked line has its finding, and nothing else has one."""
    expected = _expected(case)

    told = _told(case, kind)

    assert expected == told


def test_corpus_has_both_kinds_in_number() -> None:
    """At least 60 cases, and as near-misses no fewer than a third of them."""
    cases = [one.values[0] for one in _all()]

    quiet = [case for case in cases if not _expected(case)]

    assert 60 <= len(cases)
    assert len(cases) <= 3 * len(quiet)


def test_every_rule_that_names_the_validator_has_a_case() -> None:
    """What a rule's page says of the validator is shown by the corpus."""
    named = {
        code
        for code, rule in RULES.items()
        if any("contract.validator" in check.where for check in rule.checks)
    }

    shown = {code for one in _all() for _line, _verb, code in _expected(one.values[0])}

    assert named <= shown
    assert {"DF001", "DF202", "DF301"} <= named
