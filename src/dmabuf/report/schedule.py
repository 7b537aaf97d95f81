"""A schedule as a table with a column per task, or as a list where the columns do not fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from dmabuf.report.columns import GAP, clean, cut, fit, width_of
from dmabuf.report.finding import Finding, Place, Step

__all__ = ["Paint", "Places", "schedule_lines"]

Paint = Callable[[str, str], str]
"""Colours a text (second argument) in a role such as "bad" or "place"; without colour a no-op."""

_LEAST_COLUMN = 16
_NUMBER = 5
_HEAD_ROWS = 20
_TAIL_ROWS = 40


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


def schedule_lines(finding: Finding, width: int, paint: Paint, places: Places) -> list[str]:
    """The rows of a finding's schedule; awaited steps have no number."""
    rows = _rows(finding.steps)
    natural = _natural(finding)
    for short, least in ((False, None), (True, None), (True, _LEAST_COLUMN)):
        shown = {id(step): places.text(step.place, short=short) for step in finding.steps}
        room = width - _NUMBER - max((width_of(text) + GAP for text in shown.values()), default=0)
        widths = fit(natural, room, max(natural) if least is None else least)
        if widths is not None:
            return _table(finding, rows, widths, shown, paint)
    return _list(
        rows, width, {id(s): places.text(s.place, short=True) for s in finding.steps}, paint
    )


def _rows(steps: Sequence[Step]) -> list[tuple[str, Step | None]]:
    """Number and step of each row; a long schedule loses its middle."""
    rows: list[tuple[str, Step | None]] = []
    made = 0
    for step in steps:
        made += not step.blocked
        rows.append(("-" if step.blocked else str(made), step))
    if len(rows) <= _HEAD_ROWS + _TAIL_ROWS:
        return rows
    return [*rows[:_HEAD_ROWS], ("", None), *rows[-_TAIL_ROWS:]]


def _left_out(finding_rows: Sequence[tuple[str, Step | None]]) -> str:
    before = finding_rows[_HEAD_ROWS - 1][0]
    after = finding_rows[_HEAD_ROWS + 1][0]
    return f"... steps {before} to {after} are left out here; --json has them all"


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


def _natural(finding: Finding) -> list[int]:
    """The columns' widths with nothing cut."""
    widths = {task: width_of(clean(task)) for task in _tasks(finding)}
    for step in finding.steps:
        widths[step.task] = max(widths[step.task], width_of(_cell(step)))
    return list(widths.values())


def _tasks(finding: Finding) -> list[str]:
    """The columns: the finding's tasks, and any other that makes a step."""
    return list(dict.fromkeys((*finding.tasks, *(step.task for step in finding.steps))))


def _table(
    finding: Finding,
    rows: Sequence[tuple[str, Step | None]],
    widths: Sequence[int],
    shown: dict[int, str],
    paint: Paint,
) -> list[str]:
    tasks = _tasks(finding)
    heads = [_painted(clean(task), w, "task", paint) for task, w in zip(tasks, widths, strict=True)]
    lines = [(" " * _NUMBER + "  ".join(heads)).rstrip()]
    for number, step in rows:
        if step is None:
            lines.append(paint("dim", " " * _NUMBER + _left_out(rows)))
            continue
        cells = [" " * width for width in widths]
        column = tasks.index(step.task)
        cell = _cell(step, widths[column])
        cells[column] = _painted(cell, widths[column], "bad" if step.blocked else "", paint)
        row = f"{number:>{_NUMBER - 2}}  {'  '.join(cells)}  {paint('place', shown[id(step)])}"
        lines.append(row.rstrip())
    return lines


def _painted(text: str, width: int, role: str, paint: Paint) -> str:
    """The text in its role's colour, then spaces in none."""
    text = cut(text, width)
    return (paint(role, text) if role else text) + " " * (width - width_of(text))


def _list(
    rows: Sequence[tuple[str, Step | None]], width: int, shown: dict[int, str], paint: Paint
) -> list[str]:
    """For many tasks or a narrow terminal: one line a step, with the task's name."""
    lines: list[str] = []
    for number, step in rows:
        if step is None:
            lines.append(paint("dim", " " * _NUMBER + _left_out(rows)))
            continue
        place = shown[id(step)]
        name = clean(step.task)
        room = max(width - _NUMBER - width_of(place) - GAP - width_of(name) - 2, _LEAST_COLUMN)
        cell = _cell(step, room)
        cell = paint("bad", cell) if step.blocked else cell
        line = f"{number:>{_NUMBER - 2}}  {paint('task', name)}: {cell}  {paint('place', place)}"
        lines.append(line.rstrip())
    return lines
