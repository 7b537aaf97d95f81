"""The corpus: nothing missed, nothing false, on threads and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from dmabuf.rules import RULES
from tests.contract.corpus import all_cases, expected, told, watched

_CASES = all_cases()


@pytest.mark.parametrize("kind", ["threads", "greenlets", "baton"])
@pytest.mark.parametrize("case", [pytest.param(fn, id=name) for name, fn in _CASES.items()])
def test_validator_tells_exactly_what_the_case_says(case: Any, kind: str) -> None:
    """Each marked line has its finding, and nothing else has one."""
    marked = expected(case)

    found = told(case, watched(case, kind))

    assert marked == found


def test_corpus_has_both_kinds_in_number() -> None:
    """At least 60 cases, and as near-misses no fewer than a third of them."""
    quiet = [case for case in _CASES.values() if not expected(case)]

    assert 60 <= len(_CASES)
    assert len(_CASES) <= 3 * len(quiet)


def test_every_rule_that_names_the_validator_has_a_case() -> None:
    """What a rule's page says of the validator is shown by the corpus."""
    named = {
        code
        for code, rule in RULES.items()
        if any("contract.validator" in check.where for check in rule.checks)
    }

    shown = {code for case in _CASES.values() for _line, _verb, code in expected(case)}

    assert named <= shown
    assert {"DF001", "DF202", "DF301"} <= named
