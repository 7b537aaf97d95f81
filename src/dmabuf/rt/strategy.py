"""What picks the next transition of an explored run, and how transitions are written.

A transition is a number: the task's number times `VARIANTS`, plus which way the step goes (0, the
option of a choice, `TIMEOUT` or `INTERRUPT`).

    >>> task_of(3 * VARIANTS + TIMEOUT), variant_of(3 * VARIANTS + TIMEOUT) == TIMEOUT
    (3, True)
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.known import Known
    from dmabuf.rt.tasks import Tasks

__all__ = [
    "BLOCK",
    "INTERRUPT",
    "MAX_OPTIONS",
    "TIMEOUT",
    "VARIANTS",
    "End",
    "FirstEnabled",
    "Footprint",
    "Remembers",
    "Strategy",
    "task_of",
    "variant_of",
]

VARIANTS: Final = 256
TIMEOUT: Final = 255
INTERRUPT: Final = 254
BLOCK: Final = 253
"""It gives up its CPU instead of the step, for which it has to wait (without preemption)."""
MAX_OPTIONS: Final = 200

Footprint = tuple[int, ...]
"""Touched objects as numbers: twice the object's number, plus one where it is changed."""


def task_of(transition: int) -> int:
    """The task's number in a transition."""
    return transition // VARIANTS


def variant_of(transition: int) -> int:
    """0, the option chosen, TIMEOUT or INTERRUPT."""
    return transition % VARIANTS


class End(enum.Enum):
    """How an execution ended."""

    ENDED = "ended"
    """The strategy ended it: nothing could happen any more, or it wanted no more of it."""
    REPORTED = "reported"
    """A broken rule was recorded."""
    RAISED = "raised"
    """A task raised."""


class Strategy(Protocol):
    """Which transition next. It never knows what a fence is.

    One that never looks at frames says so (`reads_frames`): then the runtime need not mark where
    on the stack it was asked.
    """

    def pick(self, runtime: Tasks) -> int:
        """One of `runtime.enabled()`, or -1 to end the execution here."""
        ...

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """The picked transition has been made."""
        ...


class Remembers(Protocol):
    """A strategy that begins with steps of an execution before.

    Attributes:
        path: steps, of which the first `known` may be made without asking.
    """

    @property
    def path(self) -> Sequence[Known]:
        """The steps of the present execution and, to begin with, of the one before."""
        ...

    known: int

    def go_on_at(self, depth: int) -> None:
        """That many of them have been made, and the next `pick` is for the one after."""
        ...


class FirstEnabled:
    """The plain strategy of tests: always the first transition that is possible."""

    def pick(self, runtime: Tasks) -> int:
        """The first of `runtime.enabled()`."""
        enabled = runtime.enabled()
        return enabled[0] if enabled else -1

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """Nothing to remember."""
