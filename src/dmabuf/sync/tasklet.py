"""A function that runs soon, in softirq context, never twice at once.

Mirrors: include/linux/interrupt.h, kernel/softirq.c

A tasklet that is scheduled already is not scheduled twice; one that runs may be scheduled again,
by itself too, and then runs once more. While it is disabled it stays scheduled. Explored, each
tasklet is on a CPU of its own, so unrelated ones run in any order; live, one helper thread runs
them in the order in which they were scheduled.

    >>> tasklet = Tasklet(lambda: None, "complete")
    >>> tasklet.schedule()
    >>> tasklet.kill()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dmabuf._names import kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync import softirq
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.helpers import start_helper

__all__ = ["Tasklet"]

_SERVICE = "tasklet"
_Touches = tuple[tuple["_Line", int], ...]


class _Line:
    """The scheduled tasklets of one CPU; what any of them is, is in its footprint.

    Attributes:
        queued: the scheduled ones, in order.
        running: the one whose function runs now.
        owner: the task that runs it.
    """

    __slots__ = ("__weakref__", "name", "owner", "queued", "rt", "running")

    is_lock = True

    def __init__(self, rt: Runtime, name: str) -> None:
        self.name = name
        self.rt = rt
        self.queued: deque[Tasklet] = deque()
        self.running: Tasklet | None = None
        self.owner: Task | None = None
        rt.adopt(self, name)


def _first(line: _Line) -> Tasklet | None:
    """The first one that may run."""
    return next((tasklet for tasklet in line.queued if not tasklet.disabled), None)


def _line_of(tasklet: Tasklet) -> _Line:
    return tasklet.line


def _reads(tasklet: Tasklet, _task: Task) -> _Touches:
    return ((tasklet.line, READ),)


def _writes(tasklet: Tasklet, _task: Task) -> _Touches:
    return ((tasklet.line, WRITE),)


# -- what runs them ------------------------------------------------------------------------------


def _has_next(line: _Line, _task: Task) -> bool:
    return _first(line) is not None


def _take(line: _Line, task: Task) -> Tasklet | None:
    tasklet = _first(line)
    if tasklet is not None:
        line.queued.remove(tasklet)
        tasklet.is_scheduled = False
        line.running, line.owner = tasklet, task
        softirq.begin(task)
    return tasklet


def _end(line: _Line, task: Task) -> None:
    line.running = line.owner = None
    softirq.end(task)


TAKE = Op("tasklet.take", guard=_has_next, action=_take, says="waits for {}")
END = Op("tasklet.end", action=_end, wakes=True, says="has run {}")


def _serve(line: _Line) -> None:
    """The helper's loop: run what is scheduled, for ever."""
    rt = line.rt
    task = rt.current()
    task.idle = True
    while True:
        rt.step(TAKE, line)
        tasklet: Tasklet = task.value
        try:
            softirq.enter(rt)
            tasklet.fn()
        finally:
            rt.step(END, line)
            del tasklet  # or what it works on would live until the next one is scheduled


# -- what others do to a tasklet -----------------------------------------------------------------


def _schedule(tasklet: Tasklet, _task: Task) -> None:
    if not tasklet.is_scheduled:
        tasklet.is_scheduled = True
        tasklet.line.queued.append(tasklet)


def _schedule_touches(tasklet: Tasklet, _task: Task) -> _Touches:
    return ((tasklet.line, READ if tasklet.is_scheduled else WRITE),)


def _disable(tasklet: Tasklet, _task: Task) -> None:
    tasklet.disabled += 1


def _enable(tasklet: Tasklet, _task: Task) -> bool:
    """Whether it was disabled."""
    was = tasklet.disabled > 0
    tasklet.disabled -= was
    return was


def _is_not_running(tasklet: Tasklet, _task: Task) -> bool:
    return tasklet.line.running is not tasklet


def _is_not_scheduled(tasklet: Tasklet, _task: Task) -> bool:
    return not tasklet.is_scheduled


def _claim(tasklet: Tasklet, _task: Task) -> None:
    """Let nobody schedule it meanwhile: it counts as scheduled, but is on no line."""
    tasklet.is_scheduled = True


def _unclaim(tasklet: Tasklet, _task: Task) -> None:
    tasklet.is_scheduled = False


SCHEDULE = Op(
    "tasklet.schedule",
    action=_schedule,
    touches=_schedule_touches,
    wakes=True,
    says="schedules {}",
)
DISABLE = Op("tasklet.disable", action=_disable, touches=_writes, says="disables {}")
ENABLE = Op("tasklet.enable", action=_enable, touches=_writes, wakes=True, says="enables {}")
UNLOCK_WAIT = Op(
    "tasklet.unlock_wait",
    guard=_is_not_running,
    touches=_reads,
    waits_on=_line_of,
    says="waits for {} to end",
)
CLAIM = Op(
    "tasklet.claim",
    guard=_is_not_scheduled,
    action=_claim,
    touches=_writes,
    waits_on=_line_of,
    says="waits for {} to start",
)
UNCLAIM = Op("tasklet.unclaim", action=_unclaim, touches=_writes, wakes=True, says="has killed {}")


@kernel("struct tasklet_struct", "tasklet_setup", "tasklet_init")
class Tasklet:
    """A function and, while scheduled, the promise to run it.

    Args:
        fn: runs in softirq context: it may not sleep, but may schedule the tasklet again.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = (
        "__weakref__",
        "disabled",
        "fn",
        "is_scheduled",
        "line",
        "name",
        "rt",
    )

    def __init__(
        self, fn: Callable[[], object], name: str = "", *, rt: Runtime | None = None
    ) -> None:
        self.fn = fn
        self.name = name or "tasklet"
        self.rt = rt or ambient()
        self.is_scheduled = False
        self.disabled = 0
        self.rt.adopt(self, name)
        self.line = self._own_line() if self.rt.explored else self._shared_line()

    def _own_line(self) -> _Line:
        """Explored, unrelated tasklets do not meet, so their order need not be explored."""
        label = self.name if self.name.startswith("tasklet") else f"tasklet {self.name}"
        line = _Line(self.rt, label)
        start_helper(self.rt, label, lambda: _serve(line))
        softirq.note_softirqs(self.rt)
        return line

    def _shared_line(self) -> _Line:
        line: _Line = self.rt.once(_SERVICE, lambda: _Line(self.rt, _SERVICE))
        return line

    @kernel("tasklet_schedule", "tasklet_hi_schedule")
    def schedule(self) -> None:
        """Let it run soon; nothing if that is so already, or while it is killed. Context: any."""
        line = self.line
        if not self.rt.explored:
            start_helper(self.rt, _SERVICE, lambda: _serve(line))
        self.rt.step(SCHEDULE, self)

    @kernel("tasklet_disable_nosync")
    def disable_nosync(self) -> None:
        """Keep it from starting, until as many `enable`. It may be running. Context: any."""
        self.rt.step(DISABLE, self)

    @kernel("tasklet_disable", context="process")
    def disable(self) -> None:
        """Keep it from starting, and wait until it does not run. Context: process, may sleep."""
        might_sleep(f"tasklet_disable of {self.rt.label(self)}", runtime=self.rt)
        self.disable_in_atomic()

    @kernel("tasklet_disable_in_atomic")
    def disable_in_atomic(self) -> None:
        """As `disable`, spinning meanwhile. Context: any but where it cannot run on meanwhile."""
        self.rt.step(DISABLE, self)
        self.rt.step(UNLOCK_WAIT, self)

    @kernel("tasklet_enable")
    def enable(self) -> None:
        """Undo one `disable`; one too many warns (DF004). Context: any."""
        self.rt.step(ENABLE, self)
        if not self.rt.current().value:
            warn_on(self.rt, f"tasklet_enable of {self.rt.label(self)}, which is not disabled")

    @kernel("tasklet_kill", context="process")
    def kill(self) -> None:
        """Wait until it is neither scheduled nor running; disabled and scheduled, it never is.

        It can be scheduled again afterwards: whoever does that has to be stopped before.
        Context: process, may sleep.
        """
        rt = self.rt
        might_sleep(f"tasklet_kill of {rt.label(self)}", runtime=rt)
        rt.step(CLAIM, self)
        rt.step(UNLOCK_WAIT, self)
        rt.step(UNCLAIM, self)

    def __repr__(self) -> str:
        scheduled = "scheduled" if self.is_scheduled else "idle"
        return f"<Tasklet {self.name} {'disabled ' if self.disabled else ''}{scheduled}>"
