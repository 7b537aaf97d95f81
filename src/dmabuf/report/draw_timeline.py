"""A finding's timeline as SVG: a lane for each task and fence, time from left to right in steps.

A dot is a step. Bars below a task's line are the locks it holds; a dashed line is a wait, red where
it never ends; an arrow comes from the step that ended a wait, or goes to who would have to end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dmabuf.report.columns import clean, cut
from dmabuf.report.finding import Finding, Step
from dmabuf.report.svg import colour_of, element, standalone, text
from dmabuf.report.timeline import Span, Timeline

__all__ = ["Drawn", "draw_alone", "draw_timeline"]

_ROOM = 720.0
_SHORTEST_STEP = 22.0
_LONGEST_STEP = 96.0
_TOP = 26.0
_LINE = 20.0
_LANE = 40.0
_LOCK = 15.0
_FENCE = 26.0
_LEFT = 10.0
_GUTTER = 34.0
_MARGIN = 12.0
_MOST_ARROWS = 12
_NAMES = 140
"""Room for the names of lanes, where a drawing has them inside."""


@dataclass(slots=True)
class Drawn:
    """A drawing and the names of its lanes: (name, trust class, height), from top to bottom."""

    svg: str
    top: float
    lanes: list[tuple[str, str, float]] = field(default_factory=list)


class _Drawing:
    """Where everything is, and the parts drawn so far."""

    def __init__(self, finding: Finding, timeline: Timeline) -> None:
        self.timeline = timeline
        self.made = [step for step in finding.steps if not step.blocked]
        self.awaited = {step.task: step for step in finding.steps if step.blocked}
        self.leading = {wait.task for wait in finding.waits if wait.leads}
        self.step = min(max(_ROOM / (len(self.made) + 1), _SHORTEST_STEP), _LONGEST_STEP)
        self.end = _LEFT + len(self.made) * self.step
        self.under: list[str] = []
        self.over: list[str] = []
        self.colours: list[str] = []
        self.rows: dict[str, float] = {}
        self.fences: dict[str, float] = {}
        self.slots: dict[Span, int] = {}
        self.lanes: list[tuple[str, str, float]] = []
        self.arrows = 0
        self.bottom = self._lay_out()

    def _lay_out(self) -> float:
        """Give each lane its place; returns where the last one ends."""
        y = _TOP
        busy = {step.task for step in (*self.made, *self.awaited.values())}
        busy |= {span.task for span in self.timeline.spans if not span.idle}
        for lane in self.timeline.lanes:
            if lane.name not in busy:
                continue
            self.rows[lane.name] = y + _LINE
            height = _LANE + _LOCK * max(self._stack_locks(lane.name) - 1, 0)
            kind = lane.kind + (f", CPU {lane.cpu}" if lane.cpu is not None else "")
            self.lanes.append((lane.name, kind, height))
            y += height
        for span in self.timeline.of("fence"):
            if span.what not in self.fences:
                self.fences[span.what] = y + _FENCE / 2
                kind = "" if "fence" in span.what else "fence"
                self.lanes.append((span.what, kind, _FENCE))
                y += _FENCE
        return y

    def _stack_locks(self, task: str) -> int:
        """Put locks that are held at the same time below each other; returns how many rows."""
        free: list[float] = []
        for span in self.timeline.of("lock"):
            if span.task != task:
                continue
            slot = next((i for i, until in enumerate(free) if until <= span.start), len(free))
            until = float("inf") if span.end is None else float(span.end)
            free[slot : slot + 1] = [until]
            self.slots[span] = slot
        return len(free)

    def x(self, step: int) -> float:
        """The middle of a step; -1 is the left edge."""
        return _LEFT + (step + 0.5) * self.step if step >= 0 else 2.0

    def until(self, span: Span) -> float:
        """Where a span ends."""
        return self.end + 8 if span.end is None else self.x(span.end)


def draw_timeline(finding: Finding, prefix: str = "t") -> Drawn | None:
    """The timeline of a finding; None if it has none.

    Args:
        finding: what to draw.
        prefix: makes the ids of this drawing different from those of others in a page.
    """
    timeline = finding.timeline
    if timeline is None or not finding.steps or not timeline.lanes:
        return None
    drawing = _Drawing(finding, timeline)
    _draw_grid(drawing, finding)
    for span in timeline.spans:
        {"lock": _draw_lock, "fence": _draw_fence, "wait": _draw_wait}[span.kind](
            drawing, span, prefix
        )
    for number, step in enumerate(drawing.made):
        _draw_step(drawing, number, step)
    gutter = max(_GUTTER, 70.0 if finding.turn else 0.0)
    width = drawing.end + gutter + _MARGIN * min(drawing.arrows, _MOST_ARROWS)
    words = f"Timeline of {len(drawing.made)} steps by {len(drawing.rows)} tasks"
    parts = [_heads(prefix), *drawing.under, *drawing.over]
    svg = element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "drawing timeline",
            "role": "img",
            "aria-label": words,
            "width": width,
            "height": drawing.bottom,
            "viewBox": f"0 0 {width:g} {drawing.bottom:g}",
            "preserveAspectRatio": "none",  # on paper it gets narrower, and lanes stay in place
        },
        "".join(parts),
    )
    return Drawn(svg, _TOP, drawing.lanes)


def draw_alone(finding: Finding) -> str | None:
    """The timeline with the names of its lanes and a style of its own; None if it has none."""
    drawn = draw_timeline(finding)
    if drawn is None:
        return None
    names: list[str] = []
    y = drawn.top
    for name, _kind, height in drawn.lanes:
        shown = text(cut(clean(name), _NAMES // 7))
        names.append(element("text", {"x": -_NAMES, "y": y + min(height / 2, _LINE) + 4}, shown))
        y += height
    view = re.search(r'width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*"', drawn.svg)
    assert view is not None
    width, height = float(view[1]) + _NAMES + 10, float(view[2])
    wide = f'width="{width:g}" height="{height:g}" viewBox="{-_NAMES - 10} 0 {width:g} {height:g}"'
    svg = drawn.svg.replace(view[0], wide, 1).removesuffix("</svg>")
    return standalone(f"{svg}{''.join(names)}</svg>")


def _heads(prefix: str) -> str:
    """Arrowheads, plain and red."""
    made: list[str] = []
    for name, kind in (("a", "head"), ("s", "head stuck")):
        shape = element("path", {"d": "M0 0 8 4 0 8Z", "class": kind})
        made.append(
            element(
                "marker",
                {
                    "id": f"{prefix}{name}",
                    "viewBox": "0 0 8 8",
                    "refX": 7,
                    "refY": 4,
                    "markerWidth": 7,
                    "markerHeight": 7,
                    "markerUnits": "userSpaceOnUse",
                    "orient": "auto-start-reverse",
                },
                shape,
            )
        )
    return element("defs", {}, "".join(made))


def _draw_turn(drawing: _Drawing, turn: int) -> None:
    """Shade the steps that are repeated for ever."""
    width = min(turn, len(drawing.made)) * drawing.step
    box = {"x": drawing.end - width, "y": 0, "width": width, "height": drawing.bottom}
    words = element("title", {}, text("repeated for ever"))
    drawing.under.append(element("rect", {**box, "class": "turn"}, words))
    at = {"x": drawing.end + 4, "y": 15, "class": "small"}
    drawing.under.append(element("text", at, "&#8635; for ever"))


def _draw_grid(drawing: _Drawing, finding: Finding) -> None:
    """Lines of the lanes, numbers of the steps, and a column to catch the pointer for each."""
    under = drawing.under
    for y in drawing.rows.values():
        under.append(
            element("line", {"x1": 0, "x2": drawing.end, "y1": y, "y2": y, "class": "lane"})
        )
    if finding.turn:
        _draw_turn(drawing, finding.turn)
    every = 1 if drawing.step > _SHORTEST_STEP else 5
    for number in range(len(drawing.made)):
        left = _LEFT + number * drawing.step
        attributes = {"x": left, "y": 0, "width": drawing.step, "height": drawing.bottom}
        under.append(
            element(
                "rect",
                {**attributes, "class": "column", "fill": "transparent", "data-step": number},
            )
        )
        if number % every == 0:
            at = {"x": drawing.x(number), "y": 15, "text-anchor": "middle", "class": "small dim"}
            under.append(element("text", at, str(number + 1)))


def _told(drawing: _Drawing, span: Span, says: str) -> dict[str, object]:
    """What a script needs to know of a span: its words, and from which step to which."""
    until = len(drawing.made) if span.end is None else span.end
    return {"data-from": span.start, "data-to": until, "data-says": says}


def _draw_lock(drawing: _Drawing, span: Span, prefix: str) -> None:
    del prefix
    if span.task not in drawing.rows:
        return
    y = drawing.rows[span.task] + 6 + _LOCK * drawing.slots[span]
    left, right = drawing.x(span.start), drawing.until(span)
    says = f"{span.task} holds {span.what}"
    bar = element(
        "rect",
        {
            "x": left,
            "y": y,
            "width": max(right - left, 3.0),
            "height": 12,
            "class": f"held {colour_of(span.what, drawing.colours)}",
        },
        element("title", {}, text(says)),
    )
    room = int((right - left - 8) / 6.2)
    name = cut(clean(span.what), room) if room >= 2 else ""
    label = (
        element("text", {"x": left + 4, "y": y + 9.5, "class": "small on-colour"}, text(name))
        if name
        else ""
    )
    drawing.under.append(element("g", {"class": "span", **_told(drawing, span, says)}, bar + label))


def _draw_fence(drawing: _Drawing, span: Span, prefix: str) -> None:
    del prefix
    y = drawing.fences[span.what]
    left, right = drawing.x(span.start), drawing.until(span)
    end = "never signalled here" if span.end is None else f"signalled by {span.task}"
    bar = element(
        "rect",
        {
            "x": left,
            "y": y - 6,
            "width": max(right - left, 3.0),
            "height": 12,
            "class": "pending" if span.end is None else "pending ended",
        },
        element("title", {}, text(f"{span.what} is pending; {end}")),
    )
    told = _told(drawing, span, f"{span.what} is pending")
    drawing.under.append(element("g", {"class": "span", **told}, bar))


def _draw_wait(drawing: _Drawing, span: Span, prefix: str) -> None:
    y = drawing.rows.get(span.task)
    if y is None:
        return
    left, right = drawing.x(span.start), drawing.until(span)
    stuck = span.end is None and not span.idle
    kind = "stuck" if stuck else "idle" if span.idle else ""
    says = f"{span.task} waits for {span.what}"
    line = element(
        "line",
        {"x1": left, "x2": right, "y1": y, "y2": y, "class": f"wait {kind}".rstrip()},
        element("title", {}, text(says)),
    )
    if stuck:
        cross = f"M{right - 3:.1f} {y - 4:.1f}l8 8m0-8l-8 8"
        line += element("path", {"d": cross, "class": "cross"})
    drawing.over.append(element("g", {"class": "span", **_told(drawing, span, says)}, line))
    if span.idle:
        return
    for name in span.by:
        if name in drawing.rows and name != span.task:
            _draw_arrow(drawing, span, y, drawing.rows[name], prefix)


def _draw_arrow(drawing: _Drawing, span: Span, y: float, other: float, prefix: str) -> None:
    """From the step that ended a wait to its end; from an endless wait to who would end it."""
    if span.end is not None:
        x = drawing.x(span.end)
        gap = 7 if y < other else -7
        path = f"M{x:.1f} {other - gap:.1f}L{x:.1f} {y + gap / 2:.1f}"
        kind, head = "arrow", "a"
    else:
        drawing.arrows += 1
        start, x = drawing.end + 16, drawing.end + 2
        bend = drawing.end + 18 + _MARGIN * min(drawing.arrows, _MOST_ARROWS)
        down = 5 if other > y else -5
        path = (
            f"M{start:.1f} {y:.1f}C{bend:.1f} {y:.1f} {bend:.1f} {other - down:.1f} "
            f"{x + 14:.1f} {other - down:.1f}"
        )
        kind, head = "arrow stuck", "s"
    drawing.over.append(
        element("path", {"d": path, "class": kind, "marker-end": f"url(#{prefix}{head})"})
    )


def _draw_step(drawing: _Drawing, number: int, step: Step) -> None:
    y = drawing.rows.get(step.task)
    if y is None:
        return
    words = f"{number + 1}. {step.task} {step.text}" + (f" ({step.note})" if step.note else "")
    dot = {"cx": drawing.x(number), "cy": y, "r": 5, "class": "dot odd" if step.note else "dot"}
    drawing.over.append(
        element("circle", {**dot, "data-step": number}, element("title", {}, text(words)))
    )
