"""What a search finds out too late, so that it has to begin again.

Whether interrupt lines or softirqs take CPUs away decides what each step touches, and which steps
there are. Where a task makes the first timer, or queues the first RCU callback, some executions
would know that from some step on, others never; in all of them it has to be known from the start.

>>> from dmabuf.rt.strategy import FirstEnabled
>>> from dmabuf.rt.tasks import Tasks
>>> check_known(Tasks(FirstEnabled()))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import Names
    from dmabuf.rt.tasks import Tasks

__all__ = ["StartAgain", "check_known", "knowing"]

T = TypeVar("T")


class StartAgain(Exception):
    """An execution showed what has to be known from the start of each (`Names.early`).

    Attributes:
        learnt: what that is.
    """

    def __init__(self, learnt: frozenset[str]) -> None:
        super().__init__(learnt)
        self.learnt = learnt


def check_known(rt: Tasks) -> None:
    """Raises StartAgain if the execution that has ended showed something new."""
    if learnt := rt.cpus.learnt():
        raise StartAgain(learnt)


def knowing(names: Names, explore: Callable[[], T]) -> T:
    """What `explore` answers, which is called again with what it has learnt as often as it does."""
    while True:
        try:
            return explore()
        except StartAgain as again:
            names.early |= again.learnt
