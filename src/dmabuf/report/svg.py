"""What all drawings share: escaped text, elements, arrowheads, and a style of their own.

A drawing is put into a page, which styles its classes, or stands alone (`standalone`), as in a
notebook. Both are dark where the reader's system is.

>>> element("text", {"x": 1.5, "class": "name"}, text("<script>"))
'<text x="1.5" class="name">&lt;script&gt;</text>'
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib import resources

from dmabuf.report.columns import clean

__all__ = ["COLOURS", "colour_of", "element", "standalone", "text"]

COLOURS = 6
"""How many colours locks are told apart by."""


def text(words: str) -> str:
    """Somebody's words as text of a document: nothing in them is markup or a control character."""
    return html.escape(clean(words))


def element(name: str, attributes: Mapping[str, object], inside: str = "") -> str:
    """An element; values of attributes are escaped, what is inside is not. None leaves one out."""
    told = "".join(
        f' {key}="{html.escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{inside}</{name}>" if inside else f"<{name}{told}/>"


def _number(value: object) -> str:
    """A value as text; of somebody's words only what is printable (a page in a frame has more)."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return "\n".join(clean(line) for line in str(value).split("\n"))


def colour_of(name: str, names: list[str]) -> str:
    """The class of a lock's colour; names that come first get different ones."""
    if name not in names:
        names.append(name)
    return f"hue{names.index(name) % COLOURS}"


def standalone(drawing: str) -> str:
    """The drawing with a style of its own: `drawing` is an svg element."""
    style = resources.files("dmabuf.report").joinpath("drawing.css").read_text("utf-8")
    head, rest = drawing.split(">", 1)
    return f"{head}><style>{style}</style>{rest}"
