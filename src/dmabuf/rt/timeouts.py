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
    """Those with the earliest deadline, which are tried in every order; all if not `exact`."""
    if not exact:
        return list(timed)
    first = min((task.deadline for task in timed if task.deadline is not None), default=None)
    return [task for task in timed if task.deadline == first]
