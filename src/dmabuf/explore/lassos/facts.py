"""What of a state decides whether a run may stay there, or come back to it, for ever.

>>> Facts().wrong
()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dmabuf.explore.lassos.timers import Armed, armed_in
from dmabuf.explore.snapshot import is_owed
from dmabuf.hardware import is_reset
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["Facts", "Wrong", "facts_of"]

Wrong = tuple[str, int | str]
"""("fence", its number), ("task", its number) or ("unmet", a property's name)."""


class Facts(NamedTuple):
    """Facts of one state.

    Attributes:
        must: tasks that can go on, and have to at some time.
        may: tasks that can go on, but may stop for ever.
        ended: tasks that have ended.
        owed: tasks that have not ended though they owe an end: neither idle nor free to stop.
        pending: numbers of the fences that owe a signal.
        unmet: names of the properties that are to become true and are not.
        armed: waits of kernel tasks that time may end.
        holding: tasks that hold a lock.
    """

    must: tuple[int, ...] = ()
    may: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    owed: tuple[int, ...] = ()
    pending: tuple[int, ...] = ()
    unmet: tuple[str, ...] = ()
    armed: tuple[Armed, ...] = ()
    holding: tuple[int, ...] = ()

    @property
    def wrong(self) -> tuple[Wrong, ...]:
        """What must not be so for ever."""
        return (
            *(("fence", number) for number in self.pending),
            *(("unmet", name) for name in self.unmet),
            *(("task", number) for number in self.owed),
        )


def facts_of(
    rt: Tasks, enabled: list[int], pending: tuple[int, ...], unmet: tuple[str, ...] = ()
) -> Facts:
    """The facts of the present state."""
    able = {transition // VARIANTS for transition in enabled}
    free = {number for number in able if rt.by_number[number].may_stop}
    return Facts(
        must=tuple(sorted(able - free)),
        may=tuple(sorted(free)),
        ended=tuple(task.number for task in rt.tasks if task.finished or is_reset(task)),
        owed=tuple(sorted(t.number for t in rt.tasks if t.op is not None and is_owed(t))),
        pending=tuple(sorted(pending)),
        unmet=unmet,
        armed=armed_in(rt),
        holding=tuple(task.number for task in rt.tasks if task.held),
    )
