"""Follow a given sequence of transitions, and stop where it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Replay"]

_PER_TASK = 256


class Replay:
    """The strategy that repeats (task ordinal, variant) pairs.

    Attributes:
        made: the transitions made so far.
        stuck: the index of the pair that was not possible, else None.
    """

    def __init__(
        self,
        moves: Sequence[tuple[int, int]],
        *,
        at_end: Callable[[Tasks, list[int]], object] | None = None,
        on_step: Callable[[ExploredTask, int, tuple[int, ...]], object] | None = None,
    ) -> None:
        self.moves = moves
        self.at_end = at_end
        self.on_step = on_step
        self.stuck: int | None = None
        self._next = 0

    def pick(self, runtime: Tasks) -> int:
        """The next of the moves; -1 when they have all been made, or one is not possible."""
        enabled = runtime.enabled()
        if self._next >= len(self.moves):
            if self.at_end is not None:
                self.at_end(runtime, enabled)
            return -1
        ordinal, variant = self.moves[self._next]
        transition = -1
        if ordinal < len(runtime.tasks):
            transition = runtime.tasks[ordinal].number * _PER_TASK + variant
        if transition not in enabled:
            self.stuck = self._next
            return -1
        self._next += 1
        return transition

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        """Tell the listener which step was made."""
        if self.on_step is not None:
            self.on_step(task, transition % _PER_TASK, footprint)
