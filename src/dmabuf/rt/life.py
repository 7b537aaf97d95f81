"""The life of an explored task and of what carries it, and where its next step is asked for.

Between the frames of `main` and `ask` lie those that are part of a state
(`explore.states.fingerprint`). They are told by their code, so these functions are Python always,
even where the runtime is compiled. A greenlet without a Python frame is also taken for one that
runs.

    >>> MAIN.co_name, ASK.co_name
    ('main', 'ask')
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf.errors import Unwind

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.strategy import Strategy
    from dmabuf.rt.tasks import Tasks

__all__ = ["ASK", "MAIN", "ask", "carry", "main"]


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


def carry(hub: Any, box: list[Any], slot: list[Any]) -> None:
    """The life of a greenlet. It refers to nothing that refers to it: it could not be collected.

    So who goes on is left in `slot`: an argument of `switch` would be kept as long as that lasts.
    """
    while True:
        slot[0] = main(*box.pop())
        box.append(None)
        hub.switch()


def ask(strategy: Strategy, rt: Tasks) -> int:
    """Let a strategy pick that looks at frames."""
    return strategy.pick(rt)


MAIN = main.__code__
ASK = ask.__code__
