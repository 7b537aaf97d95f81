"""Which of several waits times out next, in exact time.

>>> earliest([])
[]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask

__all__ = ["earliest"]


def earliest(timed: Sequence[ExploredTask], *, exact: bool = True) -> list[ExploredTask]:
    """Those with the earliest deadline, which are tried in every order; all if not `exact`.

    A task that may stop for ever may also be late, so its deadline keeps no other one back.
    """
    if not exact:
        return list(timed)
    on_time = [task.deadline for task in timed if not task.may_stop and task.deadline is not None]
    first = min(on_time, default=None)
    return [
        task
        for task in timed
        if first is None or (task.deadline is not None and task.deadline <= first)
    ]
