"""A kernel thread that can be told to stop and to park.

Mirrors: include/linux/kthread.h

    >>> thread = Kthread(lambda: 42, "answer")
    >>> thread.stop()
    42
    >>> def until_stopped():
    ...     while not kthread_should_stop():
    ...         kthread_parkme()
    ...     return 0
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from dmabuf._names import kernel
from dmabuf.errors import ContractViolation
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Kind, Op, Runtime, Task
from dmabuf.sync.context import might_sleep, warn_on
from dmabuf.sync.waitqueue import sleeping_on, wake_sleeper

__all__ = ["Kthread", "kthread_parkme", "kthread_should_park", "kthread_should_stop"]

Touches = tuple[tuple[Any, int], ...]
_OF_TASK = "sync.kthread.of_task"


def _wakes(thread: Kthread) -> Touches:
    """What a wake-up of the thread touches: it, and the queue it sleeps on, if any."""
    if thread.task is None:
        return ((thread, WRITE),)
    queue = sleeping_on(thread.task)
    mine = ((thread, WRITE), (thread.task, READ))
    return mine if queue is None else (*mine, (queue, WRITE))


def _wake(thread: Kthread) -> None:
    if thread.task is not None:
        wake_sleeper(thread.task)


def _stop(thread: Kthread, _task: Task) -> None:
    thread.stopping = True
    thread.parking = False
    _wake(thread)


def _park(thread: Kthread, task: Task) -> str:
    """Ask it to park; what is wrong with that, if anything."""
    if thread.exited:
        return "has ended"
    if thread.parking:
        return "is told to park already"
    thread.parking = True
    if thread.task is not task:
        _wake(thread)
    return ""


def _unpark(thread: Kthread, _task: Task) -> None:
    thread.parking = False


def _exit(thread: Kthread, task: Task) -> None:
    thread.result = task.arg
    thread.exited = True


def _has_exited(thread: Kthread, _task: Task) -> bool:
    return thread.exited


def _result(thread: Kthread, _task: Task) -> Any:
    return thread.result


def _is_parked(thread: Kthread, _task: Task) -> bool:
    return thread.parked or thread.exited or not thread.parking


def _enter_park(thread: Kthread, task: Task) -> bool:
    thread.parked = thread.parking
    task.idle = task.idle or thread.parking
    return thread.parking


def _may_go_on(thread: Kthread, _task: Task) -> bool:
    return not thread.parking


def _leave_park(thread: Kthread, task: Task) -> None:
    thread.parked = False
    task.idle = thread.was_idle


def _should_stop(thread: Kthread, _task: Task) -> bool:
    return thread.stopping


def _should_park(thread: Kthread, _task: Task) -> bool:
    return thread.parking


STOP = Op(
    "kthread.stop", action=_stop, touches=lambda t, _task: _wakes(t), wakes=True, says="stops {}"
)
PARK = Op(
    "kthread.park", action=_park, touches=lambda t, _task: _wakes(t), wakes=True, says="parks {}"
)
UNPARK = Op("kthread.unpark", action=_unpark, wakes=True, says="unparks {}")
EXIT = Op("kthread.exit", action=_exit, wakes=True, says="ends {}")
JOIN = Op(
    "kthread.join", guard=_has_exited, action=_result, access=READ, says="waits for {} to end"
)
PARKED = Op("kthread.parked", guard=_is_parked, access=READ, says="waits for {} to park")
ENTER_PARK = Op("kthread.enter_park", action=_enter_park, wakes=True, says="looks whether to park")
PARKME = Op("kthread.parkme", guard=_may_go_on, action=_leave_park, says="is parked as {}")
SHOULD_STOP = Op("kthread.should_stop", action=_should_stop, access=READ, says="asks: stop {}?")
SHOULD_PARK = Op("kthread.should_park", action=_should_park, access=READ, says="asks: park {}?")


@kernel("kthread_run", "kthread_create")
class Kthread:
    """A running kernel thread, as its owner sees it.

    Args:
        fn: what it does; its result is what `stop` returns.
        name: for reports; the function's name if not given.
        cpu: the CPU it is bound to; one of its own if not given.
        idle: it waits for work that nobody owes, so it may stay blocked.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = (
        "__weakref__",
        "exited",
        "fn",
        "name",
        "parked",
        "parking",
        "result",
        "rt",
        "stopping",
        "task",
        "was_idle",
    )

    is_lock = True

    def __init__(
        self,
        fn: Callable[[], object],
        name: str = "",
        *,
        cpu: int | None = None,
        idle: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        self.fn = fn
        self.name = name or str(getattr(fn, "__name__", "kthread"))
        self.stopping = self.parking = self.parked = self.exited = False
        self.was_idle = idle
        self.result: Any = None
        self.task: Task | None = None
        self.rt = rt or ambient()
        self.rt.adopt(self, f"kthread {self.name}")
        self.rt.spawn(self._main, name=self.name, kind=Kind.KTHREAD, cpu=cpu, idle=idle)

    @property
    @kernel("wait_task_inactive")
    def owner(self) -> Task | None:
        """Who has to go on for it to end or park: itself."""
        return self.task

    def _main(self) -> None:
        rt = self.rt
        task = rt.current()
        self.task = task
        rt.extras.setdefault(_OF_TASK, {})[task] = self
        result: object = -errno.EINTR
        try:
            rt.step(SHOULD_STOP, self)
            if not task.value:
                result = self.fn()
        finally:
            rt.step(EXIT, self, result)

    @kernel("kthread_stop", context="process")
    def stop(self) -> Any:
        """Tell it to stop, wake it, wait until it has ended. Context: process, may sleep.

        Returns what its function returned; -EINTR if it was stopped before it began.
        """
        rt = self.rt
        might_sleep(f"kthread_stop of {rt.label(self)}", runtime=rt)
        rt.step(STOP, self)
        rt.step(JOIN, self)
        return rt.current().value

    @kernel("kthread_park", context="process")
    def park(self) -> None:
        """Tell it to park, wake it, wait until it has. Context: process, may sleep.

        Raises:
            OSError: ENOSYS if it has ended, EBUSY if it is told so already; both warn (DF004).
        """
        rt = self.rt
        might_sleep(f"kthread_park of {rt.label(self)}", runtime=rt)
        rt.step(PARK, self)
        wrong: str = rt.current().value
        if wrong:
            warn_on(rt, f"kthread_park of {rt.label(self)}, which {wrong}")
            raise OSError(errno.ENOSYS if self.exited else errno.EBUSY, wrong)
        if rt.current() is not self.task:
            rt.step(PARKED, self)

    @kernel("kthread_unpark")
    def unpark(self) -> None:
        """Let it go on. Context: any."""
        self.rt.step(UNPARK, self)

    def __repr__(self) -> str:
        state = "ended" if self.exited else "parked" if self.parked else "running"
        return f"<Kthread {self.name} {state}>"


def _current(rt: Runtime | None) -> tuple[Runtime, Kthread]:
    rt = rt or ambient()
    threads: dict[Task, Kthread] = rt.extras.get(_OF_TASK, {})
    thread = threads.get(rt.current())
    if thread is None:
        message = f"{rt.current().name} is no Kthread, so nobody can stop or park it"
        rt.report("DF004", message)
        raise ContractViolation("DF004", message)
    return rt, thread


@kernel("kthread_should_stop")
def kthread_should_stop(rt: Runtime | None = None) -> bool:
    """Is the calling thread told to stop? Context: its own. Elsewhere: DF004."""
    rt, thread = _current(rt)
    rt.step(SHOULD_STOP, thread)
    return bool(rt.current().value)


@kernel("kthread_should_park")
def kthread_should_park(rt: Runtime | None = None) -> bool:
    """Is the calling thread told to park? Context: its own. Elsewhere: DF004."""
    rt, thread = _current(rt)
    rt.step(SHOULD_PARK, thread)
    return bool(rt.current().value)


@kernel("kthread_parkme", context="process")
def kthread_parkme(rt: Runtime | None = None) -> None:
    """Sleep as long as the calling thread is told to park. Context: its own, may sleep."""
    rt, thread = _current(rt)
    might_sleep("kthread_parkme", runtime=rt)
    rt.step(ENTER_PARK, thread)
    if rt.current().value:
        rt.step(PARKME, thread)
