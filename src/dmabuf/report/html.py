"""Verdicts as one page: it needs no network, and without a script everything can still be read.

Every word of a design is escaped; the page's own policy forbids it to load anything.

>>> page = html_page([Verdict("<b>.py::d", Status.PROVED)])
>>> "&lt;b&gt;.py::d" in page, "<b>.py" in page
(True, False)
"""

from __future__ import annotations

from collections.abc import Sequence

from dmabuf.codes import CODES
from dmabuf.report.draw_graph import draw_graph
from dmabuf.report.draw_timeline import draw_timeline
from dmabuf.report.finding import Finding, Stack, Step, Wait
from dmabuf.report.page_frame import page_frame
from dmabuf.report.predicted_html import predicted_html
from dmabuf.report.schedule import Places
from dmabuf.report.svg import element, text
from dmabuf.report.text import fact_lines, replay_line, summary_text, switches_text, trouble_text
from dmabuf.report.verdict import Status, Trouble, Verdict
from dmabuf.report.wait_graph import graph_of
from dmabuf.report.waits import wait_text

__all__ = ["STATUS_CLASS", "finding_html", "html_frame", "html_page"]

STATUS_CLASS = {
    Status.PROVED: "good",
    Status.VIOLATED: "bad",
    Status.BOUNDED: "unsure",
    Status.INCONCLUSIVE: "unsure",
}
_TALL = 24
"""A table of more steps than this scrolls in a frame of its own."""

_LEGEND = (
    "A dot is a step, a bar a lock held or a fence pending, a dashed line a wait: red where it "
    "never ends. Arrows come from the step that ended a wait, or go to who would have to."
)


def html_page(results: Sequence[Verdict | Trouble], *, places: Places | None = None) -> str:
    """The whole page.

    Args:
        results: verdicts and troubles in order.
        places: how places in source are written.
    """
    places = places or Places()
    verdicts = [result for result in results if isinstance(result, Verdict)]
    counted = summary_text(verdicts) if verdicts else "no design"
    title = verdicts[0].subject if len(verdicts) == 1 else counted
    articles = [
        _verdict(result, number, places)
        if isinstance(result, Verdict)
        else f"<article><p>{text(trouble_text(result))}</p></article>"
        for number, result in enumerate(results, 1)
    ]
    return page_frame(
        title,
        header=f"{text(counted)}</h1>{_index(results)}",
        main="".join(articles),
        script="page.js",
    )


def html_frame(verdict: Verdict) -> str:
    """The page inside another one, for notebooks: neither's style reaches the other."""
    page = html_page([verdict])
    height = 900 if verdict.findings else 220
    frame = {
        "srcdoc": page,
        "sandbox": "allow-scripts",
        "title": verdict.subject,
        "style": f"width:100%;height:{height}px;border:0",
    }
    return element("iframe", frame, " ")


def _index(results: Sequence[Verdict | Trouble]) -> str:
    """Links to all verdicts, where there are several."""
    if len(results) < 2:
        return ""
    lines = [
        f'<li>{_chip(result.status)}<a href="#v{number}">{text(result.subject)}</a></li>'
        for number, result in enumerate(results, 1)
        if isinstance(result, Verdict)
    ]
    return f'<nav aria-label="Designs"><ul>{"".join(lines)}</ul></nav>'


def _chip(status: Status) -> str:
    return f'<span class="chip {STATUS_CLASS[status]}">{status.value}</span>'


def _verdict(verdict: Verdict, number: int, places: Places) -> str:
    findings = "".join(
        finding_html(finding, verdict.subject, places, f"v{number}f{index}")
        for index, finding in enumerate(verdict.findings, 1)
    )

    def show(finding: Finding, ident: str) -> str:
        return finding_html(finding, verdict.subject, places, ident)

    predicted = predicted_html(verdict.predicted, places, show, f"v{number}")
    facts = "".join(f'<p class="quiet">{text(line)}</p>' for line in fact_lines(verdict))
    return (
        f'<article id="v{number}" aria-labelledby="v{number}t"><div class="title">'
        f'<h2 id="v{number}t">{text(verdict.subject)}</h2>{_chip(verdict.status)}</div>'
        f"{predicted}{findings}{facts}</article>"
    )


def finding_html(finding: Finding, subject: str, places: Places, ident: str) -> str:
    """One finding, without the page around it.

    Args:
        finding: what to show.
        subject: the design, for the replay line.
        places: how places in source are written.
        ident: makes the ids of this finding different from others.
    """
    parts = [
        f'<section class="finding" aria-label="{text(finding.code)}">',
        f'<p class="case">{text(finding.message)}</p>',
        _rule(finding),
        _places(finding, places),
        _schedule(finding, places, ident),
        _whom(finding, places, ident),
    ]
    if finding.token:
        line = text(replay_line(subject, finding.token))
        parts.append(
            f'<h3>See it again</h3><div class="replay"><code tabindex="0">{line}</code>'
            '<button class="copy needs-js" type="button">Copy</button></div>'
        )
    return "".join([*parts, "</section>"])


def _rule(finding: Finding) -> str:
    code = CODES.get(finding.code)
    if code is None:
        return f'<div class="rule"><p><b>{text(finding.code)}</b></p></div>'
    lines = [
        f"<p><b>{text(code.id)}</b> {text(code.statement)}</p>",
        f'<p class="remedy"><b>Remedy:</b> {text(code.remedy)}</p>',
    ]
    if finding.implied:
        lines.append(f"<p>Also broken: {text(', '.join(finding.implied))}</p>")
    return f'<div class="rule">{"".join(lines)}</div>'


def _places(finding: Finding, places: Places) -> str:
    """Where a broken rule was noticed, and where the locks held there were taken."""
    if not finding.stack and not (finding.place and not finding.waits):
        return ""
    stack = finding.stack or ((finding.place,) if finding.place else ())
    lines = [_stack("Noticed at", stack, places)]
    lines += [_stack(f"{taken.lock} was taken at", taken.stack, places) for taken in finding.taken]
    return f"<h3>Where</h3>{''.join(lines)}"


# -- the schedule ----------------------------------------------------------------------------------


def _schedule(finding: Finding, places: Places, ident: str) -> str:
    if not finding.steps:
        return ""
    made = sum(not step.blocked for step in finding.steps)
    bar = (
        '<div class="bar needs-js"><button class="back" type="button">&larr; Back</button>'
        '<button class="on-button" type="button">On &rarr;</button>'
        '<span class="where"></span><span class="quiet">arrow keys step</span></div>'
    )
    label = f"Schedule of {made} steps; arrow keys step through it"
    return (
        f'<h3>Schedule</h3><p class="quiet">{text(switches_text(finding))}</p>'
        f'<div class="schedule" role="group" tabindex="0" aria-label="{text(label)}">'
        f"{bar}{_timeline(finding, ident)}"
        '<p class="now needs-js" aria-live="polite"></p>'
        f"{_table(finding.steps, places)}</div>"
    )


def _timeline(finding: Finding, ident: str) -> str:
    drawn = draw_timeline(finding, f"{ident}t")
    if drawn is None:
        return ""
    names = [f'<div style="height:{drawn.top:g}px"></div>']
    for name, kind, height in drawn.lanes:
        told = f'<span title="{text(name)}">{text(name)}</span>'
        told += f'<span class="kind">{text(kind)}</span>' if kind else ""
        names.append(f'<div style="height:{height:g}px">{told}</div>')
    scroll = '<div class="scroll" tabindex="0" role="region" aria-label="Timeline">'
    return (
        f'<figure class="time"><div class="timeline-box">'
        f'<div class="lanes" aria-hidden="true">{"".join(names)}</div>'
        f"{scroll}{drawn.svg}</div></div>"
        f"<figcaption>{_LEGEND}</figcaption></figure>"
    )


def _table(steps: Sequence[Step], places: Places) -> str:
    rows: list[str] = []
    number = 0
    for step in steps:
        attributes: dict[str, object] = {"class": "awaited"}
        if not step.blocked:
            words = f"{step.task} {step.text}" + (f" ({step.note})." if step.note else ".")
            attributes = {"data-step": number, "data-says": words}
            number += 1
        mark = step.note or ("blocked" if step.blocked else "")
        told = text(step.text) + (f' <span class="mark">[{text(mark)}]</span>' if mark else "")
        where = text(places.text(step.place))
        cells = (
            f'<td class="number">{"&ndash;" if step.blocked else number}</td>'
            f'<td class="task">{text(step.task)}</td><td class="what">{told}</td>'
            f'<td class="place">{where}</td>'
        )
        rows.append(element("tr", attributes, cells))
    tall = "tall" if len(steps) > _TALL else ""
    head = "<tr><th>Step</th><th>Task</th><th>What it does</th><th>Line</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div class="{tall}" tabindex="0">{table}</div>' if tall else table


# -- who waits for whom ----------------------------------------------------------------------------


def _whom(finding: Finding, places: Places, ident: str) -> str:
    if not finding.waits:
        return ""
    graph = draw_graph(graph_of(finding.waits), f"{ident}g")
    waits = "".join(_wait(wait, places) for wait in finding.waits)
    return (
        f'<h3>Who waits for whom</h3><div class="whom"><figure>{graph}</figure>'
        f"<ul>{waits}</ul></div>"
    )


def _wait(wait: Wait, places: Places) -> str:
    stack = wait.stack or ((wait.place,) if wait.place else ())
    verb = "waits at" if wait.target else "stands at"
    lines = [f"<b>{text(wait.task)}</b> {text(wait_text(wait))}", _stack(verb, stack, places)]
    lines += [_stack(f"took {taken.lock} at", taken.stack, places) for taken in wait.taken]
    return f"<li>{''.join(lines)}</li>"


def _stack(name: str, stack: Stack, places: Places) -> str:
    """Frames as a list, the innermost first."""
    if not stack:
        return ""
    told = [
        places.text(place) + (f" in {place.function}" if place.function else "") for place in stack
    ]
    frames = "".join(f"<li>{text(frame)}</li>" for frame in told)
    return f'<p class="stack-name">{text(name)}</p><ol class="stack">{frames}</ol>'
