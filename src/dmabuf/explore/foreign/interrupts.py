"""Ctrl-C while a design is explored in this process: end with what is known by then.

>>> with interruptible(None) as stop:
...     stop()
False
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from dmabuf.explore.foreign.abandon import abandon

__all__ = ["interruptible"]


@contextmanager
def interruptible(stop: Callable[[], bool] | None) -> Generator[Callable[[], bool]]:
    """What a search asks whether to end: `stop`, or else whether Ctrl-C was pressed inside.

    Python's KeyboardInterrupt would be raised in whatever runs, most likely a task of the design,
    and pass for something that the design has done. A second Ctrl-C does raise it, from the search.
    Off the main thread, and where somebody else hears the signal, nothing is changed.
    """
    is_main = threading.current_thread() is threading.main_thread()
    hears_by_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if stop is not None or not is_main or not hears_by_default:
        yield stop or _never
        return
    asked = False

    def hear(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            abandon(KeyboardInterrupt())
        asked = True

    signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _never() -> bool:
    return False
