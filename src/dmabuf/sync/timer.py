"""A function that runs once when its time has come.

Mirrors: include/linux/timer.h

The function runs as a softirq: it may not sleep, and may interrupt a task. A timer never fires
before its time and may be late. Explored, each timer is on a CPU of its own, so the functions of
two run in either order; live, one helper thread runs them one after the other, in order of expiry.

    >>> timer = Timer(lambda: None, "watchdog")
    >>> timer.mod(30), timer.mod(60)
    (False, True)
    >>> timer.delete_sync(), timer.is_pending()
    (True, False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf._names import kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Kind, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync import softirq
from dmabuf.sync.context import warn_on

__all__ = ["Timer"]

_SERVICE = "timer"
Touches = tuple[tuple[Any, int], ...]


class _Base:
    """Timers of one CPU and the task that runs them: what the kernel keeps under one lock.

    Attributes:
        expiries: of each pending timer, ns on the runtime's clock.
        running: the timer whose function runs now.
        owner: the task that runs it.
        changes: how often a timer was armed or disarmed.
    """

    __slots__ = ("__weakref__", "changes", "expiries", "name", "owner", "rt", "running")

    is_lock = True

    def __init__(self, rt: Runtime, name: str) -> None:
        self.name = name
        self.rt = rt
        self.expiries: dict[Timer, int] = {}
        self.running: Timer | None = None
        self.owner: Task | None = None
        self.changes = 0
        rt.adopt(self, name)

    def next(self) -> tuple[int, int | None]:
        """The count of changes, and when the helper has to look again (for actions only)."""
        return self.changes, min(self.expiries.values(), default=None)


def _has_changed(base: _Base, task: Task) -> bool:
    return bool(base.changes != task.arg)


def _look(base: _Base, _task: Task) -> tuple[int, int | None]:
    return base.next()


def _due(base: _Base) -> Timer | None:
    """The first timer whose time has come; of equal ones the one armed first."""
    if not base.expiries:
        return None
    first = min(base.expiries, key=base.expiries.__getitem__)
    return first if base.expiries[first] <= base.rt.timestamp() else None


def _take(base: _Base, task: Task) -> tuple[Timer | None, str | None, Any]:
    """What is due: a timer whose function is to run now, what was wrong, when to look again."""
    timer = _due(base)
    if timer is None:
        return None, None, base.next()
    del base.expiries[timer]
    if not timer.runs:
        return None, timer._expire(), base.next()
    base.running = timer
    base.owner = task
    softirq.begin(task)
    return timer, None, None


def _take_touches(base: _Base, _task: Task) -> Touches:
    timer = _due(base)
    more = () if timer is None or timer.runs else timer._expire_touches()
    return (*_with_clock(base, WRITE), *more)


def _with_clock(base: _Base, access: int) -> Touches:
    clock = base.rt.clock
    return ((base, access),) if clock is None else ((base, access), (clock, READ))


def _end(base: _Base, task: Task) -> tuple[int, int | None]:
    base.running = base.owner = None
    softirq.end(task)
    return base.next()


SLEEP = Op("timer.sleep", guard=_has_changed, action=_look, access=READ, says="waits for {}")
TAKE = Op("timer.take", action=_take, touches=_take_touches, says="expires {}")
END = Op("timer.end", action=_end, wakes=True, says="has run {}")


def _serve(base: _Base) -> None:
    """The helper's loop: sleep to the next expiry, run what is due, for ever."""
    rt = base.rt
    task = rt.current()
    task.idle = True
    seen: int = -1
    expiry: int | None = None
    while True:
        if rt.step(SLEEP, base, seen, deadline=expiry) is Outcome.DONE:
            seen, expiry = task.value
            continue
        rt.step(TAKE, base)
        timer, complaint, following = task.value
        if complaint is not None:
            warn_on(rt, complaint)
        if timer is not None:
            try:
                softirq.enter(rt)
                timer.fn()
            finally:
                rt.step(END, base)
            following = task.value
        seen, expiry = following


# -- what others do to a timer -------------------------------------------------------------------


def _change(timer: Timer, task: Task) -> bool:
    """Arm (`arg`: ns from now, and which rule of `_KEEPS` spares it); was it pending?"""
    base = timer.base
    delay, keeps = task.arg
    pending = base.expiries.get(timer)
    expiry = base.rt.timestamp() + delay
    if not timer.is_shut_down and not keeps(pending, expiry) and pending != expiry:
        arm(timer, delay)
    return pending is not None


def _change_touches(timer: Timer, _task: Task) -> Touches:
    return _with_clock(timer.base, READ if timer.is_shut_down else WRITE)


def _never(_pending: int | None, _expiry: int) -> bool:
    return False


def _if_pending(pending: int | None, _expiry: int) -> bool:
    return pending is not None


def _unless_pending(pending: int | None, _expiry: int) -> bool:
    return pending is None


def _if_earlier(pending: int | None, expiry: int) -> bool:
    return pending is not None and pending <= expiry


def arm(timer: Timer, delay: int) -> None:
    """Let it fire `delay` ns from now (for actions only, whose footprint is `arm_touches`)."""
    base = timer.base
    base.expiries.pop(timer, None)
    base.expiries[timer] = base.rt.timestamp() + delay
    base.changes += 1


def arm_touches(timer: Timer) -> Touches:
    """What `arm` changes."""
    return _with_clock(timer.base, WRITE)


def disarm(timer: Timer) -> bool:
    """Disarm (for actions only, whose footprint has the timer's base); was it pending?"""
    if timer.base.expiries.pop(timer, None) is None:
        return False
    timer.base.changes += 1
    return True


def _disarm(timer: Timer, task: Task) -> bool:
    """Disarm, for good if `arg`; was it pending?"""
    timer.is_shut_down = timer.is_shut_down or bool(task.arg)
    return disarm(timer)


def _disarm_touches(timer: Timer, task: Task) -> Touches:
    pending = timer in timer.base.expiries
    return ((timer.base, WRITE if pending or task.arg else READ),)


def _is_not_running(timer: Timer, _task: Task) -> bool:
    return timer.base.running is not timer


def _is_pending(timer: Timer, _task: Task) -> bool:
    return timer in timer.base.expiries


def _base_of(timer: Timer) -> _Base:
    return timer.base


MOD = Op("timer.mod", action=_change, touches=_change_touches, wakes=True, says="arms {}")
DELETE = Op("timer.delete", action=_disarm, touches=_disarm_touches, says="disarms {}")
DELETE_SYNC = Op(
    "timer.delete_sync",
    guard=_is_not_running,
    action=_disarm,
    touches=_disarm_touches,
    waits_on=_base_of,
    says="disarms {} when it does not run",
)
PENDING = Op(
    "timer.pending",
    action=_is_pending,
    touches=lambda timer, _task: ((timer.base, READ),),
    says="asks whether {} is armed",
)


@kernel("struct timer_list")
class Timer:
    """A function and, while armed, the time at which it is to run.

    Args:
        fn: runs in softirq context: it may not sleep, but may arm the timer again.
        name: for reports.
        irqsafe: a handler may wait for its function to end (TIMER_IRQSAFE).
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "base", "fn", "irqsafe", "is_shut_down", "name", "rt")

    runs = True
    """Has it a function to run? Otherwise `_expire` is all there is, part of one step."""

    def __init__(
        self,
        fn: Callable[[], object],
        name: str = "",
        *,
        irqsafe: bool = False,
        rt: Runtime | None = None,
    ) -> None:
        self.fn = fn
        self.irqsafe = irqsafe
        self.name = name or "timer"
        self.rt = rt or ambient()
        self.is_shut_down = False
        self.rt.adopt(self, name)
        self.base = self._own_base() if self.rt.explored else self._shared_base()

    def _own_base(self) -> _Base:
        """Explored, unrelated timers do not meet, so their order need not be explored."""
        rt = self.rt
        label = self.name if self.name.startswith("timer") else f"timer {self.name}"
        base = _Base(rt, label)
        rt.spawn(lambda: _serve(base), name=label, kind=Kind.WORKER, idle=True)
        if self.runs:
            softirq.note_softirqs(rt)
        return base

    def _shared_base(self) -> _Base:
        base: _Base = self.rt.once(_SERVICE, lambda: _Base(self.rt, _SERVICE))
        return base

    @kernel("mod_timer", "timer_reduce", "mod_timer_pending")
    def mod(self, delay: float, *, reduce: bool = False, only_pending: bool = False) -> bool:
        """Let it fire `delay` from now, whenever that was before. Context: any.

        Args:
            delay: seconds.
            reduce: never later than it would fire now.
            only_pending: leave it alone unless it is armed.

        Returns whether it was armed. A timer that was shut down stays disarmed.
        """
        keeps = _if_earlier if reduce else _never
        return self._arm(delay, _unless_pending if only_pending else keeps)

    @kernel("add_timer")
    def add(self, delay: float) -> None:
        """As `mod`, for a timer that is not armed; if it is, that warns (DF004). Context: any."""
        if self._arm(delay, _if_pending):
            warn_on(self.rt, f"add_timer of {self.rt.label(self)}, which is armed already")

    def _expire(self) -> str | None:
        raise NotImplementedError

    def _expire_touches(self) -> Touches:
        raise NotImplementedError

    def _start_helper(self) -> None:
        base = self.base
        if not self.rt.explored:
            self.rt.service(_SERVICE, lambda: _serve(base))

    def _arm(self, delay: float, keeps: Callable[[int | None, int], bool]) -> bool:
        rt = self.rt
        self._start_helper()
        rt.step(MOD, self, (to_ns(delay), keeps))
        return bool(rt.current().value)

    @kernel("timer_delete", "del_timer")
    def delete(self) -> bool:
        """Disarm; its function may be running still. Was it armed? Context: any."""
        self.rt.step(DELETE, self, False)
        return bool(self.rt.current().value)

    @kernel("timer_delete_sync", "del_timer_sync")
    def delete_sync(self) -> bool:
        """Disarm once its function does not run, which is waited for. Was it armed?

        Never with a lock held that the function takes, nor from the function itself.
        Context: any but a handler (DF003), unless the timer is irqsafe.
        """
        return self._sync("timer_delete_sync", False)

    @kernel("timer_shutdown")
    def shutdown(self) -> bool:
        """As `delete`, and it can never be armed again. Context: any."""
        self.rt.step(DELETE, self, True)
        return bool(self.rt.current().value)

    @kernel("timer_shutdown_sync")
    def shutdown_sync(self) -> bool:
        """As `delete_sync`, and it can never be armed again, so its owner may go. Context: same."""
        return self._sync("timer_shutdown_sync", True)

    def _sync(self, call: str, for_good: bool) -> bool:
        rt = self.rt
        if rt.current().in_irq and not self.irqsafe:
            warn_on(rt, f"{call} of {rt.label(self)} in a handler", code="DF003")
        rt.step(DELETE_SYNC, self, for_good)
        return bool(rt.current().value)

    @kernel("timer_pending")
    def is_pending(self) -> bool:
        """Is it armed? Stale as soon as it is answered. Context: any."""
        self.rt.step(PENDING, self)
        return bool(self.rt.current().value)

    def __repr__(self) -> str:
        return f"<Timer {self.name} {'armed' if self in self.base.expiries else 'idle'}>"
