r"""Text in columns: how wide it is, where it is cut, and that it holds no control characters.

Names come from other people's source, so every text passes `clean` before it is shown.

>>> clean("a\x1b[31mb"), cut("waits for fence", 9), width_of("fence")
('a\\x1b[31mb', 'waits fo…', 5)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["clean", "cut", "fit", "pad", "width_of", "wrap"]

ELLIPSIS = "…"
GAP = 2
"""Spaces between two columns."""


def clean(text: str) -> str:
    """The text with everything escaped that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def width_of(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    from unicodedata import category, east_asian_width

    if category(char) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The text, its end replaced by an ellipsis if it is wider than that."""
    if width_of(text) <= width:
        return text
    kept, used = "", 0
    for char in text:
        used += _cells(char)
        if used >= width:
            break
        kept += char
    return kept.rstrip() + ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """The text, cut or filled up with spaces to exactly that width."""
    text = cut(text, width)
    return text + " " * (width - width_of(text))


def fit(natural: Sequence[int], width: int, least: int) -> list[int] | None:
    """Column widths that fit into `width` together with their gaps.

    The widest columns give way first, none below `least`. None if that is not enough.

    >>> fit([10, 30, 20], 44, 8), fit([10, 30, 20], 20, 8)
    ([10, 15, 15], None)
    """
    widths = list(natural)
    left = width - GAP * max(len(widths) - 1, 0)
    while sum(widths) > left:
        widest = max(widths)
        if widest <= least:
            return None
        widths[len(widths) - 1 - widths[::-1].index(widest)] -= 1
    return widths


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """The text in lines of at most that width; only a word that is longer sticks out.

    >>> wrap("who waits for whom", 12, "- ")
    ['- who waits', '  for whom']
    """
    rest = " " * width_of(first) if rest is None else rest
    lines: list[str] = []
    line = first
    empty = True
    for word in text.split():
        if not empty and width_of(line) + 1 + width_of(word) > width:
            lines.append(line)
            line, empty = rest, True
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line]
