"""What code says about itself without making a step, and who hears it.

A step is heard by every instrument; an annotation ("from here I am on the way to a signal", "this
may wait for a fence") is no step and changes nothing for others. So it is told here, to those
instruments that want to know (that have a method `noted`), and to nobody else.

    >>> heard = []
    >>> class Ear(Listeners):
    ...     def noted(self, task, note, subject): heard.append((note.name, subject))
    >>> from dmabuf.rt.threads import Threads
    >>> rt = Threads(); attach(rt, Ear())
    >>> tell(rt, Note.ALLOCATES, "a job"); heard
    [('ALLOCATES', 'a job')]
"""

from __future__ import annotations

import enum
from typing import Any

from dmabuf.rt.api import Instrument, Op, Outcome, Task

__all__ = ["Listeners", "Note", "attach", "detach", "tell"]


class Note(enum.Enum):
    """What is said; in brackets the subject."""

    SECTION = "is on the way to a signal"  # the cookie: True if it was already, or is atomic
    SECTION_END = "is there"  # the cookie
    FENCE_WAIT = "may wait for a fence"  # the fences or the reservation object
    ALLOCATES = "allocates"  # the flags
    RECLAIM = "begins to free memory"  # the flags
    RECLAIM_END = "has freed memory"
    NOTIFIERS = "begins to tell MMU notifiers"
    NOTIFIERS_END = "has told them"
    USER_ACCESS = "touches user memory"
    MIGHT_LOCK = "may take a lock"  # (the lock, for reading only?)
    NESTS = "takes a further lock of a class"  # (subclass, the lock that covers it or None)
    SET_CLASS = "says what class a lock is of"  # (the lock, key, subclass)
    IRQS_ON = "turns interrupts on"


class Listeners:
    """Several instruments as one, for runtimes that have one place for them.

    Args:
        instruments: those that hear what it hears, in this order.
    """

    def __init__(self, *instruments: Instrument) -> None:
        self.instruments = instruments

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """A task is about to make a step."""
        for one in self.instruments:
            one.announced(task, op, obj)

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """A step has been made."""
        for one in self.instruments:
            one.stepped(task, op, obj, outcome)

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """A task is about to wait in a step."""
        for one in self.instruments:
            one.blocked(task, op, obj)

    def created(self, task: Task, obj: Any) -> None:
        """An object was constructed."""
        for one in self.instruments:
            one.created(task, obj)

    def reported(self, code: str, message: str) -> None:
        """A broken rule was recorded."""
        for one in self.instruments:
            one.reported(code, message)

    def noted(self, task: Task, note: Note, subject: Any) -> None:
        """Something was said."""
        for one in self.instruments:
            _pass_on(one, task, note, subject)


def attach(runtime: Any, instrument: Instrument) -> None:
    """Let an instrument listen to a runtime of whatever kind from now on, beside others."""
    if not runtime.explored:
        runtime.attach(instrument)
    elif runtime.instrument is None:
        runtime.instrument = instrument
    else:
        runtime.instrument = Listeners(runtime.instrument, instrument)


def detach(runtime: Any, instrument: Instrument) -> None:
    """End an instrument's listening."""
    if not runtime.explored:
        runtime.detach(instrument)
    elif runtime.instrument is instrument:
        runtime.instrument = None
    elif isinstance(runtime.instrument, Listeners):
        left = [one for one in runtime.instrument.instruments if one is not instrument]
        runtime.instrument = Listeners(*left)


def tell(runtime: Any, note: Note, subject: Any = None) -> None:
    """Say something in the name of the calling task. Not quick: ask `runtime.quick` first."""
    if runtime.explored:
        if runtime.instrument is not None:
            _pass_on(runtime.instrument, runtime.current(), note, subject)
        return
    for one in runtime.instruments:
        _pass_on(one, runtime.current(), note, subject)


def _pass_on(instrument: Instrument, task: Task, note: Note, subject: Any) -> None:
    noted = getattr(instrument, "noted", None)
    if noted is not None:
        noted(task, note, subject)
