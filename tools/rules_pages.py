"""Write docs/rules/ from `dmabuf.rules`: one page per rule and an index.

    python3 tools/rules_pages.py            # writes
    python3 tools/rules_pages.py --check    # says which pages are not up to date; exit 1 if any

Every code block of a page is a whole file: imports, what it needs of its module, the design.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import dmabuf
from dmabuf.codes import CODES, Code
from dmabuf.machine import Design
from dmabuf.report.rule_run import broken_lines
from dmabuf.report.schedule import Places
from dmabuf.report.style import Style
from dmabuf.rules import DOCUMENTS, PAGES, RULES, SOURCE_RULES, Rule, RuleRun, SourceRule
from dmabuf.rules.frame import explored

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "rules"
CASES = ROOT / "tests" / "audit" / "cases"
_DIFFERS = "DF005"
"""The rule whose counterexample goes another way in each run, so that no page can show it."""
_MARK = "<!-- written by tools/rules_pages.py: edit src/dmabuf/codes.py or src/dmabuf/rules/ -->"


def pages() -> dict[str, str]:
    """All files of docs/rules by name."""
    found = {f"{code}.md": page(rule) for code, rule in RULES.items()}
    shown = {f"{code}.md": source_page(rule) for code, rule in SOURCE_RULES.items()}
    return {"index.md": index(PAGES.values()), **found, **shown}


def index(rules: Iterable[Rule | SourceRule]) -> str:
    """The list of all rules and of the documents that they come from."""
    lines = [
        _MARK,
        "# Rules",
        "",
        "What `dmabuf` checks, rule by rule. L: " + _meaning("L") + "; A: " + _meaning("A") + ".",
        "`dmabuf rules ID` prints a page, `dmabuf rules --run` runs the designs of all.",
        "",
        "| rule | protects | strength | statement |",
        "|---|---|---|---|",
    ]
    for rule in rules:
        code = CODES[rule.code]
        protects, strength = code.sentence.value, code.strength.value
        lines.append(f"| [{code.id}]({code.id}.md) | {protects} | {strength} | {code.statement} |")
    lines += ["", "## Documents", "", "Sources name these by number."]
    lines += ["", *(f"* **{number}**: {title}" for number, title in DOCUMENTS.items()), ""]
    return "\n".join(lines)


def page(rule: Rule) -> str:
    """The page of one rule."""
    lines = _reasons(rule)
    broken = f"VIOLATED, {rule.code}."
    if rule.is_judged:
        broken = f"No run goes wrong: PROVED. Predicted, and CONFIRMED by a search: {rule.code}."
    lines += _section("Counterexample", broken, [rule.counterexample])
    lines += _what_happens(rule)
    lines += _section("Fix", "PROVED.", [rule.fix])
    lines += _section("Also broken", broken, rule.variants)
    lines += _section(
        "Near-misses", "They look like it and keep the rule: PROVED.", rule.near_misses
    )
    return "\n".join(lines) + "\n"


def source_page(rule: SourceRule) -> str:
    """The page of a rule that source alone shows."""
    lines = _reasons(rule)
    lines += ["", "## In source", "", "`EXPECT` marks what the auditor finds; the rest is silent."]
    for name in rule.snippets:
        language = "c" if name.endswith(".c") else "kconfig"
        text = (CASES / name).read_text(encoding="utf-8").rstrip()
        lines += ["", f"```{language}", text, "```"]
    return "\n".join(lines) + "\n"


def _reasons(rule: Rule | SourceRule) -> list[str]:
    """What both kinds of page begin with."""
    code = CODES[rule.code]
    lines = [_MARK, f"# {code.id}", "", f"**{code.statement}**", "", *_facts(code), ""]
    lines += ["## Why", "", rule.why, ""]
    if rule.allowed:
        lines += [f"*Allowed:* {rule.allowed}", ""]
    lines += [f"*Instead:* {code.remedy}", "", "## Sources", ""]
    lines += [f"* {source.where}: {source.says}." for source in rule.sources]
    lines += ["", "## Checked by", ""]
    return lines + [f"* {check.by}: {check.how} (`{check.where}`)." for check in rule.checks]


def standalone(fn: Design) -> str:
    """The design as a file that can be checked by itself."""
    module = inspect.getmodule(fn)
    assert module is not None
    source = inspect.getsource(fn)
    body = _parsed(module).body
    names, imports, others = {"design", *_names(ast.parse(source))}, set[str](), list[str]()
    helpers: list[str] = []
    for node in reversed(body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if node.name in names and not node.decorator_list:
                names |= _names(node)
                helpers.append(ast.get_source_segment(inspect.getsource(module), node) or "")
            continue
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Assign):
            continue
        bound = _bound(node) & names
        if not bound:
            continue
        if isinstance(node, ast.Assign):
            names |= _names(node)
            others.append(ast.unparse(node))
        else:
            imports |= _imports(node, bound, module)
    head = [*_facade(imports), *([""] if others else []), *reversed(others)]
    functions = [*reversed(helpers), source.rstrip()]
    return "\n\n\n".join(["\n".join(head), *functions])


@functools.cache
def _parsed(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _imports(node: ast.Import | ast.ImportFrom, bound: set[str], module: ModuleType) -> set[str]:
    if isinstance(node, ast.Import):
        return {f"import {name}" for name in bound}
    where = node.module or ""
    short = [n for n in bound if getattr(dmabuf, n, None) is getattr(module, n)]
    return {f"from {'dmabuf' if name in short else where} import {name}" for name in bound}


def _facade(imports: set[str]) -> list[str]:
    """Import lines with all names of one module together."""
    plain = sorted(line for line in imports if line.startswith("import "))
    by_module: dict[str, list[str]] = {}
    for line in sorted(imports - set(plain)):
        _from, where, _import, name = line.split()
        by_module.setdefault(where, []).append(name)
    lines = [f"from {where} import {', '.join(names)}" for where, names in by_module.items()]
    return [*plain, *([""] if plain and lines else []), *lines]


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _bound(node: ast.Import | ast.ImportFrom | ast.Assign) -> set[str]:
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {alias.asname or alias.name for alias in node.names}


def _facts(code: Code) -> list[str]:
    lines = [
        f"* protects {code.sentence.value}: {code.sentence.meaning}",
        f"* strength: {code.strength.value}",
        f"* decided by: {', '.join(code.decided_by)}",
    ]
    implied = ", ".join(f"[{one}]({one}.md)" for one in code.implies)
    return [*lines, f"* implies, where it applies: {implied}"] if implied else lines


def _section(title: str, verdict: str, designs: Iterable[Design]) -> list[str]:
    blocks = [["", "```python", standalone(fn), "```"] for fn in designs]
    lines = [line for block in blocks for line in block]
    return ["", f"## {title}", "", verdict, *lines] if lines else []


@functools.cache
def _story(code: str) -> tuple[str, ...]:
    """How the counterexample of a rule breaks it, step by step; nothing if each run differs."""
    if code == _DIFFERS:
        return ()
    rule = RULES[code]
    verdict = explored(rule, rule.counterexample)
    style = Style(width=96, places=Places(str(Path(dmabuf.__file__).parents[1])))
    shown = broken_lines(RuleRun(code, True, (), 0.0, verdict), style)
    return tuple(line.rstrip() for line in shown)


def _what_happens(rule: Rule) -> list[str]:
    story = _story(rule.code)
    return ["", "### What happens", "", "```text", *story, "```"] if story else []


def _meaning(letter: str) -> str:
    return next(c.sentence.meaning for c in CODES.values() if c.sentence.value == letter)


def stale() -> list[str]:
    """Names of the files that are missing, differ, or should not be there."""
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    names = sorted(wanted.keys() | there.keys())
    return [name for name in names if wanted.get(name) != there.get(name)]


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare; the exit code."""
    if arguments == ["--check"]:
        print("\n".join(stale()) or "docs/rules is up to date")
        return 1 if stale() else 0
    wanted = pages()
    DOCS.mkdir(parents=True, exist_ok=True)
    for name in stale():
        if name in wanted:
            (DOCS / name).write_text(wanted[name], encoding="utf-8")
        else:
            (DOCS / name).unlink()
        print(f"docs/rules/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
