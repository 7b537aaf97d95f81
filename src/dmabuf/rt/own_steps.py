"""The steps that the explored runtime makes of itself: clock, spawning, signals.

>>> SPAWN.says
'starts {}'
"""

from __future__ import annotations

from dmabuf.rt.api import READ, WRITE, Op, Task

__all__ = ["CLOCK_ARM", "CLOCK_NOW", "MAKE_PENDING", "SPAWN"]


def _make_pending(target: Task, _task: Task) -> None:
    target.signal_pending = True


def _pending_touches(target: Task, _task: Task) -> tuple[tuple[Task, int], ...]:
    return ((target, READ if target.signal_pending else WRITE),)


CLOCK_NOW = Op("clock.now", access=READ, says="reads the clock")
CLOCK_ARM = Op("clock.arm", access=READ, says="arms a timeout")
SPAWN = Op("task.spawn", says="starts {}")
MAKE_PENDING = Op(
    "task.interrupt",
    action=_make_pending,
    touches=_pending_touches,
    says="makes a signal pending for {}",
)
