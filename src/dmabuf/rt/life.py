"""The life of an explored task, and where its next step is asked for: two marks on its stack.

Between the two lie the frames that are part of a state (`explore.states.fingerprint`). They are
told by their code, so these functions are Python always, even where the runtime is compiled.

    >>> MAIN.co_name, ASK.co_name
    ('main', 'ask')
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dmabuf.errors import Unwind

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.strategy import Strategy
    from dmabuf.rt.tasks import Tasks

__all__ = ["ASK", "MAIN", "ask", "main"]


def main(rt: Tasks, task: ExploredTask, fn: Callable[[], object]) -> ExploredTask | None:
    """Do what a task does; returns the task that goes on after it."""
    try:
        if not rt.over:
            fn()
    except Unwind:
        pass
    except BaseException as error:  # noqa: BLE001 - whatever a design raises is its outcome
        rt.raised(task, error)
    return rt.ended(task)


def ask(strategy: Strategy, rt: Tasks) -> int:
    """Let a strategy pick that looks at frames."""
    return strategy.pick(rt)


MAIN = main.__code__
ASK = ask.__code__
