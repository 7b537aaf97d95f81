"""Follow a given sequence of steps, then let the rest of the machine run until nothing happens.

A schedule that is shown to people leaves out what other tasks do besides. So after its steps the
others run on, in order of their creation, until the execution has come to rest: then it can be
judged as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from dmabuf.rt.strategy import TIMEOUT, VARIANTS, task_of, variant_of

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["MAX_COMPLETION", "Replay"]

MAX_COMPLETION = 2000
"""More steps of the others than this, and it is not waited for them to come to rest."""

State = Callable[["Tasks", list[int]], object]


class Replay:
    """The strategy that makes (task ordinal, variant) pairs, or transitions, then completes.

    Args:
        moves: the steps; of each the task's ordinal and the variant.
        by_number: the first of each pair is the task's number instead; a pair that is not
            possible is passed over.
        at_end: called at the end, where the execution is at rest.
        on_step: called after each of the steps, not after those that complete the execution.
        before: called before each of the steps, and after the last one.
        completed: called after those that complete it.
        keep: numbers of tasks that must make no step while the execution is completed.
        completes: False for a schedule that never comes to rest, which ends with its last step.
        time_passes: False for one that ends where only time goes on.

    Attributes:
        stuck: the index of the pair that was not possible, else None.
        left_out: how many steps completed the execution.
        rested: at the end nothing could happen any more but steps of tasks that may stop.
    """

    def __init__(
        self,
        moves: Sequence[tuple[int, int]],
        *,
        by_number: bool = False,
        at_end: State | None = None,
        on_step: Callable[[ExploredTask, int, tuple[int, ...]], object] | None = None,
        before: State | None = None,
        completed: Callable[[ExploredTask, int, tuple[int, ...]], object] | None = None,
        keep: Collection[int] = (),
        completes: bool = True,
        time_passes: bool = True,
    ) -> None:
        self.moves = moves
        self.by_number = by_number
        self.at_end = at_end
        self.on_step = on_step
        self.before = before
        self.completed = completed
        self.keep = keep
        self.completes = completes
        self.time_passes = time_passes
        self.stuck: int | None = None
        self.left_out = 0
        self.rested = False
        self._next = 0
        self._completing = False

    def pick(self, runtime: Tasks) -> int:
        """The next of the moves; -1 at rest, or where one is not possible."""
        enabled = runtime.enabled()
        if self._completing:
            return self._complete(runtime, enabled)
        while self._next < len(self.moves):
            transition = self._transition(runtime, *self.moves[self._next])
            if transition in enabled:
                if self.before is not None:
                    self.before(runtime, enabled)
                self._next += 1
                return transition
            if not self.by_number:
                self.stuck = self._next
                return -1
            self._next += 1
        if self.before is not None:
            self.before(runtime, enabled)
        self._completing = True
        return self._complete(runtime, enabled)

    def _transition(self, runtime: Tasks, who: int, variant: int) -> int:
        if self.by_number:
            return who * VARIANTS + variant
        if who >= len(runtime.tasks):
            return -1
        return runtime.tasks[who].number * VARIANTS + variant

    def _complete(self, runtime: Tasks, enabled: list[int]) -> int:
        """A step of a task that goes on by itself; timeouts only where nothing else is left."""
        able = [
            one
            for one in enabled
            if self.completes
            and not runtime.by_number[task_of(one)].may_stop
            and (self.time_passes or variant_of(one) != TIMEOUT)
        ]
        if able and self.left_out < MAX_COMPLETION:
            following = next((one for one in able if variant_of(one) != TIMEOUT), able[0])
            if task_of(following) in self.keep:
                return -1
            self.left_out += 1
            return following
        self.rested = self.completes and not able
        if self.at_end is not None:
            self.at_end(runtime, enabled)
        return -1

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        """Tell the listener which step was made."""
        listener = self.completed if self._completing else self.on_step
        if listener is not None:
            listener(task, transition % VARIANTS, footprint)
