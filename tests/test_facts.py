"""Every fact has a test, and tests name facts that exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.facts import FACTS, fact

HERE = Path(__file__).parent


def facts_named_in(source: str) -> list[str]:
    """The IDs in the `@fact(...)` marks of test functions."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "fact":
                    found += [ast.literal_eval(argument) for argument in mark.args]
    return found


def test_facts_all_have_a_test():
    """Each fact is named by the mark of at least one test, and no mark names an unknown one."""
    sources = [path.read_text() for path in sorted(HERE.rglob("test_*.py"))]

    named = {one for source in sources for one in facts_named_in(source)}

    assert [] == sorted(set(FACTS) - named)
    assert [] == sorted(named - set(FACTS))


def test_facts_in_marks_are_seen_and_others_are_not():
    """A mark counts only above a test function."""
    source = '@fact("F1.01", "F1.02")\ndef test_x(): ...\n@fact("F1.03")\ndef helper(): ...'

    assert ["F1.01", "F1.02"] == facts_named_in(source)


def test_facts_unknown_ids_are_refused():
    """A misspelt or missing ID fails when the test module is imported."""
    with pytest.raises(ValueError, match=r"F9\.99"):
        fact("F9.99")
    with pytest.raises(ValueError, match="none named"):
        fact()


def test_facts_have_ids_in_order_and_distinct_wordings():
    """IDs are chapter and number in ascending order, and no two facts say the same."""
    numbers = [tuple(map(int, re.fullmatch(r"F(\d+)\.(\d+)", one).groups())) for one in FACTS]

    assert numbers == sorted(numbers)
    assert len(FACTS) == len(set(FACTS.values()))
