"""From a finding to a design: a skeleton of its chain that the explorer confirms or refutes.

Each hop is a function that says which line of the source it stands for. What the source does
besides is left out; whoever knows it puts it in, and looks whether the verdict changes.
"""

from __future__ import annotations

import keyword
import re

from dmabuf.audit.checks.plot import Plot
from dmabuf.audit.checks.plots import plot_of
from dmabuf.report.columns import clean
from dmabuf.report.source_finding import Hop, SourceFinding

__all__ = ["Untold", "design_of"]

_WORD = re.compile(r"\W+", re.ASCII)
_TAKEN_TEXT = """
machine fence lock buffer user queue event pushed engine victim other mm scan invalidate evict
holder submit run allocate copy_to_user copy_from_user notifier done map_more signalling pages
"""
_TAKEN = frozenset(_TAKEN_TEXT.split())
_LONGEST = 90
_UNTOLD = {"DF606": "it is about what is built, and nothing runs"}


class Untold(Exception):
    """There is no design for a finding of this kind; the message says why."""


def design_of(finding: SourceFinding) -> str:
    """A Python file with one design. Raises Untold."""
    plot = plot_of(finding)
    if plot is None:
        why = _UNTOLD.get(finding.code, "it is no chain of calls that a task could make")
        raise Untold(
            f"{finding.code}: a design cannot show this: {why}; "
            f"dmabuf rules {finding.code} says more"
        )
    names = _names(finding)
    words = {
        "driver": _quoted(
            finding.place.file.split("/")[-2] if "/" in finding.place.file else "gpu"
        ),
        "name": _quoted(finding.hops[-1].text.partition("(")[0] if finding.hops else "it"),
        "root": names[0],
    }
    body = [*_filled(plot.before, words), *_chain(finding, plot, names, words)]
    if plot.runs:
        body += ["", *_filled((plot.runs,), words)]
    body += _filled(plot.others, words)
    lines = [
        f'"""{_said(f"{finding.code}: {finding.message}")}.',
        "",
        f"The chain of {_said(finding.key)}, without what the source does besides.",
        *((f"The explorer reports {plot.shows}: {plot.why}.",) if plot.shows else ()),
        '"""',
        "",
        *_imports(plot),
        "",
        "",
        "@design",
        f"def {names[0]}_design(machine: Machine) -> None:",
        f'    """{_said(finding.entry or finding.root)}."""',
        *(f"    {line}" if line else "" for line in body),
        "",
    ]
    return "\n".join(lines)


def _imports(plot: Plot) -> list[str]:
    """One line a module, the facade first."""
    found: dict[str, set[str]] = {"dmabuf": {"Machine", "design"}}
    for line in plot.imports:
        _from, module, _import, names = line.split(" ", 3)
        found.setdefault(module, set()).update(names.split(", "))
    return [f"from {module} import {', '.join(sorted(found[module]))}" for module in sorted(found)]


def _filled(lines: tuple[str, ...], words: dict[str, str]) -> list[str]:
    return [line.format(**words) for line in lines]


def _chain(
    finding: SourceFinding, plot: Plot, names: list[str], words: dict[str, str]
) -> list[str]:
    """The functions, the last one first, as Python wants to know them before they are called."""
    lines: list[str] = []
    for at in range(len(names) - 1, -1, -1):
        act = _filled(plot.act, words) if at == len(names) - 1 else [f"{names[at + 1]}()"]
        if at == 0:
            act = _around(act, plot)
        where = _where(finding.hops[at]) if at < len(finding.hops) else ""
        lines += ["", f"def {names[at]}() -> None:{where}", *(f"    {line}" for line in act)]
    return lines


def _around(act: list[str], plot: Plot) -> list[str]:
    """What the first function does besides: it signals, it has a section before and after."""
    signal = ["fence.signal()"] if plot.signals else []
    if not plot.gap:
        return [*act, *signal]
    within = [f"    {line}" for line in signal or ["pass"]]
    before = ["with signalling():", "    pass  # and is left, for what follows"]
    return [*before, *act, "with signalling():", *within]


def _where(hop: Hop) -> str:
    return _cut(f"  # {clean(hop.place.file)}:{hop.place.line}")


def _names(finding: SourceFinding) -> list[str]:
    """A Python name for each hop, none twice."""
    found: list[str] = []
    for hop in finding.hops:
        word = _WORD.sub("_", hop.place.function or "it").strip("_") or "it"
        if word[0].isdigit() or keyword.iskeyword(word) or word in _TAKEN:
            word = f"c_{word}"
        while word in found:
            word += "_"
        found.append(word)
    return found or ["it"]


def _quoted(text: str) -> str:
    """Somebody's word for the inside of a string, and of a format that was filled already."""
    return _WORD.sub("_", text)


def _said(text: str) -> str:
    """Somebody's words for a docstring."""
    return _cut(clean(text).replace("\\", "/").replace('"""', "'''").rstrip('"'))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
