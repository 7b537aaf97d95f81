r"""What a long search says meanwhile: a live line on a terminal, else a line now and then.

>>> import io
>>> stream = io.StringIO()
>>> progress = Progress(stream, live=False, clock=iter([0.0, 3.0, 6.0, 7.0]).__next__)
>>> for text in ("a", "b", "c"): progress.tell(text)
>>> stream.getvalue()
'b\n'
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from dmabuf.report.columns import clean, cut

__all__ = ["Progress", "counted"]

_SILENT_S = 1.0
_EVERY_S = 5.0


class Progress:
    """Where a search stands, told to a person.

    Args:
        stream: where to; None for silence.
        live: overwrite one line again and again.
        width: of that line.
        clock: seconds.
    """

    def __init__(
        self,
        stream: TextIO | None,
        *,
        live: bool,
        width: int = 80,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._live = live
        self._width = width
        self._clock = clock
        self._next = clock() + (_SILENT_S if live else _EVERY_S)
        self._shown = False

    def tell(self, text: str) -> None:
        """Show where things stand, if it is time to."""
        if self._stream is None or self._clock() < self._next:
            return
        if self._live:
            self._write(f"\r\x1b[K{cut(clean(text), self._width - 1)}")
            self._shown = True
            return
        self._next += _EVERY_S
        self._write(f"{clean(text)}\n")

    def clear(self) -> None:
        """Take the live line away before something else is written."""
        if self._shown:
            self._shown = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._stream = None  # nobody reads it; that is no reason to stop the search


def counted(number: int) -> str:
    """A large number in few letters.

    >>> counted(999), counted(12_345), counted(2_300_000)
    ('999', '12k', '2.3M')
    """
    if number < 10_000:
        return str(number)
    return f"{number // 1000}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"
