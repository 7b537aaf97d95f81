"""Who waits for whom, as lines of text with both stacks: of the wait, and of what is held."""

from __future__ import annotations

from collections.abc import Sequence

from dmabuf.report.columns import clean, cut, width_of
from dmabuf.report.finding import Place, Stack, Wait
from dmabuf.report.style import LEAST_WIDTH, Style

__all__ = ["stack_lines", "wait_lines", "wait_text"]

_FRAMES = (4, 2, 1)
"""How many frames of a stack are shown: the first of these with which all fits."""
_MOST_LOCKS = 3
_WIDEST_NAME = 24


def wait_lines(waits: Sequence[Wait], style: Style, room: int) -> list[str]:
    """The waits, the leading ones first, in as many lines as there is room for.

    Args:
        waits: at least one.
        style: width and colours.
        room: lines. Stacks get shorter first; then waits are only counted.
    """
    column = min(max(width_of(clean(wait.task)) for wait in waits), _WIDEST_NAME)
    blocks: list[list[str]] = []
    for frames in _FRAMES:
        blocks = [_one(wait, column, style, frames) for wait in waits]
        leading = [block for block, wait in zip(blocks, waits, strict=True) if wait.leads]
        if sum(map(len, leading or blocks)) < room:
            break
    lines: list[str] = []
    for index, block in enumerate(blocks):
        more = len(waits) - index
        if len(lines) + len(block) + (more > 1) > room and index:
            word = "task waits" if more == 1 else "tasks wait"
            lines.append(style.paint("dim", f"    ... {more} more {word}; --json has them all"))
            break
        lines += block
    return lines


def _one(wait: Wait, column: int, style: Style, frames: int) -> list[str]:
    """A task: what it does, where, and where it took what it holds."""
    name = cut(clean(wait.task), column)
    margin = " " * (column + 6)
    head = f"    {style.paint('task', name)}{' ' * (column - width_of(name))}  "
    first, *rest = style.wrap(wait_text(wait), margin)
    lines = [head + first[len(margin) :], *rest]
    place = style.places.text(wait.place)
    if len(wait.stack) > 1 and frames > 1:
        lines += stack_lines(wait.stack, style, f"{margin}at ", frames)
    elif place and width_of(lines[-1]) + 2 + width_of(place) > max(style.width, LEAST_WIDTH):
        lines.append(margin + style.paint("place", place))
    elif place:
        lines[-1] += "  " + style.paint("place", place)
    for taken in wait.taken[:_MOST_LOCKS]:
        lines += stack_lines(taken.stack, style, f"{margin}took {clean(taken.lock)} at ", frames)
    return lines


def stack_lines(stack: Stack, style: Style, first: str, frames: int = 4) -> list[str]:
    """At most that many frames, from the innermost outwards; nothing if there are none."""
    if len(stack) < 2 or frames < 2:
        return [first + style.paint("place", style.places.text(place)) for place in stack[:1]]
    rest = " " * (len(first) - len(first.lstrip()) + 2)
    told = [_frame(place, style, short=index > 0) for index, place in enumerate(stack[:frames])]
    more = ", ..." if len(stack) > frames else ""
    return style.wrap(", called at ".join(told) + more, first, rest)


def _frame(place: Place, style: Style, *, short: bool) -> str:
    where = style.places.text(place, short=short)
    return f"{where} in {clean(place.function)}" if place.function else where


def wait_text(wait: Wait) -> str:
    """What a task holds, waits for, and who could end that."""
    parts = [f"holds {', '.join(clean(lock) for lock in wait.holds)}"] if wait.holds else []
    state = f"{clean(wait.state)} {clean(wait.target)}".rstrip()
    parts.append(state)
    names = ", ".join(clean(name) for name in wait.wakers)
    if names and wait.definite and names != clean(wait.target):
        parts.append(f"only {names} can end that")
    elif names and not wait.definite:
        parts.append(f"in some run {names} ends that")
    elif wait.target and not names:
        parts.append("nobody ends that in any run")
    return "; ".join(parts)
