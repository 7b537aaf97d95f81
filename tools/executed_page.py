"""Run what docs/explanation/ claims, and write the outcome into the pages.

    python3 tools/executed_page.py            # runs, writes
    python3 tools/executed_page.py --check    # runs, says which pages do not say what came out

A claim is a comment on a line of its own; what lies between it and `<!-- end -->` is its outcome.

    <!-- verdicts: DF201 -->                      a table of all designs of the rule
    <!-- verdicts: DF201.one_design, DF202.x -->  of these designs
    <!-- broken: DF201.one_design -->             how the design breaks the rule, step by step

A design whose verdict is not the one that its rule declares is an error: the page would be wrong.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

from dmabuf.explore.check import Budget
from dmabuf.machine import Design
from dmabuf.report.rule_run import broken_lines
from dmabuf.report.style import Style
from dmabuf.report.verdict import Verdict
from dmabuf.rules import RULES, Rule, RuleRun
from dmabuf.rules.frame import compared, explored
from generated import write_or_check

PAGES = Path(__file__).resolve().parent.parent / "docs" / "explanation"
_CLAIM = re.compile(
    r"^<!-- (?P<kind>verdicts|broken): (?P<what>.*?) -->\n.*?^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
_BUDGET = Budget(seconds=60.0)
_known: dict[str, Verdict] = {}


def executed(text: str) -> str:
    """The page with the outcome of each claim as it is now."""
    return _CLAIM.sub(_outcome, text)


def _outcome(claim: re.Match[str]) -> str:
    kind, what = claim["kind"], claim["what"]
    designs = [one for name in what.split(",") for one in _designs(name.strip())]
    lines = _table(designs) if kind == "verdicts" else _story(*designs[0])
    return "\n".join([f"<!-- {kind}: {what} -->", *lines, "<!-- end -->"])


def _designs(name: str) -> list[tuple[Rule, Design]]:
    """The designs of that name, "DF201" or "DF201.design". Raises KeyError."""
    code, _dot, wanted = name.partition(".")
    rule = RULES[code]
    found = [(rule, fn) for fn in (*rule.broken, *rule.kept) if wanted in ("", fn.__name__)]
    if not found:
        raise KeyError(f"{code} has no design {wanted}")
    return found


def _table(designs: list[tuple[Rule, Design]]) -> list[str]:
    lines = ["", "| design | what it does | verdict |", "|---|---|---|"]
    for rule, fn in designs:
        does = " ".join((inspect.getdoc(fn) or "").split())
        verdict = _verdict(rule, fn)
        word, _space, code = compared(rule, verdict, breaks=fn in rule.broken)[1].rpartition(" ")
        said = f"**{word}** [{code}](../rules/{code}.md)" if word else code
        lines.append(f"| `{fn.__name__}` | {does} | {said} |")
    return [*lines, ""]


def _story(rule: Rule, fn: Design) -> list[str]:
    verdict = _verdict(rule, fn)
    shown = broken_lines(RuleRun(rule.code, True, (), 0.0, verdict), Style(width=96))
    return ["", "```text", *(line.rstrip() for line in shown), "```", ""]


def _verdict(rule: Rule, fn: Design) -> Verdict:
    """The verdict on a design, explored once; SystemExit if it is not as declared."""
    name = f"{rule.code}.{fn.__name__}"
    if name not in _known:
        _known[name] = _explored(rule, fn)
    return _known[name]


def _explored(rule: Rule, fn: Design) -> Verdict:
    verdict = explored(rule, fn, budget=_BUDGET)
    wanted, found = compared(rule, verdict, breaks=fn in rule.broken)
    if wanted != found:
        sys.exit(f"{rule.code}.{fn.__name__}: {found}, not as declared")
    return verdict


def main(arguments: list[str]) -> int:
    """Run the claims of all pages; write, or with --check compare. The exit code."""
    pages = sorted(PAGES.glob("*.md"))
    return max(
        (write_or_check(page, executed(page.read_text("utf-8")), arguments) for page in pages),
        default=0,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
