"""A schedule as a table with a column per task, or as a list where the columns do not fit."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from dmabuf.report.columns import GAP, clean, cut, fit, width_of
from dmabuf.report.finding import Finding, Place, Step

__all__ = ["Paint", "Places", "folded", "schedule_lines"]

Paint = Callable[[str, str], str]
"""Colours a text (second argument) in a role such as "bad" or "place"; without colour a no-op."""

_LEAST_COLUMN = 16
_NUMBER = 5
MOST_ROWS = 60


class Places:
    """How places are written: relative to a folder where they lie below it.

    >>> Places("/a").text(Place("/a/b/c.py", 3)), Places("/z").text(Place("/a/c.py", 3))
    ('b/c.py:3', '/a/c.py:3')
    """

    def __init__(self, base: str = "") -> None:
        self._base = (base or os.getcwd()).rstrip(os.sep) + os.sep  # noqa: PTH109 - a string

    def file(self, name: str) -> str:
        """A file's name as it is shown."""
        return clean(name.removeprefix(self._base))

    def text(self, place: Place | None, *, short: bool = False) -> str:
        """`file:line`, or an empty text where there is no place."""
        if place is None:
            return ""
        name = self.file(place.file)
        return f"{name.rpartition(os.sep)[2] if short else name}:{place.line}"


Row = tuple[str, Step | None, str]
"""What is in front of a row, its step, or without one the text that stands for several."""


def schedule_lines(
    finding: Finding, width: int, paint: Paint, places: Places, room: int = MOST_ROWS
) -> list[str]:
    """The rows of a finding's schedule; awaited steps have no number.

    Args:
        finding: whose schedule.
        width: of a line, in cells.
        paint: colours.
        places: how places are written.
        room: rows besides the names of the tasks; a longer schedule is folded.
    """
    rows = folded(finding, room)
    steps = [step for _number, step, _text in rows if step is not None]
    natural = _natural(finding, steps)
    for short, least in ((False, None), (True, None), (True, _LEAST_COLUMN)):
        shown = {id(step): places.text(step.place, short=short) for step in steps}
        left = (
            width
            - _margin(rows)
            - max((width_of(text) + GAP for text in shown.values()), default=0)
        )
        widths = fit(natural, left, max(natural) if least is None else least)
        if widths is not None:
            return _table(_tasks(finding, steps), rows, widths, shown, paint)
    return _list(rows, width, {id(s): places.text(s.place, short=True) for s in steps}, paint)


def _margin(rows: Sequence[Row]) -> int:
    """The width of what stands in front of the steps."""
    return max(_NUMBER, *(len(number) + 2 for number, _step, _text in rows))


def folded(finding: Finding, room: int) -> list[Row]:
    """The steps that fit: the first and the last ones made, and those awaited by the chain."""
    leading = {wait.task for wait in finding.waits if wait.leads}
    made = [step for step in finding.steps if not step.blocked]
    awaited = [step for step in finding.steps if step.blocked]
    awaited.sort(key=lambda step: step.task not in leading)
    most_awaited = max(room // 2, room - len(made))
    end: list[Row] = [("-", step, "") for step in awaited]
    if len(end) > most_awaited:
        more = len(end) - most_awaited + 1
        end = [*end[: most_awaited - 1], ("", None, f"... {more} more tasks get no further")]
    rows: list[Row] = [(str(number), step, "") for number, step in enumerate(made, 1)]
    left = room - len(end)
    if len(rows) > left:
        rows = _by_line(made)
    if len(rows) > left:
        head = max((left - 1) // 3, 1)
        tail = len(rows) - max(left - 1 - head, 1)
        start, end_of = rows[head][0].split("-")[0], rows[tail - 1][0].split("-")[-1]
        gap = f"... steps {start} to {end_of} are left out here; --json has them all"
        rows = [*rows[:head], ("", None, gap), *rows[tail:]]
    return rows + end


def _by_line(made: Sequence[Step]) -> list[Row]:
    """One row for what a task does by one line of the design; the last step stands alone."""
    rows: list[Row] = []
    last = len(made)
    numbered = enumerate(made, 1)
    for _key, group in itertools.groupby(
        numbered, lambda one: (one[1].task, one[1].place, one[1].note, one[0] == last)
    ):
        (number, first), *rest = group
        span = str(number)
        if rest:
            end, final = rest[-1]
            span = f"{number}-{end}"
            first = replace(first, text=f"{first.text} ... {final.text}")
        rows.append((span, first, ""))
    return rows


def _mark(step: Step) -> str:
    mark = clean(step.note) or ("blocked" if step.blocked else "")
    return f" [{mark}]" if mark else ""


def _cell(step: Step, width: int | None = None) -> str:
    """A step's words; if they must be cut, what became of it is kept."""
    text, mark = clean(step.text).rstrip(), _mark(step)
    if width is None or width_of(text) + width_of(mark) <= width:
        return text + mark
    if width_of(mark) + 6 > width:
        return cut(text + mark, width)
    return cut(text, width - width_of(mark)) + mark


def _natural(finding: Finding, steps: Sequence[Step]) -> list[int]:
    """The columns' widths with nothing cut."""
    widths = {task: width_of(clean(task)) for task in _tasks(finding, steps)}
    for step in steps:
        widths[step.task] = max(widths[step.task], width_of(_cell(step)))
    return list(widths.values())


def _tasks(finding: Finding, steps: Sequence[Step]) -> list[str]:
    """The columns: those of the finding's tasks that are shown, and any other that is."""
    shown = {step.task: None for step in steps}
    known = [task for task in dict.fromkeys(finding.tasks) if task in shown]
    return [*known, *(task for task in shown if task not in known)]


def _table(
    tasks: Sequence[str],
    rows: Sequence[Row],
    widths: Sequence[int],
    shown: dict[int, str],
    paint: Paint,
) -> list[str]:
    margin = _margin(rows)
    heads = [_painted(clean(task), w, "task", paint) for task, w in zip(tasks, widths, strict=True)]
    lines = [(" " * margin + "  ".join(heads)).rstrip()]
    for number, step, text in rows:
        if step is None:
            lines.append(paint("dim", " " * margin + text))
            continue
        cells = [" " * width for width in widths]
        column = tasks.index(step.task)
        cell = _cell(step, widths[column])
        cells[column] = _painted(cell, widths[column], "bad" if step.blocked else "", paint)
        row = f"{number:>{margin - 2}}  {'  '.join(cells)}  {paint('place', shown[id(step)])}"
        lines.append(row.rstrip())
    return lines


def _painted(text: str, width: int, role: str, paint: Paint) -> str:
    """The text in its role's colour, then spaces in none."""
    text = cut(text, width)
    return (paint(role, text) if role else text) + " " * (width - width_of(text))


def _list(rows: Sequence[Row], width: int, shown: dict[int, str], paint: Paint) -> list[str]:
    """For many tasks or a narrow terminal: one line a step, with the task's name."""
    lines: list[str] = []
    margin = _margin(rows)
    for number, step, text in rows:
        if step is None:
            lines.append(paint("dim", " " * margin + text))
            continue
        place = shown[id(step)]
        name = clean(step.task)
        room = max(width - margin - width_of(place) - GAP - width_of(name) - 2, _LEAST_COLUMN)
        cell = _cell(step, room)
        cell = paint("bad", cell) if step.blocked else cell
        line = f"{number:>{margin - 2}}  {paint('task', name)}: {cell}  {paint('place', place)}"
        lines.append(line.rstrip())
    return lines
