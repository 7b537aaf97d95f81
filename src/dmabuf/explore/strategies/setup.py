"""What every engine is made with.

>>> Setup(seed=3).limit
2000
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.explore.strategies.stems import Stem
    from dmabuf.rt.tasks import Tasks

__all__ = ["PLAIN", "Setup"]

Look = Callable[["Tasks", list[int]], object]


@dataclass(frozen=True, slots=True)
class Setup:
    """One value, as compiled constructors cannot pass on keywords that they do not know.

    Attributes:
        seed: order in which transitions are tried, or of chance; 0 is the order of creation.
        limit: steps after which an execution is cut.
        at_rest: called where nothing is possible, or only steps of tasks that may stop there.
        at_cut: called where an execution is cut.
        at_wait: called where a timeout is possible.
        stem: for source-DPOR: the steps that all executions begin with.
        sleep: use sleep sets (False: every schedule is run).
    """

    seed: int = 0
    limit: int = 2000
    at_rest: Look | None = None
    at_cut: Look | None = None
    at_wait: Look | None = None
    stem: Stem | None = None
    sleep: bool = True


PLAIN = Setup()
"""Without anything special."""
