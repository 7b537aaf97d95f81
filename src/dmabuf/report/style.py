r"""How a text report looks: its width, its colours, and how places are written.

>>> Style(colour=True).paint("bad", "no"), Style().paint("bad", "no")
('\x1b[31;1mno\x1b[0m', 'no')
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dmabuf.report.columns import wrap
from dmabuf.report.schedule import Places

__all__ = ["LEAST_WIDTH", "Style"]

LEAST_WIDTH = 40

_COLOURS = {
    "good": "32;1",
    "bad": "31;1",
    "unsure": "33;1",
    "rule": "1",
    "task": "1",
    "head": "1",
    "place": "36",
    "dim": "2",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How wide, in colour or not, and relative to which folder places are written."""

    width: int = 100
    colour: bool = False
    places: Places = field(default_factory=Places)

    def paint(self, role: str, text: str) -> str:
        """The text in the colour of a role."""
        if not self.colour or not text:
            return text
        return f"\x1b[{_COLOURS[role]}m{text}\x1b[0m"

    def wrap(self, text: str, first: str = "", rest: str | None = None) -> list[str]:
        """The text in lines of this width."""
        return wrap(text, max(self.width, LEAST_WIDTH), first, rest)
