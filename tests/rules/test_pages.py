"""docs/rules is what the rules say, and its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dmabuf.machine import is_design
from dmabuf.report.judgement import Outcome
from dmabuf.report.verdict import Verdict
from dmabuf.rules import RULES
from dmabuf.rules.frame import explored
from rules_pages import DOCS, main, pages, stale

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_pages_are_up_to_date() -> None:
    """docs/rules holds exactly what tools/rules_pages.py would write."""
    assert [] == stale(), "run python3 tools/rules_pages.py"


def test_pages_that_differ_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, changed and left-over pages are stale; writing cures all three."""
    wanted = pages()
    monkeypatch.setattr("rules_pages.DOCS", tmp_path)
    monkeypatch.setattr("rules_pages.pages", lambda: wanted)
    for name, text in wanted.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "DF001.md").unlink()
    (tmp_path / "DF002.md").write_text("old", encoding="utf-8")
    (tmp_path / "DF999.md").write_text("left over", encoding="utf-8")

    assert ["DF001.md", "DF002.md", "DF999.md"] == stale()
    assert main(["--check"]) == 1
    assert "DF999.md" in capsys.readouterr().out
    assert main([]) == 0
    assert [] == stale()
    assert main(["--check"]) == 0


@pytest.mark.parametrize("code", RULES)
def test_page_code_runs_as_it_stands(code: str) -> None:
    """Each code block of a page is a whole file with one design, whose verdict is as declared."""
    rule = RULES[code]
    broken = "CONFIRMED" if rule.is_judged else "VIOLATED"
    wanted = dict.fromkeys((fn.__name__ for fn in rule.broken), broken)
    wanted |= {fn.__name__: "PROVED" for fn in rule.kept}
    found: dict[str, str] = {}

    for block in BLOCK.findall((DOCS / f"{code}.md").read_text(encoding="utf-8")):
        names: dict[str, Any] = {}
        exec(compile(block, "<page>", "exec"), names)
        (fn,) = (value for value in names.values() if is_design(value))
        found[fn.__name__] = _outcome(explored(rule, fn))

    assert wanted == found


def _outcome(verdict: Verdict) -> str:
    """The status, or that a prediction is confirmed."""
    confirmed = any(one.outcome is Outcome.CONFIRMED for one in verdict.predicted)
    return "CONFIRMED" if confirmed else verdict.status.value
