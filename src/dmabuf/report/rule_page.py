"""A rule of the catalogue as text: the list of all, and the page of one."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from dmabuf.codes import Code
from dmabuf.report.style import Style

__all__ = ["RulePage", "designs_of", "page_data", "rule_list", "rule_text"]


class Source(Protocol):
    """Where a rule is written down, and in which words."""

    @property
    def where(self) -> str:
        """The place."""
        ...

    @property
    def says(self) -> str:
        """What is said there."""
        ...


class Check(Protocol):
    """Who enforces a rule, and what that notices."""

    @property
    def by(self) -> str:
        """The kind of checker."""
        ...

    @property
    def where(self) -> str:
        """The code that notices."""
        ...

    @property
    def how(self) -> str:
        """What it notices."""
        ...


class RulePage(Protocol):
    """What a page needs to know of a rule; `dmabuf.rules` has them."""

    @property
    def why(self) -> str:
        """The reasons."""
        ...

    @property
    def sources(self) -> Sequence[Source]:
        """Where it is written down."""
        ...

    @property
    def checks(self) -> Sequence[Check]:
        """Who enforces it."""
        ...

    @property
    def allowed(self) -> str:
        """What it does not forbid."""
        ...


def rule_list(codes: Iterable[Code], style: Style) -> str:
    """One rule a line: ID, strength, sentence, statement."""
    lines: list[str] = []
    for code in codes:
        head = f"{style.paint('rule', code.id)}  {code.sentence.value}  {code.strength.value:<6}  "
        margin = " " * (len(code.id) + 13)
        first, *rest = style.wrap(code.statement, margin)
        lines += [head + first[len(margin) :], *rest]
    return "\n".join(lines)


def rule_text(
    code: Code, rule: RulePage | None, style: Style, documents: Mapping[str, str] | None = None
) -> str:
    """The page of a rule: what, why, says who, how it looks broken and kept, who checks it.

    Args:
        code: its entry in the catalogue.
        rule: its page, if it has one.
        style: width and colours.
        documents: what the documents are that sources name by number.
    """
    name = style.paint("rule", code.id)
    first, *rest = style.wrap(code.statement, " " * (len(code.id) + 1))
    lines = [f"{name} {first.lstrip()}", *rest, ""]
    lines += style.wrap(f"{code.sentence.value}, {code.sentence.meaning}", "  protects: ")
    lines.append(f"  strength: {code.strength.value}")
    lines.append(f"  checked by: {', '.join(code.decided_by)}")
    if code.implies:
        lines += style.wrap(", ".join(code.implies), "  implies: ")
    lines += style.wrap(code.remedy, "  remedy: ")
    if rule is not None:
        lines += _reasons(rule, style, documents or {})
        for role, design in designs_of(rule):
            lines += ["", style.paint("head", f"  {role}")]
            lines += textwrap.indent(_source_of(design), "    ").rstrip().split("\n")
        checks = [f"{check.by}: {check.how} ({check.where})" for check in rule.checks]
        lines += _section("Checks", checks, style, "    - ")
    return "\n".join(lines)


def _reasons(rule: RulePage, style: Style, documents: Mapping[str, str]) -> list[str]:
    paragraphs = textwrap.dedent(rule.why).strip().split("\n\n")
    lines = _section("Why", paragraphs, style)
    lines += _section("Allowed", [rule.allowed] if rule.allowed else [], style)
    sources = [f"{source.where}: {source.says}" for source in rule.sources]
    numbers = [n for n in documents if any(one.startswith(n) for one in sources)]
    sources += [f"{number} is: {documents[number]}" for number in numbers]
    return lines + _section("Sources", sources, style, "    - ")


def _section(title: str, paragraphs: Sequence[str], style: Style, first: str = "    ") -> list[str]:
    """A heading and its paragraphs; nothing without any."""
    if not paragraphs:
        return []
    lines = ["", style.paint("head", f"  {title}")]
    for paragraph in paragraphs:
        lines += style.wrap(paragraph, first)
    return lines


def designs_of(rule: object) -> list[tuple[str, Callable[..., Any]]]:
    """A rule's designs with the part that each plays."""
    found: list[tuple[str, Callable[..., Any]]] = []
    roles = (
        ("Counterexample", "counterexample"),
        ("Another counterexample", "variants"),
        ("Fix", "fix"),
        ("Near-miss, which keeps the rule", "near_misses"),
    )
    for role, attribute in roles:
        value: object = getattr(rule, attribute, None)
        several = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
        found += [(role, design) for design in several if callable(design)]
    return found


def _source_of(design: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(design))
    except (OSError, TypeError):
        return f"{getattr(design, '__name__', design)} (its source is not here)"


def page_data(rule: RulePage) -> dict[str, Any]:
    """The page of a rule for machines: reasons, sources, checks and the text of its designs."""
    return {
        "why": textwrap.dedent(rule.why).strip(),
        "allowed": rule.allowed,
        "sources": [{"where": one.where, "says": one.says} for one in rule.sources],
        "checks": [{"by": one.by, "where": one.where, "how": one.how} for one in rule.checks],
        "designs": [
            {"name": design.__name__, "role": role, "text": _source_of(design)}
            for role, design in designs_of(rule)
        ],
    }
