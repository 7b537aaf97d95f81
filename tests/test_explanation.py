"""docs/explanation: every claim is executed, and the pages say what came out."""

import re
import subprocess
import sys

import pytest

import executed_page

PAGES = sorted(executed_page.PAGES.glob("*.md"))
IDS = [page.stem for page in PAGES]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_claims_of_a_page_are_what_comes_out(page):
    """The designs that a page names are explored, and have the verdicts that it prints."""
    text = page.read_text("utf-8")

    assert executed_page.executed(text) == text, "run python3 tools/executed_page.py"


def _programs():
    for page in PAGES:
        found = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        for number, program in enumerate(found, 1):
            yield pytest.param(program, id=f"{page.stem}-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("program", [*_programs()])
def test_programs_of_a_page_run(program):
    """No error, no warning, nothing printed."""
    command = [sys.executable, "-W", "error", "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "", "") == (found.returncode, found.stdout, found.stderr)


def test_claim_about_a_design_that_is_not_there_is_an_error():
    """A page cannot name what does not exist."""
    with pytest.raises(KeyError, match="no design imaginary"):
        executed_page.executed("<!-- verdicts: DF201.imaginary -->\n<!-- end -->\n")


def test_claim_with_another_verdict_is_an_error(monkeypatch):
    """A design that is not as its rule declares ends the tool, and is not written down."""
    rule = executed_page.RULES["DF001"]
    wrong = type(rule)(
        rule.code, rule.why, rule.sources, rule.fix, rule.fix, rule.near_misses, rule.checks
    )
    monkeypatch.setitem(executed_page.RULES, "DF001", wrong)
    monkeypatch.setattr(executed_page, "_known", {})

    with pytest.raises(SystemExit, match="not as declared"):
        executed_page.executed(f"<!-- verdicts: DF001.{rule.fix.__name__} -->\n<!-- end -->\n")
