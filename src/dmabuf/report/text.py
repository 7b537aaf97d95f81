"""Verdicts and troubles as text for people, in colour only when that is asked for.

>>> print(verdict_text(Verdict("f.py::fixed", Status.PROVED, executions=2, steps=14)))
f.py::fixed: PROVED
  2 executions, 14 steps, 0.00 s; every schedule was explored
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dmabuf.codes import CODES
from dmabuf.report.columns import clean
from dmabuf.report.finding import Finding
from dmabuf.report.judgement import judgement_lines
from dmabuf.report.schedule import schedule_lines
from dmabuf.report.style import Style
from dmabuf.report.verdict import Status, Trouble, Verdict
from dmabuf.report.waits import stack_lines, wait_lines

__all__ = [
    "fact_lines",
    "finding_text",
    "replay_line",
    "summary_text",
    "switches_text",
    "trouble_text",
    "verdict_line",
    "verdict_text",
]

_OF_STATUS = {
    Status.PROVED: "good",
    Status.VIOLATED: "bad",
    Status.BOUNDED: "unsure",
    Status.INCONCLUSIVE: "unsure",
}
_MAX_MESSAGE = 600
_MOST_LINES = 34
_LEAST_ROWS = 8


def verdict_text(verdict: Verdict, style: Style | None = None) -> str:
    """The whole report about one design."""
    style = style or Style()
    lines = [_headline(verdict, style), *judgement_lines(verdict.predicted, style)]
    for number, finding in enumerate(verdict.findings, 1):
        lines.append("")
        if len(verdict.findings) > 1:
            title = f"  Finding {number} of {len(verdict.findings)}"
            lines += [style.paint("head", title), ""]
        lines += _finding(finding, verdict.subject, style)
    if verdict.findings:
        lines.append("")
    lines += fact_lines(verdict, style)
    return "\n".join(lines)


def finding_text(finding: Finding, style: Style | None = None) -> str:
    """One finding, for reports that are not about a design."""
    return "\n".join(_finding(finding, "", style or Style()))


def verdict_line(verdict: Verdict, style: Style | None = None) -> str:
    """The verdict in one line."""
    style = style or Style()
    line = _headline(verdict, style)
    if verdict.findings:
        first = verdict.findings[0]
        more = f" (and {len(verdict.findings) - 1} more)" if len(verdict.findings) > 1 else ""
        return f"{line} {first.code} {_message(first.message)}{more}"
    return f"{line} ({clean(verdict.limit)})" if verdict.limit else line


def trouble_text(trouble: Trouble, style: Style | None = None) -> str:
    """One message about an input that could not be used: where, what, and what to do."""
    style = style or Style()
    place = style.places.text(trouble.place)
    where = clean(trouble.subject)
    if place and not place.startswith(f"{where}:"):
        where = f"{where}: {place}"
    elif place:
        where = place
    text = f"{where}: {_message(trouble.message)}"
    return f"{text}; {clean(trouble.remedy)}" if trouble.remedy else text


def summary_text(verdicts: Sequence[Verdict], style: Style | None = None) -> str:
    """How many designs, and how many of each verdict."""
    style = style or Style()
    counts = [
        style.paint(_OF_STATUS[status], f"{count} {status.value}")
        for status in Status
        if (count := sum(verdict.status is status for verdict in verdicts))
    ]
    return f"{_number(len(verdicts), 'design')}: {', '.join(counts)}"


def replay_line(subject: str, token: str) -> str:
    """The command that shows a finding again."""
    return f"dmabuf check {_quoted(subject)} --replay {_quoted(token)}"


def _quoted(word: str) -> str:
    """A word as a shell reads it; control characters in bash's own notation."""
    if word.isprintable():
        return shlex.quote(word)
    inner = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{clean(inner)}'"


# -- one verdict -----------------------------------------------------------------------------------


def _headline(verdict: Verdict, style: Style) -> str:
    status = style.paint(_OF_STATUS[verdict.status], verdict.status.value)
    return f"{clean(verdict.subject)}: {status}"


def fact_lines(verdict: Verdict, style: Style | None = None) -> list[str]:
    """What the verdict rests on: counts, limits, assumptions. A line each without a style."""
    style = style or Style(width=100_000)
    lines = style.wrap(f"{_counts(verdict)}; {_extent(verdict)}", "  ")
    if verdict.limit and verdict.status is not Status.VIOLATED:
        lines += style.wrap(_advice(verdict), "  ")
    if verdict.assumed and verdict.status is not Status.VIOLATED:
        lines += style.wrap("; ".join(clean(one) for one in verdict.assumed), "  assumed: ")
    for note in verdict.notes:
        lines += style.wrap(clean(note), "  note: ")
    return lines


def _counts(verdict: Verdict) -> str:
    counts = [
        _number(verdict.executions, "execution"),
        _number(verdict.steps, "step"),
        f"{verdict.seconds:.2f} s",
    ]
    if verdict.cut:
        counts.insert(1, f"{verdict.cut:,} cut short")
    if verdict.carrier:
        counts[-1] += f" with {clean(verdict.carrier)}"
    return ", ".join(counts)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _extent(verdict: Verdict) -> str:
    if not verdict.limit:
        return "every schedule was explored"
    if verdict.limit == "one schedule":
        return "this one schedule was run"
    if verdict.status is Status.VIOLATED:
        return f"the search ended early ({clean(verdict.limit)}), there may be more"
    return f"limit reached: {clean(verdict.limit)}"


def _advice(verdict: Verdict) -> str:
    """What to do about a limit that was reached."""
    limit = verdict.limit
    nothing = "Nothing wrong was found up to there, which proves nothing beyond. "
    if limit == "one schedule":
        return "One schedule proves nothing about the others; check without --replay explores all."
    if limit.endswith("in one execution"):
        return nothing + "Let the design's loops end after a few rounds; then all can be explored."
    if limit.endswith(" executions"):
        return nothing + f"Raise it: --budget {_doubled(limit)}x."
    if limit.endswith(" s"):
        return nothing + f"Raise it: --budget {_doubled(limit)}s; or make the design smaller."
    return nothing + "A smaller design can be explored completely."


def _doubled(limit: str) -> str:
    try:
        return f"{2 * float(limit.split()[0].replace(',', '')):g}"
    except ValueError:
        return "2"


# -- one finding -----------------------------------------------------------------------------------


def _message(text: str) -> str:
    text = clean(text)
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"


def _finding(finding: Finding, subject: str, style: Style) -> list[str]:
    """A finding in at most `_MOST_LINES` lines, where a line has room for 80 characters."""
    lines = _explanation(finding, style)
    end = _end(finding, subject, style)
    room = _MOST_LINES - len(lines) - len(end)
    if finding.waits:
        least = _LEAST_ROWS + 3 if finding.steps else 0
        waits = wait_lines(finding.waits, style, max(room - least - 2, _LEAST_ROWS))
        lines += ["", style.paint("head", "  Who waits for whom"), *waits]
        room -= len(waits) + 2
    if finding.steps:
        rows = max(room - 3, _LEAST_ROWS)
        lines += ["", *style.wrap(f"Schedule, {switches_text(finding)}", "  ")]
        lines[-1] = style.paint("head", lines[-1])
        lines += schedule_lines(finding, style.width, style.paint, style.places, rows)
    return lines + end


def _end(finding: Finding, subject: str, style: Style) -> list[str]:
    """What to do, and how to see it again."""
    lines = [""]
    code = CODES.get(finding.code)
    if code is not None:
        lines += style.wrap(code.remedy, "  remedy: ")
    if finding.token:
        lines.append(f"  replay: {replay_line(subject, finding.token)}")
    return lines


def _explanation(finding: Finding, style: Style) -> list[str]:
    """The rule, what it says, and how it is broken here."""
    code = CODES.get(finding.code)
    lines: list[str] = []
    if code is not None:
        name = style.paint("rule", finding.code)
        first, *rest = style.wrap(code.statement, " " * (3 + len(finding.code)))
        lines += [f"  {name} {first.lstrip()}", *rest]
    lines += style.wrap(_message(finding.message), "  here: ")
    if finding.place is not None and all(wait.place != finding.place for wait in finding.waits):
        deep = len(finding.stack) > 1 and finding.stack[0] == finding.place
        stack = finding.stack if deep else (finding.place,)
        lines += stack_lines(stack, style, "  at: ")
    for taken in finding.taken:
        lines += stack_lines(taken.stack, style, f"  took {clean(taken.lock)} at ")
    if finding.implied:
        lines += style.wrap(clean(", ".join(finding.implied)), "  also broken: ")
    return lines


def switches_text(finding: Finding) -> str:
    """How many context switches, whether there can be fewer, and what is left out."""
    text = f"{finding.switches} context switch{'' if finding.switches == 1 else 'es'}"
    if finding.fewest:
        text += " (the fewest possible)"
    if finding.turn:
        made = sum(not step.blocked for step in finding.steps)
        first = made - finding.turn + 1
        which = f"steps {first} to {made} are" if finding.turn > 1 else f"step {made} is"
        text += f"; {which} repeated for ever"
    if finding.left_out:
        steps = _number(finding.left_out, "step")
        text += f"; {steps} of other tasks, which {_change(finding.left_out)} nothing, left out"
    return text


def _change(count: int) -> str:
    return "changes" if count == 1 else "change"
