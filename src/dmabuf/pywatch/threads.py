"""Threads: which came before which, what their end needs, and who waits for it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from dmabuf.pywatch.here import Clock, Here
from dmabuf.pywatch.ledger import Ledger, Subject
from dmabuf.pywatch.waits import MARK, Session, Wrap, mark_of, quietly

__all__ = ["methods"]


class _Thread(Subject):
    """A thread: its end is an event.

    Attributes:
        began_after: what comes before its first instruction.
        ended: what comes before whoever has joined it.
    """

    __slots__ = ("began_after", "ended")

    def __init__(self, mark: Subject) -> None:
        super().__init__(mark.ledger, mark.cls, mark.number)
        self.began_after: Clock = {}
        self.ended: Clock | None = None


def methods(session: Session) -> list[tuple[type, str, Wrap]]:
    """Every method to replace, with what makes the replacement."""
    found: list[tuple[type, str, Wrap]] = [
        (threading.Thread, "__init__", _made(session)),
        (threading.Thread, "start", _start(session)),
        (threading.Thread, "join", _join),
    ]
    if hasattr(threading.Thread, "_bootstrap_inner"):
        found.append((threading.Thread, "_bootstrap_inner", _runs))
    return found


def _made(session: Session) -> Wrap:
    """What a thread has inside is nobody's business."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            ledger = session()
            if ledger is None:
                original(self, *args, **kwargs)
            else:
                quietly(ledger, lambda: original(self, *args, **kwargs))

        return __init__

    return wrap


def _start(session: Session) -> Wrap:
    """Its end can be waited for from now on."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def start(self: Any) -> Any:
            ledger = session()
            mark = None if ledger is None else ledger.subject("end of thread")
            if ledger is not None and mark is not None:
                thread = _Thread(mark)
                thread.began_after = ledger.here().fork()
                self.__dict__[MARK] = thread
            return original(self)

        return start

    return wrap


def _runs(original: Callable[..., Any]) -> Callable[..., Any]:
    """From its first instruction to its last."""

    @functools.wraps(original)
    def _bootstrap_inner(self: Any) -> Any:
        mark: Any = mark_of(self)
        if mark is None:
            return original(self)
        here = Here(self.name)
        here.starts_after(mark.began_after)
        mark.ledger.begin(here)
        try:
            return original(self)
        finally:
            _ends(mark.ledger, here, mark)

    return _bootstrap_inner


def _ends(ledger: Ledger, here: Here, mark: Any) -> None:
    if ledger.on:
        ledger.set(here, mark)
    mark.ended = here.fork()


def _join(original: Callable[..., Any]) -> Callable[..., Any]:
    """Who has joined a thread comes after all that it did."""

    @functools.wraps(original)
    def join(self: Any, timeout: float | None = None) -> Any:
        mark: Any = mark_of(self)
        if mark is None or self is threading.current_thread():
            return original(self, timeout)
        here = mark.ledger.here()
        if timeout is None or timeout > 0:
            mark.ledger.wait(here, mark, timed=timeout is not None)
        answer = original(self, timeout)
        if mark.ended is not None and not self.is_alive():
            here.joined(mark.ended)
        return answer

    return join
