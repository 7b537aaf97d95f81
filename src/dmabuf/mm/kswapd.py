"""The kernel's own reclaimer, which sleeps until memory runs short.

Mirrors: mm/vmscan.c (kswapd)

Nobody owes it work, so it may sleep for ever; but what it has begun it owes, as others may be
waiting for a lock that a shrinker holds.
"""

from __future__ import annotations

from collections.abc import Callable

from dmabuf._names import kernel
from dmabuf.rt.api import Op, Runtime, Task

__all__ = ["Kswapd"]

_SERVICE = "kswapd"


def _wake(kswapd: Kswapd, _task: Task) -> None:
    kswapd.is_wanted = True


def _begin(kswapd: Kswapd, task: Task) -> None:
    kswapd.is_wanted = False
    task.idle = False


def _is_wanted(kswapd: Kswapd, _task: Task) -> bool:
    return kswapd.is_wanted


WAKE = Op("kswapd.wake", action=_wake, wakes=True, says="wakes {}")
SLEEP = Op("kswapd.sleep", guard=_is_wanted, action=_begin, says="{} sleeps")


@kernel("kswapd")
class Kswapd:
    """A task that reclaims when it is woken.

    Args:
        balance: one round; True if it wants another one.
        rt: the runtime it belongs to.

    Attributes:
        is_wanted: it was woken, and has not begun yet.
    """

    __slots__ = ("__weakref__", "balance", "is_wanted", "name", "rt")

    def __init__(self, balance: Callable[[], bool], *, rt: Runtime) -> None:
        self.name = "kswapd"
        self.rt = rt
        self.balance = balance
        self.is_wanted = False
        rt.adopt(self, self.name)

    @kernel("wakeup_kswapd")
    def wake(self) -> None:
        """Have it reclaim, if it does not yet. Context: any."""
        self.start()
        self.rt.step(WAKE, self)

    @kernel("kswapd_run")
    def start(self) -> None:
        """Have the task, if it is not there yet. Context: any."""
        self.rt.service(_SERVICE, self._serve)

    def _serve(self) -> None:
        rt = self.rt
        task = rt.current()
        while True:
            task.idle = True
            rt.step(SLEEP, self)
            while self.balance():
                pass
